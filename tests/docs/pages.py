"""README.md and the pages of docs/: their headings, links, code blocks and commands, as a CommonMark parser sees them.

Why not one of the tools that run the blocks of a page: they make a test of each block, which a parallel runner then
takes apart, and they know Python only. Here a page is one test, whose blocks run in order in one folder and one
namespace, as a reader would type them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_MARK = re.compile(r"<!--\s*not run: (?P<reason>.+?)\s*-->")


@dataclass(frozen=True)
class Block:
    """A fenced block. not_run: why its commands are only parsed, from a comment `<!-- not run: WHY -->` before it."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str | None

    @property
    def place(self) -> str:
        """Where it begins, for a message."""
        return f"{self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    """One page. anchors: of its headings. links: (line, target) of links and pictures. spans: (line, text) of code."""

    path: Path
    blocks: tuple[Block, ...]
    anchors: frozenset[str]
    links: tuple[tuple[int, str], ...]
    spans: tuple[tuple[int, str], ...]


def read_page(path: Path) -> Page:
    """The page in a file."""
    tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))
    blocks, anchors, links, spans = [], set(), [], []
    for number, token in enumerate(tokens):
        line = (token.map or [0])[0] + 1
        if token.type == "fence":
            before = tokens[number - 1].content if number and tokens[number - 1].type == "html_block" else ""
            mark = _MARK.search(before)
            language = token.info.strip().partition(" ")[0]
            blocks.append(Block(path, line, language, token.content, mark and mark["reason"]))
        elif token.type == "code_block":
            blocks.append(Block(path, line, "", token.content, None))
        elif token.type == "heading_open":
            anchors.add(anchor("".join(child.content for child in tokens[number + 1].children or [])))
        for child in _inside(token):
            target = child.attrGet("href") or child.attrGet("src")
            if target is not None:
                links.append((line, str(target)))
            elif child.type == "code_inline":
                spans.append((line, child.content))
    return Page(path, tuple(blocks), frozenset(anchors), tuple(links), tuple(spans))


def anchor(heading: str) -> str:
    """What a heading is called in a link, by the rule that repositories' viewers and MyST share."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _inside(token: Token) -> Iterator[Token]:
    for child in token.children or []:
        yield child
        yield from _inside(child)
