"""A wheel holds all that runs, and its command works where there is no checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from django.conf import settings

from core import __version__

PROJECT = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())
ROOMS = PROJECT["tool"]["importlinter"]["root_packages"]
ENTRY = "import sys; sys.path.insert(0, sys.argv.pop(1)); from tutelage.manage import installed; "
# What checks the scripts.
FOR_DEVELOPERS = tuple(
    f"frontend/{name}"
    for name in (
        ".npmrc",
        "eslint.config.js",
        "node_modules/",
        "package",
        "tsconfig.json",
        "types/",
    )
)
BESIDE = ("manage.py", "setup.py", "pyproject.toml", "README.md", "LICENSE")


def _run_files(folder: Path) -> set[str]:
    """The files below `folder` that run or are read while something runs."""
    files = (path for room in ROOMS for path in (folder / room).rglob("*") if path.is_file())
    found = {str(path.relative_to(folder)) for path in files if path.suffix != ".pyc"}
    return {name for name in found if not name.startswith(FOR_DEVELOPERS)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since building leaves its traces in the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    for room in ROOMS:
        shutil.copytree(
            settings.BASE_DIR / room, tree / room, ignore=shutil.ignore_patterns("node_modules")
        )
    for name in BESIDE:
        shutil.copy(settings.BASE_DIR / name, tree)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", ".", "--quiet", "--no-build-isolation", "--no-deps",
         "--no-index", "--wheel-dir", str(folder)],
        cwd=tree, check=True, capture_output=True,
    )  # fmt: skip
    return folder / f"tutelage-{__version__}-py3-none-any.whl"


def test_it_holds_what_runs_under_one_package_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {f"tutelage/{name}" for name in _run_files(settings.BASE_DIR)}
    assert names == wanted | {"tutelage/manage.py"}
    for read_while_it_runs in (
        "frontend/templates/base.html",
        "frontend/static/css/tokens.css",
        "frontend/locale/de/LC_MESSAGES/django.mo",
        "labeling/demo/prompts.jsonl",
        "labeling/templates/labeling/review.html",
    ):
        assert f"tutelage/{read_while_it_runs}" in names


def test_it_names_its_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    entry = archive.read(f"tutelage-{__version__}.dist-info/entry_points.txt").decode()
    assert "tutelage = tutelage.manage:installed" in entry


@pytest.fixture
def unpacked(wheel: Path, tmp_path: Path) -> Path:
    zipfile.ZipFile(wheel).extractall(tmp_path / "packages")
    return tmp_path


def _tutelage(unpacked: Path, *arguments: str) -> str:
    """What the command says in an empty folder, with the services of the tests."""
    place = unpacked / "empty"
    place.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "DATA_DIR"}
    # -P: the current folder is no place to import from.
    run = subprocess.run(
        [sys.executable, "-P", "-c", ENTRY + "installed()", str(unpacked / "packages"), *arguments],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_its_command_lists_the_commands_and_checks_the_settings(unpacked: Path) -> None:
    listed = _tutelage(unpacked, "--help")
    for command in ("up", "import_prompts", "export", "start_round", "create_user"):
        assert f"    {command}\n" in listed
    assert "no issues" in _tutelage(unpacked, "check")
    assert (unpacked / "empty" / "var").is_dir()


def test_it_runs_its_own_code_and_so_do_the_programs_it_starts(unpacked: Path) -> None:
    code = (
        "import subprocess, sys, config.settings as s; print(s.BASE_DIR); "
        "print(subprocess.check_output([sys.executable, '-P', '-c', "
        "'import trainer; print(trainer.__file__)'], text=True))"
    )
    places = _tutelage(unpacked, "shell", "--no-imports", "--command", code).split()
    inside = str(unpacked / "packages" / "tutelage")
    assert places == [inside, f"{inside}/trainer/__init__.py"]
