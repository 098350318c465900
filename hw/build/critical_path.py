"""A critical path of nextpnr's report in words: from what, to what, through how much logic, and where the time goes."""

import re
from collections.abc import Mapping
from typing import Any

_CARRY_IN = ("FCI", "CIN")
"""Ports at which a carry comes from the bit before."""

_CELL = re.compile(r"[_$](TRELLIS|SB|CCU2C?|LUT4|PFUMX|L6MUX21|DP16KD|PDPW16KD|MULT18X18D|nextpnr)(_|$|\$)|_(LC|RAM)$")
"""Where the tools' own part of a cell's name starts; before it is the signal that the cell belongs to."""

_MEMORY = re.compile(r"(DO[AB]?|RDATA_?|DATAOUT_?)\d+")
"""Ports at which a memory's data come out."""


_NUMBERS = re.compile(r"\$\d+|(\.\d+)+(_[A-Z].*)?$")
"""What Amaranth adds to a name that is there twice, and yosys to the parts of a memory and their ports."""


def describe(path: list[Mapping[str, Any]]) -> str:
    """The path of one entry of `critical_paths`, in one line.

    A logic level is a LUT or the way into and out of a run of carry bits, whose bits are counted beside. Logic time
    includes clock to output and setup.
    """
    levels = sum(step["type"] == "logic" and step["from"]["port"] not in _CARRY_IN for step in path)
    bits = sum(step["type"] == "logic" and step["from"]["port"] in _CARRY_IN for step in path)
    routing = sum(step["delay"] for step in path if step["type"] == "routing")
    logic = sum(step["delay"] for step in path) - routing
    net = next((step["net"] for step in path if "net" in step), "")
    carries = f" with {bits} carry bit{'s' * (bits != 1)}" if bits else ""
    start = path[0]["to"]
    source = _signal(start["cell"]) + " (memory)" if _MEMORY.fullmatch(start["port"]) else _signal(start["cell"], net)
    return (f"{source} -> {_signal(path[-1]['to']['cell'])}: {levels} logic level{'s' * (levels != 1)}{carries}, "
            f"logic {logic:.2f} ns + routing {routing:.2f} ns")


def _signal(cell: str, net: str = "") -> str:
    """A signal for a reader: the net, if its name is from the source, else what the cell's name starts with."""
    match = _CELL.search(cell)
    name = cell[: match.start()] if match else cell
    if net and not _CELL.search(net) and not net.startswith("$"):
        name = net
    return _NUMBERS.sub("", name) or cell
