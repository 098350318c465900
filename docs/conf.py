"""The site that Sphinx makes of the pages in this folder: `make site`.

Pages are plain Markdown that reads as well in a repository's viewer; index.md says where each belongs. Every warning is
an error: a link, an anchor or a page of the index that does not exist, a page that the index does not have. The site
takes nothing from the network: furo brings its style sheets and uses the reader's own fonts.

Weighed against it: MkDocs, whose releases have stopped while its theme's authors write a successor.
"""

import re
from typing import Any

project = "trine"
copyright = ""
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = "trine"
html_show_copyright = html_show_sphinx = html_copy_source = False
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
default_role = "literal"  # docstrings put names between single backticks

_QUOTED = re.compile(r"(`[^`]*`)")
_PARAMETER = re.compile(r"[a-z_]\w*(, [a-z_]\w*)*: ")
_ARRAY = re.compile(r"~?numpy\.ndarray\[tuple\[[^]]*\], ~?numpy\.dtype\[~?numpy\.(\w+)\]\]")


def docstring(app: Any, what: str, name: str, object_: object, options: Any, lines: list[str]) -> None:
    """Docstrings are prose for programmers, and not reStructuredText: `*`, `|` and `_` stand for themselves but between
    backticks, what is indented is code, and lines `name: text` explain parameters."""
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines).strip())
    lines[:] = [*"\n\n".join(map(_paragraph, paragraphs)).split("\n"), ""]


def _paragraph(text: str) -> str:
    if text.startswith("  "):
        return "::\n\n" + text
    parts = _QUOTED.split(text)
    parts[::2] = [re.sub(r"([*|_\\])", r"\\\1", part) for part in parts[::2]]
    written = "".join(parts).split("\n")
    if all(_PARAMETER.match(line) or line.startswith("  ") for line in text.split("\n")):
        written = ["  " + line.strip() if line.startswith("  ") else "* " + line for line in written]
    return "\n".join(written)


def signature(app: Any, what: str, name: str, object_: object, options: Any, arguments: str | None,
              returns: str | None) -> tuple[str | None, ...]:
    """Arrays by the names that golden.arrays gives them, `Int8` and so on."""
    return tuple(text and _ARRAY.sub(lambda match: match[1].capitalize(), text) for text in (arguments, returns))


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", docstring)
    app.connect("autodoc-process-signature", signature)
