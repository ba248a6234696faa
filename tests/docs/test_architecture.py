"""The picture is what the contracts say, and the walks name files that are there, going down."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from django.conf import settings

from operations import architecture

DOCS = settings.BASE_DIR / "docs"


def test_the_picture_is_up_to_date() -> None:
    drawn = architecture.svg(architecture.contracts(settings.BASE_DIR / "pyproject.toml"))
    assert (DOCS / "architecture.svg").read_text() == drawn, "run manage.py draw_architecture"


def test_it_draws_every_layer_and_room_inside_its_frame(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text(
        """
        [[tool.importlinter.contracts]]
        type = "layers"
        layers = ["top", "ground"]
        [[tool.importlinter.contracts]]
        type = "layers"
        containers = ["top"]
        layers = ["api : admin", "(a_room_with_a_long_name)", "another_room_with_a_long_name",
                  "one_more_room_with_a_long_name", "models"]
        [[tool.importlinter.contracts]]
        type = "forbidden"
        """
    )
    rooms = architecture.contracts(project)
    assert rooms["top"][:2] == ["api · admin", "a_room_with_a_long_name"] and rooms["ground"] == []
    root = ElementTree.fromstring(architecture.svg(rooms))
    svg = "{http://www.w3.org/2000/svg}"
    assert [t.text for t in root.iter(f"{svg}text")] == ["top", *rooms["top"], "ground"]
    boxes = [box.attrib for box in root.iter(f"{svg}rect") if box.attrib["class"] == "room"]
    assert len({box["y"] for box in boxes}) > 1  # they do not fit into one row
    right = max(int(box["x"]) + int(box["width"]) for box in boxes)
    assert right <= architecture.WIDTH - architecture.MARGIN


def test_the_walks_name_files_and_functions_that_are_there() -> None:
    walks = (DOCS / "architecture.md").read_text().split("## Four walks")[1].split("\n## ")[0]
    paths = re.findall(r"`([\w/]+\.\w+)`", walks)
    assert len(paths) > 30
    assert [path for path in paths if not (settings.BASE_DIR / path).is_file()] == []
    for path, name in re.findall(r"`([\w/]+\.py)`\s+\(`(\w+)`\)", walks):
        source = (settings.BASE_DIR / path).read_text()
        assert re.search(rf"^(?:def|class) {name}\b", source, re.MULTILINE), f"{path}: {name}"
