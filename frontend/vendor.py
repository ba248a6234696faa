"""Brings the browser libraries into static/vendor/ with their version and licence (`make vendor`).

Run it by hand when a version changes: `python -m frontend.vendor`. Nothing of npm is needed to
run or to install Tutelage, since what it fetched is committed.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).parent / "static" / "vendor"


@dataclass(frozen=True)
class Library:
    """One npm package: its pinned version and the files taken from it, by path in the package."""

    package: str
    version: str
    licence: str
    files: tuple[str, ...]

    @property
    def folder(self) -> str:
        return self.package.rpartition("/")[2]


LIBRARIES = (
    Library("@hotwired/stimulus", "3.2.2", "LICENSE.md", ("dist/stimulus.js",)),
    Library("sortablejs", "1.15.7", "LICENSE", ("modular/sortable.esm.js",)),
    Library("uplot", "1.6.32", "LICENSE", ("dist/uPlot.esm.js", "dist/uPlot.min.css")),
)


def fetch(library: Library, target: Path = VENDOR) -> Path:
    """Write one library's files, LICENSE and VERSION under `target`; returns its folder."""
    folder = target / library.folder
    with tempfile.TemporaryDirectory() as scratch:
        package = _unpack(library, Path(scratch))
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file in library.files:
            shutil.copy(package / file, folder / Path(file).name)
        shutil.copy(package / library.licence, folder / "LICENSE")
    (folder / "VERSION").write_text(f"{library.package} {library.version}\n")
    return folder


def _unpack(library: Library, scratch: Path) -> Path:
    spec = f"{library.package}@{library.version}"
    command = ["npm", "pack", spec, "--silent", "--pack-destination", str(scratch)]
    subprocess.run(command, check=True, capture_output=True)
    with tarfile.open(next(scratch.glob("*.tgz"))) as archive:
        archive.extractall(scratch, filter="data")
    return scratch / "package"


if __name__ == "__main__":
    for wanted in LIBRARIES:
        fetch(wanted)
