"""What a wheel holds: the folders that run, as they stand here, below the package `tutelage`.

`manage.py` lies beside them there as it does here, and puts its folder on the path: whatever finds
a module, a template or a file in a checkout finds it in an installed wheel.
"""

import tomllib
from pathlib import Path

from setuptools import find_namespace_packages, setup

project = tomllib.loads(Path("pyproject.toml").read_text())
rooms = project["tool"]["importlinter"]["root_packages"]
# Folders of templates, styles and words count as packages too, so that their files come along.
folders = find_namespace_packages(
    include=[pattern for room in rooms for pattern in (room, f"{room}.*")],
    exclude=["*.__pycache__", "frontend.node_modules*", "frontend.types"],
)
packages = [f"tutelage.{folder}" for folder in folders]
setup(
    script_name="setup.py",  # which stays behind
    packages=["tutelage", *packages],
    package_dir={"tutelage": "."},
    include_package_data=False,  # of what stands beside manage.py, nothing
    package_data={package: ["*"] for package in packages},
    # What checks the scripts is for developers.
    exclude_package_data={"tutelage.frontend": ["*.json", "*.config.js"]},
)
