"""Gives copies to registers that go to many memories, in the netlist between yosys and nextpnr.

The addresses and enables of an array's memories go to all of them at once, so that one flip-flop drives hundreds of
cells on the whole of a die, and whatever else reads it is far away from some of them. Copies beside their memories
share the way: what goes far is then one wire to each copy, a cycle earlier. A lane's memories are neighbours, which
their names say, so neighbours in name share a copy.

Weighed against it: copies in the gateware, which yosys makes one again, and which every other part would get as well.
"""

import copy
import re
from collections.abc import Mapping

from trine.hw.boards.kept import PREFIX
from trine.hw.build.netlist import Netlist, Reader, wired

MEMORIES = {"TRELLIS_DPR16X4": 48, "DP16KD": 12}
"""Type of a memory's cell -> how many of them share a copy at most."""


def copy_registers(netlist: Netlist, sharing: Mapping[str, int] = MEMORIES) -> int:
    """Rewrites the flip-flops of an ECP5 netlist that go to more memories than share a copy; returns how many copies.

    sharing: as MEMORIES. A copy has what the flip-flop has, its value at power-up included, so every bit that is there
    keeps its value in every cycle. Readers that are no memories stay with the flip-flop. Where its net is kept
    (hw.boards.kept), memories stay as well, as they are looked for behind that net.
    """
    readers = netlist.readers()
    kept = {bit for name, bits in netlist.names.items() if name.startswith(PREFIX) for bit in bits}
    flip_flops = [(name, cell) for name, cell in netlist.cells.items() if cell["type"] == "TRELLIS_FF"]
    copies = 0
    for name, cell in flip_flops:
        output = wired(cell, "Q")
        if output in kept:
            continue
        places = readers.get(output, [])
        groups = [group for kind, limit in sharing.items() for group in _groups(netlist, places, kind, limit)]
        if sum(map(len, groups)) == len(places):
            groups = groups[1:]  # which the flip-flop itself can have
        for group in groups:
            copies += 1
            bit = netlist.new_bit()
            netlist.cells[f"{name}$copy_{copies}"] = twin = copy.deepcopy(cell)
            twin["connections"]["Q"] = [bit]
            for place in group:
                netlist.cells[str(place.cell)]["connections"][place.port][place.index] = bit
    return copies


def _groups(netlist: Netlist, readers: list[Reader], kind: str, limit: int) -> list[list[Reader]]:
    """The readers of a bit that are memories of that kind, by copy; none if they are too few to be divided."""
    memories = sorted({reader.cell for reader in readers if reader.cell and netlist.cells[reader.cell]["type"] == kind},
                      key=_by_number)
    if len(memories) <= limit:
        return []
    size = -(-len(memories) // -(-len(memories) // limit))
    group = {memory: number // size for number, memory in enumerate(memories)}
    return [[reader for reader in readers if reader.cell and group.get(reader.cell) == number]
            for number in range(group[memories[-1]] + 1)]


def _by_number(name: str) -> list[tuple[int, str]]:
    """Sorts lane_2 before lane_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
