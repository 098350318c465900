"""The diagrams: as committed, of components that exist, and legible."""

import importlib
import xml.etree.ElementTree as ElementTree

import pytest

from docs.diagrams.__main__ import DRAWINGS
from docs.diagrams.draw import Drawing
from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "diagrams"


def test_every_drawing_has_a_file():
    assert {path.name for path in FOLDER.glob("*.svg")} == set(DRAWINGS)


@pytest.mark.parametrize("name", DRAWINGS)
def test_current(name):
    drawing = DRAWINGS[name]().svg()
    ElementTree.fromstring(drawing)
    assert (FOLDER / name).read_text() == drawing, "run make docs"


@pytest.mark.parametrize("name", DRAWINGS)
def test_components(name):
    """What a block stands for is a class of that name, and the name is in the drawing."""
    drawing = DRAWINGS[name]()
    assert drawing.components
    for component in drawing.components:
        module, _, cls = component.rpartition(".")
        assert isinstance(getattr(importlib.import_module(f"trine.{module}"), cls), type)
        assert cls in drawing.svg()


def test_text_fits():
    drawing = Drawing("title", 100, 100)
    with pytest.raises(ValueError, match=r"'a long line' needs a block 71 wide, not 50"):
        drawing.block(0, 0, 50, 50, "name", "a long line")
    with pytest.raises(ValueError, match=r"'name' needs a block 34 high, not 30"):
        drawing.block(0, 0, 90, 30, "name", "line")


def test_wires_are_straight():
    with pytest.raises(ValueError, match=r"a wire from \(0, 0\) to \(1, 1\) is neither horizontal nor vertical"):
        Drawing("title", 100, 100).wire((0, 0), (1, 1))


def test_escapes():
    drawing = Drawing("a < b & c", 100, 100)
    drawing.text((0, 0), "<&>")
    assert "&lt;&amp;&gt;" in drawing.svg()
    assert ElementTree.fromstring(drawing.svg())[0].text == "a < b & c"
