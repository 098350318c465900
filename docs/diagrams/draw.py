"""Block diagrams as SVG: blocks, frames around them, and wires of horizontal and vertical pieces.

All diagrams look like docs/overview.svg: the same colours, sizes and arrows. Lengths are in pixels of the picture.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal
from xml.sax.saxutils import escape

Point = tuple[float, float]
Kind = Literal["block", "array", "check", "memory"]

FONT, SMALL = 13.0, 11.0
GLYPH = 0.54
"""Mean width of a letter of the fonts, of their size: for checking that a text fits."""

STYLE = """\
      .frame  { fill: #f8fafc; stroke: #94a3b8; stroke-width: 1.5 }
      .block  { fill: #e2e8f0; stroke: #475569 }
      .memory { fill: #fef3c7; stroke: #b45309 }
      .array  { fill: #bfdbfe; stroke: #1d4ed8; stroke-width: 2 }
      .check  { fill: #dcfce7; stroke: #15803d }
      .wire   { fill: none; stroke: #334155; stroke-width: 1.7; marker-end: url(#tip) }
      .both   { fill: none; stroke: #334155; stroke-width: 1.7; marker-end: url(#tip); marker-start: url(#tip) }
      .line   { fill: none; stroke: #94a3b8; stroke-width: 1.5; stroke-dasharray: 6 4 }
      .small  { font-size: 11px; fill: #475569 }
      .head   { font-weight: bold }
"""


@dataclass(frozen=True)
class Box:
    """A rectangle; its sides give points on them, `at` of the way from left to right or from top to bottom."""

    x: float
    y: float
    width: float
    height: float

    def left(self, at: float = 0.5) -> Point:
        """A point on the left side."""
        return self.x, self.y + at * self.height

    def right(self, at: float = 0.5) -> Point:
        """A point on the right side."""
        return self.x + self.width, self.y + at * self.height

    def top(self, at: float = 0.5) -> Point:
        """A point on the upper side."""
        return self.x + at * self.width, self.y

    def bottom(self, at: float = 0.5) -> Point:
        """A point on the lower side."""
        return self.x + at * self.width, self.y + self.height


@dataclass
class Drawing:
    """A picture from x = `left` to `width` and from y = 0 to `height`.

    components: what it and its blocks stand for, "module.Class".
    """

    title: str
    width: int
    height: int
    left: int = 0
    components: tuple[str, ...] = ()
    _shapes: list[str] = field(default_factory=list)

    def frame(self, x: float, y: float, width: float, height: float, title: str, of: str | None = None,
              indent: float = 10) -> Box:
        """What belongs together, with its name at the top, `indent` from the left. of: the component that it is."""
        box = Box(x, y, width, height)
        self._rectangle(box, "frame", of)
        if title:
            self.text((x + indent, y + 19), title, "head", "start")
        return box

    def block(self, x: float, y: float, width: float, height: float, *lines: str, kind: Kind = "block",
              of: str | None = None) -> Box:
        """A block with its name and, small, what it does. of: the component that it is.

        Raises ValueError if a line does not fit in.
        """
        box = Box(x, y, width, height)
        for number, line in enumerate(lines):
            needed = len(line) * GLYPH * (SMALL if number else FONT) + 6
            if needed > width:
                raise ValueError(f"{line!r} needs a block {needed:.0f} wide, not {width:g}")
        if 17 * len(lines) > height:
            raise ValueError(f"{lines[0]!r} needs a block {17 * len(lines)} high, not {height:g}")
        self._rectangle(box, kind, of)
        first = y + height / 2 - 7.5 * (len(lines) - 1) + 4.5
        for number, line in enumerate(lines):
            self.text((x + width / 2, first + 15 * number), line, "small" if number else "")
        return box

    def wire(self, *points: Point, label: str = "", at: float = 0.5, both: bool = False) -> None:
        """An arrow through the points. label: what it carries, above its longest piece, `at` of the way along it.

        Raises ValueError for a piece that is neither horizontal nor vertical.
        """
        for (x, y), (next_x, next_y) in pairwise(points):
            if x != next_x and y != next_y:
                raise ValueError(f"a wire from {x, y} to {next_x, next_y} is neither horizontal nor vertical")
        path = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
        self._shapes.append(f'<path class="{"both" if both else "wire"}" d="{path}"/>')
        if label:
            (x, y), (next_x, next_y) = max(pairwise(points), key=lambda piece: abs(piece[0][0] - piece[1][0]))
            if x == next_x:
                self.text((x + 5, y + at * (next_y - y) + 4), label, "small", "start")
            else:
                self.text((x + at * (next_x - x), y - 5), label, "small")

    def divide(self, x: float, top: float, bottom: float) -> None:
        """A dashed line from top to bottom, between what is not of one kind."""
        self._shapes.append(f'<path class="line" d="M{x:g} {top:g} V{bottom:g}"/>')

    def text(self, at: Point, text: str, style: str = "small", anchor: str = "middle") -> None:
        """A line of text."""
        attributes = (f' class="{style}"' if style else "") + ("" if anchor == "middle" else f' text-anchor="{anchor}"')
        self._shapes.append(f'<text{attributes} x="{at[0]:g}" y="{at[1]:g}">{escape(text)}</text>')

    def svg(self) -> str:
        """The file."""
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{self.left} 0 {self.width - self.left} {self.height}" '
            'role="img" font-family="Helvetica, Arial, sans-serif"',
            f'     font-size="{FONT:g}" text-anchor="middle">',
            f"  <title>{escape(self.title)}</title>",
            "  <defs>",
            '    <marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            'orient="auto-start-reverse">',
            '      <path d="M0 0 L10 5 L0 10 z" fill="#334155"/>',
            "    </marker>",
            f"    <style>\n{STYLE}    </style>",
            "  </defs>",
            f'  <rect x="{self.left}" width="{self.width - self.left}" height="{self.height}" fill="#ffffff"/>',
            *(f"  {shape}" for shape in self._shapes),
            "</svg>\n",
        ])

    def _rectangle(self, box: Box, style: str, of: str | None) -> None:
        if of is not None:
            self.components += (of,)
        radius = 8 if style == "frame" else 4
        self._shapes.append(f'<rect class="{style}" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" '
                            f'height="{box.height:g}" rx="{radius}"/>')
