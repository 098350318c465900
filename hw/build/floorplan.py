"""Gives the block RAMs of a large table array their places, in the netlist that goes to nextpnr.

A weight word goes to all tables of an array at once, and block RAMs are where the die has them. Left to itself the
placer gathers the array in the middle of the die and puts each block RAM where there is room, so that the bits of a
word cross each other: of an `array_85f_2048` they took 98,600 of 335,500 tiles of wire, and no router found a way
(docs/figures.md). So columns of the matrix go along the die, and lanes across it. The block RAMs of all lanes' first
columns are at one end, with those of the activations of these columns, and so on: tables come to lie beside their block
RAMs, what is written into a column's tables goes across the die, and the sums of a lane along it.
"""

import json
import re
from dataclasses import replace

from trine.hw.build.driver_copies import TABLE, row_of_lane
from trine.hw.build.netlist import Netlist
from trine.hw.build.parts import Part
from trine.hw.build.synthesise import Synthesis

ROWS = {208: (22, 46, 70)}
"""Block RAMs of a device -> the y of the rows of them that are filled, one for each row of lanes. An LFE5U-85F, the one
device that has so many that they are far apart, has a fourth at 82, near the third; nextpnr has it for the rest."""

COLUMNS = {208: tuple(x + step for x in (*range(4, 60, 9), *range(69, 120, 9)) for step in (0, 2, 4, 6))}
"""The same -> the x of the block RAMs of a row, as nextpnr 0.11.1 has them: four share nine tiles."""

_WEIGHTS = re.compile(r"weights\.bank_(\d+)\.0\.(\d+)$")
"""A block RAM of a bank of hw.memory.weight_memory: lane, and place in the lane's slice, lowest bits first."""

_ACTIVATIONS = re.compile(r"array\.activations_(\d+)\.0\.0$")
"""A block RAM of the activation buffer of hw.array.table_array: the group of columns that it has the codes of."""


def place_block_rams(synthesis: Synthesis, part: Part) -> Synthesis:
    """The same netlist, in which the block RAMs of weights and activations have the attribute BEL, which nextpnr obeys.

    As it is where that would be no use: on a device that ROWS does not have, and where the netlist is no table array's
    with a bank to each lane and a block RAM to each group of columns, or has more of them than there are places.
    """
    if part.family != "ecp5" or part.capacity.ebr not in ROWS or "TRELLIS_DPR16X4" not in synthesis.cells:
        return synthesis
    netlist = Netlist(json.loads(synthesis.netlist))
    places = _places(netlist, ROWS[part.capacity.ebr], COLUMNS[part.capacity.ebr])
    if not places:
        return synthesis
    for name, bel in places.items():
        netlist.cells[name]["attributes"]["BEL"] = bel
    return replace(synthesis, netlist=json.dumps(netlist.document, sort_keys=True))


def _places(netlist: Netlist, rows: tuple[int, ...], columns: tuple[int, ...]) -> dict[str, str]:
    """Block RAM -> its place, by nextpnr's name for it; none where place_block_rams leaves all as it is."""
    weights, activations = netlist.numbered("DP16KD", _WEIGHTS), netlist.numbered("DP16KD", _ACTIVATIONS)
    tables = netlist.numbered("TRELLIS_DPR16X4", TABLE).values()
    lanes, groups = {lane for lane, _ in tables}, {group for _, group in tables}
    if not tables or {lane for lane, _ in weights.values()} != lanes or {n for n, in activations.values()} != groups:
        return {}
    slice_rams = 1 + max(place for _, place in weights.values())
    filled: list[list[tuple[float, str]]] = [[] for _ in rows]  # how far along the row, 0 .. 1, and which
    for name, (lane, place) in weights.items():
        filled[row_of_lane(lane, len(lanes))].append(((place + 0.5) / slice_rams, name))
    for name, (group,) in activations.items():
        filled[group % len(rows)].append(((group + 0.5) / len(groups), name))
    if max(map(len, filled)) > len(columns):
        return {}
    places = {}
    for y, row in zip(rows, filled, strict=True):
        for number, (_, name) in enumerate(sorted(row)):
            column = (2 * number + 1) * len(columns) // (2 * len(row))
            places[name] = f"X{columns[column]}/Y{y}/EBR{column % 4}"
    return places
