"""Takes away what an ECP5 adder's two ends cost for nothing, in the netlist between yosys and nextpnr.

Half a CCU2C adds one bit: with P its 4-input table at (A, B, C, D) and G the low four entries of the table at (A, B),
the sum is P ^ carry and the next carry is P ? carry : G.

yosys connects an adder's first CIN to a constant and leaves its last COUT dangling; nextpnr 0.11.1 then puts a feed-in
and a feed-out there, two LUT4 each, for every adder. Here the dangling COUT is removed, and the carry starts in a
half-cell whose table has P = 0, so that what is at its CIN does not count and can be left open. The adder
{a, 1} + {b, c} of a carry input has such a half-cell already; others get one in front, for which an odd width has a
place to spare. And where the number of half-cells is odd after all, two adders of the same length become one chain: the
second one's first half-cell ignores the carry of the first. nextpnr's timing analysis sees a way from the one to the
other then, so the first must not be fed by the second: that would be a loop, which nextpnr refuses.

Weighed against it: opening CIN of the adder's own first half-cell, which would add whatever is there; and instances of
CCU2C in the gateware, which would need a model to be simulated.
"""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from trine.hw.build.netlist import Bit, Cell, Netlist, Reader, wired

_NO_CARRY = 0x0000
_CARRY = 0x000F
_CARRY_IS_A = 0x000A
"""Tables with P = 0 where C or D is 1, and G = 0, 1 and A."""

_PASS = 0xFFFF
"""P = 1: hands the carry on."""

_REGISTERS = ("TRELLIS_FF", "DP16KD")
"""Cells at which a way through logic ends."""


@dataclass
class _Half:
    """Half a cell: its table, the bits at A, B, C and D, and the bit at S, if it is read."""

    table: int
    inputs: tuple[Bit, ...]
    sum: int | None = None


def trim_adder_ends(netlist: Netlist, apart: str | None = None) -> int:
    """Rewrites the adders of an ECP5 netlist, and returns how many.

    apart: adders whose cells' names begin with it share no cell with others.

    An adder of which a carry leaves the chain (a comparison, say) stays as it is. Every flip-flop and every sum bit
    that is read keeps its value.
    """
    readers = netlist.readers()
    adders = {name: cell for name, cell in netlist.cells.items() if cell["type"] == "CCU2C"}
    carries = {wired(cell, "COUT") for cell in adders.values()} | {"x"}
    heads = [name for name, cell in adders.items() if wired(cell, "CIN") not in carries]
    chains = [chain for head in heads if (chain := _chain(netlist.cells, readers, head))]
    ways = _Ways(dict(netlist.cells), readers, chains)
    # The last adder of each odd length that has no partner yet, of those that are kept apart and of the others.
    odd: dict[tuple[int, bool], tuple[list[str], list[_Half]]] = {}
    for chain in sorted(chains, key=lambda chain: _natural(chain[0])):
        halves = _started([half for name in chain for half in _halves(netlist.cells[name], readers)],
                          wired(netlist.cells[chain[0]], "CIN"))
        if len(halves) % 2 == 0:
            _replace(netlist, chain, halves)
            continue
        kind = len(halves), apart is not None and chain[0].startswith(apart)
        if kind not in odd:
            odd[kind] = chain, halves
            continue
        partner, partner_halves = odd.pop(kind)
        if ways.join(partner, chain):
            _replace(netlist, partner + chain, partner_halves + halves)
        elif ways.join(chain, partner):
            _replace(netlist, chain + partner, halves + partner_halves)
        else:
            _replace(netlist, partner, partner_halves)
            _replace(netlist, chain, halves)
    for chain, halves in odd.values():
        _replace(netlist, chain, halves)
    return len(chains)


class _Ways:
    """Ways through logic, from adder to adder: those of the netlist, and those that joining two of them adds.

    cells, readers: of the netlist as it was. chains: its adders; whatever enters one may leave it at any sum.
    """

    def __init__(self, cells: Mapping[str, Cell], readers: Mapping[Bit, list[Reader]], chains: list[list[str]]):
        self._cells, self._readers = cells, readers
        self._onward = {name: chain for chain in chains for name in chain}

    def join(self, first: list[str], second: list[str]) -> bool:
        """Adds the way from one adder to another, and says so, unless there is one back."""
        if self._lead(second, set(first)):
            return False
        self._onward |= dict.fromkeys(first, first + second)
        return True

    def _lead(self, start: list[str], goal: set[str]) -> bool:
        seen: set[str] = set()
        left = list(start)
        while left:
            name = left.pop()
            if name in goal:
                return True
            if name in seen or self._cells[name]["type"] in _REGISTERS:
                continue
            seen.add(name)
            cell = self._cells[name]
            left += self._onward.get(name, ())
            left += [reader.cell for port, bits in cell["connections"].items()
                     if cell["port_directions"][port] == "output" for bit in bits
                     for reader in self._readers.get(bit, ()) if isinstance(bit, int) and reader.cell is not None]
        return False


