"""hw.build.floorplan: where the block RAMs of a table array's netlist go, and that nextpnr knows these places."""

import dataclasses
import json
import re
from collections import defaultdict

import pytest

from trine.firmware.presets import find_preset
from trine.hw.bare_array import BareArray
from trine.hw.build.design import Design
from trine.hw.build.errors import ToolFailed
from trine.hw.build.floorplan import COLUMNS, ROWS, place_block_rams
from trine.hw.build.netlist import Netlist
from trine.hw.build.parts import find_part
from trine.hw.build.route import read_routing, route
from trine.hw.build.store import Store
from trine.hw.build.synthesise import Synthesis, synthesise, to_rtlil
from trine.hw.build.workshop import Workshop

PART = find_part("LFE5U-85F-6-CABGA381")
LANES, GROUPS, SLICE_RAMS = 4, 11, 2
"""11 codes of 5 bits to a lane take two block RAMs of 36 bits; 11 is prime, so each group has one for activations."""


@pytest.fixture(scope="module")
def synthesis(tmp_path_factory):
    design = BareArray(dataclasses.replace(find_preset("array_85f_2048"), lanes=LANES, depth=3 * GROUPS,
                                           result_width=LANES))
    return synthesise(to_rtlil(design), PART, tmp_path_factory.mktemp("log") / "yosys.log", improve=False)


def places(synthesis):
    """Block RAM -> x and y of where it is to go."""
    cells = Netlist(json.loads(synthesis.netlist)).cells
    found = {}
    for name, cell in cells.items():
        if bel := cell["attributes"].get("BEL"):
            x, y, site = map(int, re.fullmatch(r"X(\d+)/Y(\d+)/EBR(\d)", bel).groups())
            assert COLUMNS[208].index(x) % 4 == site
            found[name] = x, y
    return found


def changed(synthesis, change):
    """What `change` does to the netlist."""
    netlist = Netlist(json.loads(synthesis.netlist))
    change(netlist)
    return dataclasses.replace(synthesis, netlist=json.dumps(netlist.document, sort_keys=True))


def test_weights_and_activations_have_places_of_their_own(synthesis):
    found = places(place_block_rams(synthesis, PART))
    weights = {f"weights.bank_{lane}.0.{number}" for lane in range(LANES) for number in range(SLICE_RAMS)}
    assert set(found) == weights | {f"array.activations_{group}.0.0" for group in range(GROUPS)}
    assert len(set(found.values())) == len(found)


def test_nothing_else_changes(synthesis):
    def forget(netlist):
        for cell in netlist.cells.values():
            cell["attributes"].pop("BEL", None)

    assert changed(place_block_rams(synthesis, PART), forget) == synthesis


def test_columns_go_along_and_lanes_across(synthesis):
    """Further columns are further along each row, as far as the row goes, and a lane's weights are in one row."""
    rows, lanes = defaultdict(list), {}
    for name, (x, y) in places(place_block_rams(synthesis, PART)).items():
        number, *rest = map(int, re.findall(r"\d+", name))
        if name.startswith("weights"):
            rows[y].append((x, (rest[-1] + 0.5) / SLICE_RAMS))
            assert lanes.setdefault(number, y) == y
        else:
            rows[y].append((x, (number + 0.5) / GROUPS))
    assert sorted(rows) == sorted(ROWS[208])
    assert [y for _, y in sorted(lanes.items())] == sorted(lanes.values())
    for row in rows.values():
        assert [along for _, along in sorted(row)] == sorted(along for _, along in row)
        assert min(row)[0] < 20
        assert max(row)[0] > 100


def test_only_where_it_is_of_use(synthesis):
    """Not on a smaller device, without tables, or where lanes share a bank or columns share block RAMs."""
    def renamed(old, new):
        def rename(netlist):
            for name in [name for name in netlist.cells if name.startswith(old)]:
                netlist.cells[name.replace(old, new)] = netlist.cells.pop(name)

        return changed(synthesis, rename)

    assert place_block_rams(synthesis, find_part("LFE5U-45F-6-CABGA381")) is synthesis
    cells = {kind: count for kind, count in synthesis.cells.items() if kind != "TRELLIS_DPR16X4"}
    adders = dataclasses.replace(synthesis, cells=cells)
    assert place_block_rams(adders, PART) is adders
    for other in (renamed("weights.bank_3.", "weights.shared."), renamed("array.activations_10.", "array.shared.")):
        assert place_block_rams(other, PART) is other


def test_no_room(synthesis, monkeypatch):
    """The first row gets two lanes and four groups of columns, eight block RAMs in all."""
    columns = COLUMNS[208]
    monkeypatch.setitem(COLUMNS, 208, columns[:8])
    assert place_block_rams(synthesis, PART) != synthesis
    monkeypatch.setitem(COLUMNS, 208, columns[:7])
    assert place_block_rams(synthesis, PART) == synthesis


def test_nextpnr_knows_all_places(synthesis, tmp_path):
    """Each of them with a block RAM in it, and a flip-flop to have a clock."""
    netlist = Netlist(json.loads(synthesis.netlist))
    memory = netlist.cells["weights.bank_0.0.0"]
    flip_flop = next(cell for cell in netlist.cells.values() if cell["type"] == "TRELLIS_FF")
    clock = netlist.ports["clk"]["bits"]
    memory["connections"] = {port: clock if port in ("CLKA", "CLKB") else [] for port in memory["connections"]}
    flip_flop["connections"] = {"CLK": clock, "DI": [clock[0] + 1], "Q": [clock[0] + 1]}
    netlist.cells.clear()
    netlist.cells["flip_flop"] = flip_flop
    bels = [f"X{x}/Y{y}/EBR{number % 4}" for y in ROWS[208] for number, x in enumerate(COLUMNS[208])]
    for bel in bels:
        netlist.cells[bel] = memory | {"attributes": {"BEL": bel}}
    for port in [port for port in netlist.ports if port != "clk"]:
        del netlist.ports[port]
    netlist.names.clear()
    filled = Synthesis(json.dumps(netlist.document), netlist.counts())
    routed = route(filled, PART, 1, {}, tmp_path / "nextpnr.log", seconds=300)
    assert len(bels) == len(set(bels)) == 3 * 52
    assert read_routing(routed.report, PART, filled).used["ebr"] == len(bels)


def test_flow_places(synthesis, monkeypatch, tmp_path):
    """What is looked at and routed has the places."""
    seen = []

    def stop(placed, *_, **__):
        seen.append(placed)
        raise ToolFailed("seen enough")

    monkeypatch.setattr("trine.hw.build.synthesise.synthesise", lambda *_: synthesis)
    monkeypatch.setattr("trine.hw.build.workshop.route", stop)
    design = Design(find_preset("array_85f_2048"), "", "", {"sync": 100})
    workshop = Workshop("array", PART, Store(tmp_path))
    netlist = workshop.netlist(design, lambda placed: str(seen.append(placed)), lambda line: None)
    with pytest.raises(ToolFailed, match="seen enough"):
        list(workshop.routings(netlist, design, [1], 1))
    assert seen == 2 * [place_block_rams(synthesis, PART)]
