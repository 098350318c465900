"""Writes the diagrams beside this file: `make docs`."""

from collections.abc import Callable
from pathlib import Path

from docs.diagrams import gateware, software
from docs.diagrams.draw import Drawing

DRAWINGS: dict[str, Callable[[], Drawing]] = {
    drawing.__name__.replace("_", "-") + ".svg": drawing for drawing in (*gateware.DRAWINGS, *software.DRAWINGS)}
"""What draws each file."""

if __name__ == "__main__":
    for name, drawing in DRAWINGS.items():
        (Path(__file__).parent / name).write_text(drawing().svg(), encoding="utf-8")
