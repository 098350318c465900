"""Gives what drives memories copies of its own for them, in the netlist between yosys and nextpnr.

The addresses and enables of an array's memories go to all of them at once, so that one flip-flop drives hundreds of
cells on the whole of a die, and whatever else reads it is far away from some of them. Copies beside their memories
share the way: what goes far is then one wire to each copy, a cycle earlier. A lane's memories are neighbours, which
their names say, so neighbours in name share a copy. A flip-flop or LUT that something else reads as well stays with
that: the sums of a table builder beside its adder, while their copies go where the tables are.

Weighed against it: copies in the gateware, which yosys makes one again, and which every other part would get as well.
"""

import copy
import re
from collections.abc import Mapping

from trine.hw.boards.kept import PREFIX
from trine.hw.build.netlist import Netlist, Reader, wired

MEMORIES = {"TRELLIS_DPR16X4": 48, "DP16KD": 12}
"""Type of a memory's cell -> how many of them share a copy at most."""

_OUTPUT = {"TRELLIS_FF": "Q", "LUT4": "Z"}
"""Type of a cell that is copied -> its output."""


def copy_drivers(netlist: Netlist, sharing: Mapping[str, int] = MEMORIES) -> int:
    """Rewrites an ECP5 netlist so that a flip-flop or LUT that drives memories drives only as many as share a copy, and
    nothing else; returns how many copies.

    sharing: as MEMORIES; a type that is not in it stays with what drives it. A copy has what the cell has, a
    flip-flop's value at power-up included, so every bit that is there keeps its value in every cycle. Readers that are
    no memories stay with the cell. Where its net is kept (hw.boards.kept), memories stay as well, as they are looked
    for behind that net.
    """
    readers = netlist.readers()
    kept = {bit for name, bits in netlist.names.items() if name.startswith(PREFIX) for bit in bits}
    drivers = [(name, cell, _OUTPUT[cell["type"]]) for name, cell in netlist.cells.items() if cell["type"] in _OUTPUT]
    copies = 0
    for name, cell, output in drivers:
        driven = wired(cell, output)
        if driven in kept:
            continue
        places = readers.get(driven, [])
        groups = [group for kind, limit in sharing.items() for group in _groups(netlist, places, kind, limit)]
        if sum(map(len, groups)) == len(places):
            groups = groups[1:]  # which the cell itself can have
        for group in groups:
            copies += 1
            bit = netlist.new_bit()
            netlist.cells[f"{name}$copy_{copies}"] = twin = copy.deepcopy(cell)
            twin["connections"][output] = [bit]
            for place in group:
                netlist.cells[str(place.cell)]["connections"][place.port][place.index] = bit
    return copies


def _groups(netlist: Netlist, readers: list[Reader], kind: str, limit: int) -> list[list[Reader]]:
    """The readers of a bit that are memories of that kind, by copy; as few as can be, and none larger than another by
    more than one memory."""
    memories = sorted({reader.cell for reader in readers if reader.cell and netlist.cells[reader.cell]["type"] == kind},
                      key=_by_number)
    if not memories:
        return []
    size = -(-len(memories) // -(-len(memories) // limit))
    group = {memory: number // size for number, memory in enumerate(memories)}
    return [[reader for reader in readers if reader.cell and group.get(reader.cell) == number]
            for number in range(group[memories[-1]] + 1)]


def _by_number(name: str) -> list[tuple[int, str]]:
    """Sorts lane_2 before lane_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
