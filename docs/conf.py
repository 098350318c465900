"""The site that Sphinx makes of the pages in this folder: `make site`.

Pages are plain Markdown that reads as well in a repository's viewer; index.md says where each belongs. Every warning is
an error: a link, an anchor or a page of the index that does not exist, a page that the index does not have. The site
takes nothing from the network: furo brings its style sheets and uses the reader's own fonts.

Weighed against it: MkDocs, whose releases have stopped while its theme's authors write a successor.
"""

import re

project = "trine"
copyright = ""
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = "trine"
html_show_copyright = html_show_sphinx = html_copy_source = False
myst_heading_anchors = 3
exclude_patterns = ["README.md"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "separated"
default_role = "literal"  # docstrings put names between single backticks

_QUOTED = re.compile(r"(`[^`]*`)")


def plain_docstring(app, what, name, object_, options, lines):
    """Docstrings are prose with names between backticks, not reStructuredText: in all else `*`, `|` and `_` stand for
    themselves, and what is indented is code."""
    text = "\n".join(lines)
    text = re.sub(r":\n\n(?=    )", "::\n\n", text)
    parts = _QUOTED.split(text)
    parts[::2] = [re.sub(r"([*|_\\])", r"\\\1", part) for part in parts[::2]]
    lines[:] = "".join(parts).split("\n")


def setup(app):
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", plain_docstring)
