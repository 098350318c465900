"""Moves logic in front of an ECP5 adder into the adder's own tables, in the netlist between yosys and nextpnr.

yosys uses two of the four inputs that each bit of a CCU2C has. A LUT that computes one operand bit, and feeds adders
only, can be part of the adder's table, if the carry comes out right too: it is P ? carry : G, where G is the table at
C = D = 0, so the operand must be 0 when the two of its inputs that go there are 0. For a sum with a trit these are the
bits that say "skip": x & nonzero, nonzero & (x ^ negative), x ^ sign and first ? 0 : total cost no LUT at all then, and
are a level of logic less.

One operand of each adder only: an adder's other operand should come from a register. Weighed against it: instances of
CCU2C in the gateware, which would need a model to be simulated and would make the array ECP5's alone.
"""

import itertools
from collections.abc import Callable, Mapping

from trine.hw.build.netlist import Bit, Cell, Netlist, wired

_ADD = 0x96AA
"""yosys' table of one bit of an adder: P = A ^ B ^ C where D = 1, G = A; C is 1 for a difference."""

_MOST_READERS = 4
"""A LUT that feeds more half-cells than this stays where it is: each would load its inputs."""

_FREE_INPUTS = 3
"""Of the four inputs of half a cell; the fourth is the other operand's."""

_CONSTANTS: dict[Bit, int] = {"0": 0, "1": 1, "x": 0}

_Operand = Callable[[Mapping[Bit, int]], int]


def absorb_operands(netlist: Netlist) -> int:
    """Rewrites the adders of an ECP5 netlist, and returns how many LUTs that made superfluous.

    To be done before `trim_adder_ends`, which changes tables. Every flip-flop and every sum bit keeps its value.
    """
    cells = netlist.cells
    readers = {bit: [(reader.cell, reader.port) for reader in readers if reader.cell is not None]
               for bit, readers in netlist.readers().items() if all(reader.cell is not None for reader in readers)}
    lookups = [(len(readers.get(cell["connections"]["Z"][0], ())), name) for name, cell in cells.items()
               if cell["type"] == "LUT4" and "keep" not in cell["attributes"]]
    taken: set[tuple[str, str]] = set()
    absorbed = 0
    for count, name in sorted(lookups):
        signals, function = _function(cells[name])
        if not 1 <= count <= _MOST_READERS or len(signals) > _FREE_INPUTS:
            continue
        places = readers[cells[name]["connections"]["Z"][0]]
        # A reader that is gone was a LUT that an adder absorbed: what it read goes to that adder's other inputs now.
        halves = {(cell, port[-1]) for cell, port in places if cell in cells and _is_operand(cells[cell], port)}
        if len(halves) < len(places) or halves & taken:
            continue
        changes = [change for cell, port in places
                   if (change := _with_operand(cells[cell], port, signals, function)) is not None]
        if len(changes) < len(places):
            continue
        for (cell, port), (table, inputs) in zip(places, changes, strict=True):
            cells[cell]["parameters"][f"INIT{port[-1]}"] = f"{table:016b}"
            cells[cell]["connections"] |= {pin + port[-1]: [bit] for pin, bit in zip("ABCD", inputs, strict=True)}
        taken |= halves
        absorbed += 1
        del cells[name]
    return absorbed


def _function(lookup: Cell) -> tuple[list[int], _Operand]:
    """The signals that a LUT reads, and its output as a function of their values."""
    table = int(lookup["parameters"]["INIT"], 2)
    inputs = [wired(lookup, port, "0") for port in "ABCD"]

    def value(known: Mapping[Bit, int]) -> int:
        return table >> sum(known[bit] << index for index, bit in enumerate(inputs)) & 1

    return sorted({bit for bit in inputs if isinstance(bit, int)}), value


def _is_operand(cell: Cell, port: str) -> bool:
    """Whether a port is an operand of yosys' adder, whose other operand is a signal."""
    half = port[-1]
    return (cell["type"] == "CCU2C" and port[0] in "AB" and int(cell["parameters"][f"INIT{half}"], 2) == _ADD
            and wired(cell, f"C{half}") in ("0", "1") and wired(cell, f"D{half}") == "1"
            and isinstance(wired(cell, ("B" if port[0] == "A" else "A") + half), int))


def _with_operand(cell: Cell, port: str, signals: list[int], function: _Operand) -> tuple[int, tuple[Bit, ...]] | None:
    """Table and inputs of half an adder with `function` in the place of an operand; None if G would be wrong.

    A is the other operand, and G must be what it adds: for a difference, B is added inverted.
    """
    half = port[-1]
    invert = int(str(wired(cell, f"C{half}")))
    other, inverted, inverts = ("B", invert, 0) if port[0] == "A" else ("A", 0, invert)
    for order in itertools.permutations(signals):
        inputs: tuple[Bit, ...] = (wired(cell, other + half), *order, *("1",) * (_FREE_INPUTS - len(signals)))
        table = 0
        for address in range(16):
            values = [address >> bit & 1 for bit in range(4)]
            # With a constant 1 at an input, what the table holds for 0 there is G's alone.
            live = all(bit != "1" or value for bit, value in zip(inputs, values, strict=True))
            known = dict(zip(inputs[1:], values[1:], strict=True)) | _CONSTANTS
            operand = function(known) ^ inverts if live else 0
            table |= (values[0] ^ inverted ^ operand) << address
        if all(table >> address & 1 == (address & 1) ^ inverted for address in range(4)):
            return table, inputs
    return None
