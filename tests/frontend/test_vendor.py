"""The browser libraries that lie in the repository are the pinned ones, with their licences."""

from __future__ import annotations

import pytest

from frontend.vendor import LIBRARIES, VENDOR, Library


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.folder)
def test_it_lies_there_with_version_and_licence(library: Library) -> None:
    folder = VENDOR / library.folder
    assert (folder / "VERSION").read_text().strip() == f"{library.package} {library.version}"
    assert "Copyright" in (folder / "LICENSE").read_text()
    names = {file.rpartition("/")[2] for file in library.files}
    assert names | {"VERSION", "LICENSE"} == {path.name for path in folder.iterdir()}
