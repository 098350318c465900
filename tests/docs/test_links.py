"""Links within README.md and docs/ lead somewhere: to a page, a heading, a picture, or a file of the sources."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.pages import PAGES, ROOT, read_page

GENERATED = ROOT / "docs" / "reference.md"


def broken(path: Path) -> list[str]:
    """What is wrong with the links of a page, a line each."""
    page = read_page(path)
    found = []
    for line, link in page.links:
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists():
            found.append(f"{path.name}:{line}: {link}: there is no such file")
        elif path != ROOT / "README.md" and target.is_dir():
            found.append(f"{path.name}:{line}: {link}: a folder, which the site cannot show; name a file")
        elif anchor and (target.suffix != ".md" or anchor not in read_page(target).anchors):
            found.append(f"{path.name}:{line}: {link}: there is no such heading")
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(path):
    assert broken(path) == []


def test_pictures_are_used():
    """A drawing that no page shows is forgotten."""
    shown = {(path.parent / link).resolve() for path in PAGES for _, link in read_page(path).links}
    assert [path.name for path in (ROOT / "docs").rglob("*.svg") if path not in shown] == []


@pytest.mark.parametrize(("text", "fault"), [
    ("[a](nowhere.md)", "page.md:1: nowhere.md: there is no such file"),
    ("![a](nowhere.svg)", "page.md:1: nowhere.svg: there is no such file"),
    ("\n[a](#nowhere)", "page.md:2: #nowhere: there is no such heading"),
    (f"[a]({GENERATED}#nowhere)", f"page.md:1: {GENERATED}#nowhere: there is no such heading"),
    ("| a |\n|---|\n| [a](..) |", "page.md:3: ..: a folder, which the site cannot show; name a file"),
])
def test_what_is_found(tmp_path, text, fault):
    (tmp_path / "page.md").write_text(text)
    assert broken(tmp_path / "page.md") == [fault]


def test_what_is_right(tmp_path):
    (tmp_path / "page.md").write_text(f"# What *is*, `and` is not?\n[a](#what-is-and-is-not) [b]({GENERATED}#counters)"
                                      " [c](page.md) [d](https://example.org/nowhere)")
    assert broken(tmp_path / "page.md") == []