def _natural(name: str) -> list[tuple[int, str]]:
    """Orders names that differ in a number by the number, so that neighbours become partners."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _chain(cells: Mapping[str, Cell], readers: Mapping[Bit, list[Reader]], head: str) -> list[str]:
    """The cells of an adder from its lowest bits up; none if a carry is read by logic, or a cell is not an adder's."""
    chain = [head]
    while True:
        cell = cells[chain[-1]]
        if any(cell["parameters"][f"INJECT1_{half}"].strip() != "NO" for half in "01"):
            return []
        followers = readers.get(wired(cell, "COUT"), []) if wired(cell, "COUT") != "x" else []
        if not followers:
            return chain
        after = followers[0].cell
        if len(followers) > 1 or after is None or cells[after]["type"] != "CCU2C" or followers[0].port != "CIN":
            return []
        chain.append(after)


def _halves(cell: Cell, readers: Mapping[Bit, list[Reader]]) -> list[_Half]:
    halves = []
    for half in "01":
        total = wired(cell, f"S{half}")
        halves.append(_Half(int(cell["parameters"][f"INIT{half}"], 2),
                            tuple(wired(cell, port + half) for port in "ABCD"),
                            total if isinstance(total, int) and total in readers else None))
    return halves


def _started(halves: list[_Half], carry: Bit) -> list[_Half]:
    """The same adder without its unread top bits, with a first half-cell that ignores its CIN."""
    while len(halves) > 1 and halves[-1].sum is None:
        halves.pop()
    first = None if halves[0].sum is not None else _generator(halves[0], carry)
    if first is None:
        table = {"0": _NO_CARRY, "1": _CARRY}.get(carry if isinstance(carry, str) else "", _CARRY_IS_A)
        return [_Half(table, (carry, "1", "1", "1")), *halves]
    return [first, *halves[1:]]


def _generator(half: _Half, carry: Bit) -> _Half | None:
    """A half-cell with the same carry for any CIN, given that CIN was the constant `carry`; None if there is none."""
    signals = sorted({bit for bit in half.inputs if isinstance(bit, int)})
    if "x" in half.inputs or carry not in ("0", "1") or len(signals) > 2:
        return None
    table = 0
    for values in itertools.product((0, 1), repeat=2):
        known: dict[Bit, int] = {"0": 0, "1": 1} | dict(zip(signals, values, strict=False))
        a, b, c, d = (known[bit] for bit in half.inputs)
        propagate = half.table >> (a | b << 1 | c << 2 | d << 3) & 1
        table |= (known[carry] if propagate else half.table >> (a | b << 1) & 1) << (values[0] | values[1] << 1)
    inputs: list[Bit] = [*signals, "1", "1", "1", "1"]
    return _Half(table, tuple(inputs[:4]))


def _replace(netlist: Netlist, chain: list[str], halves: list[_Half]) -> None:
    """Puts cells made of `halves` in the place of a chain's cells, under their names as far as they go."""
    if len(halves) % 2:
        halves.append(_Half(_PASS, ("1", "1", "1", "1")))
    model = netlist.cells[chain[0]]
    for name in chain:
        del netlist.cells[name]
    count = len(halves) // 2
    carry: Bit = "x"
    for index in range(count):
        name = chain[index] if index < len(chain) else f"{chain[-1]}$top"
        pair = halves[2 * index : 2 * index + 2]
        connections: dict[str, list[Bit]] = {"CIN": [carry]}
        for number, half in enumerate(pair):
            connections |= {f"{port}{number}": [bit] for port, bit in zip("ABCD", half.inputs, strict=True)}
            connections[f"S{number}"] = ["x" if half.sum is None else half.sum]
        carry = netlist.new_bit() if index < count - 1 else "x"
        connections["COUT"] = [carry]
        parameters = {f"INIT{number}": f"{half.table:016b}" for number, half in enumerate(pair)}
        netlist.cells[name] = model | {"parameters": model["parameters"] | parameters, "connections": connections}
