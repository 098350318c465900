"""A netlist as yosys writes it in JSON: cells, and the bits that connect them.

A bit is a number, or one of the texts "0", "1", "x" for a constant. Only what the passes over a netlist need is here.
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

Bit = int | str

Cell = dict[str, Any]
"""type, parameters, attributes, port_directions and connections, as yosys writes them."""


@dataclass(frozen=True)
class Reader:
    """Where a bit is read: a cell's port and the position in it; the cell is None where it leaves the design."""

    cell: str | None
    port: str
    index: int


class Netlist:
    """The top module of a flat netlist; the cells may be changed in place.

    Members
    -------
    document: what json.loads gave. cells, ports: name -> cell or port, as in the document. names: name of a net -> its
    bits; a bit may have many names.

    Raises ValueError if the document has no top module, or more than one.
    """

    def __init__(self, document: dict[str, Any]):
        self.document = document
        tops = [module for module in document["modules"].values() if int(module["attributes"].get("top", "0"), 2)]
        if len(tops) != 1:
            raise ValueError(f"a netlist must have one top module, not {len(tops)}")
        self.cells: dict[str, Cell] = tops[0]["cells"]
        self.ports: dict[str, dict[str, Any]] = tops[0]["ports"]
        self.names: dict[str, list[Bit]] = {name: net["bits"] for name, net in tops[0].get("netnames", {}).items()}
        self._next_bit: int | None = None

    def readers(self) -> dict[Bit, list[Reader]]:
        """Every bit that is read, and where; a snapshot, not kept up to date."""
        readers: dict[Bit, list[Reader]] = {}
        for name, cell in self.cells.items():
            for port, bits in cell["connections"].items():
                if cell["port_directions"][port] != "output":
                    for index, bit in enumerate(bits):
                        readers.setdefault(bit, []).append(Reader(name, port, index))
        for port, entry in self.ports.items():
            if entry["direction"] != "input":
                for index, bit in enumerate(entry["bits"]):
                    readers.setdefault(bit, []).append(Reader(None, port, index))
        return readers

    def conflicts(self) -> list[str]:
        """Bits that two cells drive, each as "cell.port and cell.port": none in a netlist that means something."""
        drivers: dict[Bit, list[str]] = {}
        for name, cell in self.cells.items():
            for port, bits in cell["connections"].items():
                if cell["port_directions"][port] == "output":
                    for bit in bits:
                        drivers.setdefault(bit, []).append(f"{name}.{port}")
        return [" and ".join(names) for bit, names in drivers.items() if isinstance(bit, int) and len(names) > 1]

    def aliases(self, name: str) -> list[str]:
        """All names of the net of one bit that has that name; none if there is no such net."""
        bits = self.names.get(name)
        return [alias for alias, others in self.names.items() if others == bits] if bits else []

    def numbered(self, kind: str, pattern: re.Pattern[str]) -> dict[str, tuple[int, ...]]:
        """Cells of a type whose names match from their beginning -> the numbers in the name, the pattern's groups."""
        found = ((name, pattern.match(name)) for name, cell in self.cells.items() if cell["type"] == kind)
        return {name: tuple(map(int, match.groups())) for name, match in found if match}

    def new_bit(self) -> int:
        """A bit that nothing is connected to yet."""
        if self._next_bit is None:
            used = [bit for entry in self.ports.values() for bit in entry["bits"]]
            used += [bit for cell in self.cells.values() for bits in cell["connections"].values() for bit in bits]
            self._next_bit = max((bit for bit in used if isinstance(bit, int)), default=1)
        self._next_bit += 1
        return self._next_bit

    def counts(self) -> dict[str, int]:
        """Cell type -> how many there are, in alphabetical order; without what is there for information only."""
        types = Counter(cell["type"] for cell in self.cells.values())
        return {name: types[name] for name in sorted(types) if not name.startswith("$")}


def wired(cell: Cell, port: str, default: Bit = "x") -> Bit:
    """The bit at a port of one bit, `default` if the port is absent or empty."""
    bits: list[Bit] = cell["connections"].get(port) or [default]
    return bits[0]
