"""The source hash: is what was made from the gateware's source, a report or a simulator, still current?

What determines a netlist is the code of hw/ (but not of hw/build/, which reads netlists and makes none), the few
modules of golden/ and firmware/ that define its formats, and the configuration. The hash is over code only: comments,
docstrings and blank lines do not count, because a better sentence must not void hours of place and route. A hash of the
netlist itself would be exact, but takes an elaboration of many seconds to ask.
"""

import ast
import hashlib
import io
import json
import tokenize
from dataclasses import asdict
from pathlib import Path

from trine.firmware.configuration import Configuration

_PACKAGE = Path(__file__).parents[2]

SHARED = (
    "firmware/configuration.py",
    "firmware/counters.py",
    "firmware/instructions.py",
    "firmware/link.py",
    "golden/accumulate.py",
    "golden/packing.py",
)
"""What hw/ is made from outside of hw/: paths below the package, sorted."""


def configuration_text(configuration: Configuration) -> str:
    """What a routed result depends on in a configuration: everything but its name and its link, as JSON."""
    fields = asdict(configuration)
    del fields["name"], fields["link"]
    return json.dumps(fields, sort_keys=True)


def source_hash(configuration_text: str, package: Path = _PACKAGE) -> str:
    """SHA-256, in hexadecimal, over the gateware's code and `configuration_text`.

    The same for the same code wherever it is installed, on every system and Python version. `package` is the folder
    that holds hw/, golden/ and firmware/.
    """
    files = [path for path in (package / "hw").rglob("*.py") if path.relative_to(package).parts[1] != "build"]
    files += [package / name for name in SHARED]
    total = hashlib.sha256()
    for name, path in sorted((path.relative_to(package).as_posix(), path) for path in files):
        for text in (name, _code(path.read_text(encoding="utf-8"))):
            _add(total, text)
    _add(total, configuration_text)
    return total.hexdigest()


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
