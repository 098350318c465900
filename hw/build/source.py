"""The source hash: is what was made from the gateware's source, a report or a simulator, still current?

What determines a netlist is the code of the module whose component is its top, of those that it imports from trine, and
so on, and the configuration. So a change to the link voids no report of a bare array, and one to USB none of a board
with a UART. The hash is over code only: comments, docstrings and blank lines do not count, because a better sentence
must not void hours of place and route. A hash of the netlist itself would be exact, but takes an elaboration of many
seconds to ask.
"""

import ast
import hashlib
import io
import json
import tokenize
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from trine.firmware.configuration import Configuration

_PACKAGE = Path(__file__).parents[2]

_OURS = "trine."


def top_module(configuration: Configuration) -> str:
    """The module of the component that a report of the configuration is about, below the package."""
    return "hw.bare_array" if configuration.bare else "hw.accelerator"


def configuration_text(configuration: Configuration) -> str:
    """What a routed result depends on in a configuration: everything but its name and its link, as JSON."""
    fields = asdict(configuration)
    del fields["name"], fields["link"]
    return json.dumps(fields, sort_keys=True)


def source_hash(top: str, configuration_text: str, package: Path = _PACKAGE) -> str:
    """SHA-256, in hexadecimal, over the code of the module `top` and of all that it is made from, and the text.

    The same for the same code wherever it is installed, on every system and Python version. `package` is the folder
    that holds hw/, golden/ and firmware/. Raises ValueError if it has no such module.
    """
    total = hashlib.sha256()
    for name, path in sorted((path.relative_to(package).as_posix(), path) for path in modules(top, package)):
        for text in (name, _code(path.read_text(encoding="utf-8"))):
            _add(total, text)
    _add(total, configuration_text)
    return total.hexdigest()


def modules(top: str, package: Path = _PACKAGE) -> set[Path]:
    """The files of a module, of the modules of trine that it imports, and so on.

    Imports count where a module is loaded, outside of functions. The folders' __init__.py are not among them: they say
    what is in a folder, and hold no code. Raises ValueError if the package has no such module.
    """
    start = _file(top, package)
    if start is None:
        raise ValueError(f"{package} has no module {top!r}")
    found, left = set(), [start]
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            left += [file for name in _imports(path) if (file := _file(name, package)) is not None]
    return found


def _imports(path: Path) -> Iterator[str]:
    """What a file imports from trine, below the package; a name that is no module may be among them."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name.removeprefix(_OURS) for name in names if name.startswith(_OURS))


def _file(name: str, package: Path) -> Path | None:
    path = package.joinpath(*name.split(".")).with_suffix(".py")
    return path if path.is_file() else None


def _add(total: "hashlib._Hash", text: str) -> None:
    data = text.encode()
    total.update(len(data).to_bytes(8, "little"))
    total.update(data)


def _code(source: str) -> str:
    """The source without comments, strings that stand for themselves, trailing spaces and blank lines."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    kept = [line.encode() for line in lines]
    for node in ast.walk(ast.parse("\n".join(lines))):
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            continue
        if isinstance(node.value.value, str) and node.end_lineno is not None and node.end_col_offset is not None:
            first, last = node.lineno - 1, node.end_lineno - 1
            tail = kept[last][node.end_col_offset:]
            kept[first] = kept[first][: node.col_offset] + (tail if first == last else b"")
            for row in range(first + 1, last + 1):
                kept[row] = tail if row == last else b""
    return "\n".join(text for line in kept if (text := line.decode().rstrip()))
