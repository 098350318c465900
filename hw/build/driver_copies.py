"""Gives what drives memories copies of its own for them, in the netlist between yosys and nextpnr.

The addresses and enables of an array's memories go to all of them at once, so that one flip-flop drives hundreds of
cells on the whole of a die, and whatever else reads it is far away from some of them. Copies beside their memories
share the way: what goes far is then one wire to each copy, a cycle earlier. A lane's memories are neighbours, which
their names say, so neighbours in name share a copy; where a lane has more than may share one, each of its tables is a
neighbour of the other lanes', and these share. An array that takes the whole die has its lanes in rows across it
(hw.build.floorplan): there a copy serves one table in one row of lanes, and whatever is written into tables has one for
each row. A flip-flop or LUT that something else reads as well stays with that, and so does the LUT whose output enables
or resets flip-flops with copies.

Weighed against it: copies in the gateware, which yosys makes one again, and which every other part would get as well.
"""

import copy
import re
from collections import Counter
from collections.abc import Callable, Mapping

from trine.hw.boards.kept import PREFIX
from trine.hw.build.netlist import Netlist, Reader, wired

MEMORIES = {"TRELLIS_DPR16X4": 48, "DP16KD": 12}
"""Type of a memory's cell -> how many of them share a copy at most; in an array that takes the whole die, all of
a table in a row of lanes do."""

LANE_ROWS = 3
"""Rows across the die in which the lanes of an array are that takes the whole of it."""

TABLE = re.compile(r"array\.lane_(\d+)\.table_(\d+)\.")
"""A memory of a table of hw.array.table_lane: lane, and table, which is its group of columns."""

_OUTPUT = {"TRELLIS_FF": "Q", "LUT4": "Z"}
"""Type of a cell that is copied -> its output."""

_CONTROL = ("CE", "LSR")
"""Inputs of a flip-flop that many others share."""


def row_of_lane(lane: int, lanes: int) -> int:
    """The row, 0 .. LANE_ROWS - 1, of one of so many lanes: neighbours share a row."""
    return lane * LANE_ROWS // lanes


def copy_drivers(netlist: Netlist, sharing: Mapping[str, int] = MEMORIES) -> int:
    """Rewrites an ECP5 netlist so that a flip-flop or LUT that drives memories drives only as many as share a copy, and
    nothing else, and a LUT that enables or resets copies of flip-flops nothing else; returns how many copies.

    sharing: as MEMORIES; a type that is not in it stays with what drives it. A copy has what the cell has, a
    flip-flop's value at power-up included, so every bit that is there keeps its value in every cycle. Readers that are
    no memories stay with the cell. Where its net is kept (hw.boards.kept), memories stay as well, as they are looked
    for behind that net.
    """
    places = {name: place for kind, limit in sharing.items() for name, place in _places(netlist, kind, limit).items()}

    def by_memory(readers: list[Reader]) -> list[list[Reader]]:
        return [group for kind, limit in sharing.items() for group in _groups(netlist, readers, kind, limit, places)]

    def by_control(readers: list[Reader]) -> list[list[Reader]]:
        controlled = [reader for reader in readers if reader.cell in copies and reader.port in _CONTROL]
        return [controlled] if controlled else []

    copies: set[str] = set()
    _divide(netlist, tuple(_OUTPUT), by_memory, copies)
    _divide(netlist, ("LUT4",), by_control, copies)
    return len(copies)


def _divide(netlist: Netlist, types: tuple[str, ...], groups_of: Callable[[list[Reader]], list[list[Reader]]],
            copies: set[str]) -> None:
    """Gives each group of the readers of a cell of these types a copy of the cell; adds their names to `copies`."""
    readers = netlist.readers()
    kept = {bit for name, bits in netlist.names.items() if name.startswith(PREFIX) for bit in bits}
    for name, cell in [(name, cell) for name, cell in netlist.cells.items() if cell["type"] in types]:
        driven = wired(cell, _OUTPUT[cell["type"]])
        places = readers.get(driven, [])
        groups = [] if driven in kept else groups_of(places)
        if sum(map(len, groups)) == len(places):
            groups = groups[1:]  # which the cell itself can have
        for group in groups:
            copies.add(_copy(netlist, name, group, len(copies) + 1))


def _copy(netlist: Netlist, name: str, readers: list[Reader], number: int) -> str:
    """Makes a copy of a cell for some of its readers; returns the copy's name."""
    twin = copy.deepcopy(netlist.cells[name])
    bit = netlist.new_bit()
    twin["connections"][_OUTPUT[twin["type"]]] = [bit]
    netlist.cells[f"{name}$copy_{number}"] = twin
    for reader in readers:
        netlist.cells[str(reader.cell)]["connections"][reader.port][reader.index] = bit
    return f"{name}$copy_{number}"


def _places(netlist: Netlist, kind: str, limit: int) -> dict[str, tuple[int, int]]:
    """Memory of that kind -> its table and the row of its lane, in an array that takes the whole die: one of which a
    single table, in all lanes, has as many memories as may share a copy. Nothing in a smaller one."""
    tables = netlist.numbered(kind, TABLE)
    if max(Counter(table for _, table in tables.values()).values(), default=0) < limit:
        return {}
    lanes = 1 + max(lane for lane, _ in tables.values())
    return {name: (table, row_of_lane(lane, lanes)) for name, (lane, table) in tables.items()}


def _groups(netlist: Netlist, readers: list[Reader], kind: str, limit: int,
            places: Mapping[str, tuple[int, int]]) -> list[list[Reader]]:
    """The readers of a bit that are memories of that kind, by copy.

    One for each of `places`; of memories that have none, as few as can be, and none larger than another by more than
    one memory. These are in the order of lanes, or, if a lane has more than may share one, of tables.
    """
    memories = sorted({reader.cell for reader in readers if reader.cell and netlist.cells[reader.cell]["type"] == kind},
                      key=_by_number)
    if not memories:
        return []
    if max(Counter(_numbers(name)[:1] for name in memories).values()) > limit:
        memories.sort(key=lambda name: _numbers(name)[1::-1])
    size = -(-len(memories) // -(-len(memories) // limit))
    group = {name: places.get(name, (-1, number // size)) for number, name in enumerate(memories)}
    return [[reader for reader in readers if reader.cell and group.get(reader.cell) == number]
            for number in sorted(set(group.values()))]


def _by_number(name: str) -> list[tuple[int, str]]:
    """Sorts lane_2 before lane_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _numbers(name: str) -> tuple[int, ...]:
    """(2, 10, 0, 1) for lane_2.table_10.0.1: lane, table, and what it consists of."""
    return tuple(map(int, re.findall(r"\d+", name)))
