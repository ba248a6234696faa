"""The environments the benchmarks' other contenders run in: TRL, pinned, one folder a version.

They lie under var/ and are made on first use. TRL is a yardstick here, never a dependency: 1.16 is
the present release, 1.12 the last one with a PPOTrainer.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = Path(__file__).with_name("requirements-trl.txt")
TRL, TRL_WITH_PPO = "1.16.0", "1.12.0"


def trl_python(version: str) -> Path:
    """The interpreter of the environment with this version of TRL, made if it is not there.

    Raises CalledProcessError when the installation fails; the next call starts it over.
    """
    folder = ROOT / "var" / f"bench-trl-{version}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        print(f"Installing TRL {version} under {folder.relative_to(ROOT)} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", REQUIREMENTS, f"trl=={version}"], check=True)
        complete.touch()
    return python
