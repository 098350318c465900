"""hw.build.driver_copies: the same flip-flops and LUTs, and nothing else, several times where they drive memories."""

import copy
import json
import re
from collections import defaultdict

import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from trine.hw.boards.kept import PREFIX
from trine.hw.build.driver_copies import copy_drivers
from trine.hw.build.netlist import Netlist, wired
from trine.hw.build.parts import find_part
from trine.hw.build.synthesise import synthesise, to_rtlil

PART = find_part("LFE5U-25F-6-CABGA381")
SHARING = {"TRELLIS_DPR16X4": 4, "DP16KD": 2}
SMALL, BIG = 11, 5
"""Memories of either kind."""
OUTPUT = {"TRELLIS_FF": "Q", "LUT4": "Z"}

every_sharing = pytest.mark.parametrize("sharing", [SHARING, {"TRELLIS_DPR16X4": SMALL, "DP16KD": BIG}],
                                        ids=["several", "all"])


class Memories(wiring.Component):
    """Memories of 16 words of 4 bits and of 1024 words of 18 bits, written and read at the same addresses.

    Registers of address bits go to memories and to an adder, and share their enable, from a LUT, with another register;
    the write enable comes from a LUT and is an output as well; registers of data go to memories only, the upper ones to
    the big ones.
    """

    address: In(10)
    data: In(18)
    write: In(2)
    q: Out(4 * SMALL + 18 * BIG)
    next: Out(10)
    written: Out(1)
    hold: In(2)
    held: Out(1)

    def elaborate(self, platform):
        m = Module()
        address, data = Signal(10), Signal(18)
        m.d.sync += data.eq(self.data)
        with m.If(self.hold.all()):
            m.d.sync += [address.eq(self.address), self.held.eq(self.data[0])]
        m.d.comb += [self.next.eq(address + 1), self.written.eq(self.write.all())]
        words = []
        for kind, count, width, depth in (("small", SMALL, 4, 16), ("big", BIG, 18, 1024)):
            for number in range(count):
                block = memory.Memory(shape=width, depth=depth, init=[], attrs={"no_rw_check": 1})
                m.submodules[f"{kind}_{number}"] = block
                writes, reads = block.write_port(), block.read_port(domain="comb" if kind == "small" else "sync")
                m.d.comb += [writes.addr.eq(address), writes.data.eq(data), writes.en.eq(self.written),
                             reads.addr.eq(self.address)]
                words.append(reads.data)
        m.d.comb += self.q.eq(Cat(*words))
        return m


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    return json.loads(synthesise(to_rtlil(Memories()), PART, tmp_path_factory.mktemp("log") / "yosys.log",
                                 improve=False).netlist)


@pytest.fixture
def netlist(document):
    return Netlist(copy.deepcopy(document))


def merged(netlist):
    """The cells without those that do what another one does, and what these drove driven by the other one; then the
    same again, as cells may do the same only then."""
    cells, instead = copy.deepcopy(netlist.cells), {"": ""}
    while instead:
        alike, instead = defaultdict(list), {}
        for name, cell in cells.items():
            inputs = {port: bits for port, bits in cell["connections"].items() if port != OUTPUT.get(cell["type"])}
            alike[json.dumps([cell["type"], cell["parameters"], inputs], sort_keys=True)].append(name)
        for first, *others in alike.values():
            for name in others:
                if output := OUTPUT.get(cells[name]["type"]):
                    instead[wired(cells.pop(name), output)] = wired(cells[first], output)
        for cell in cells.values():
            cell["connections"] = {port: [instead.get(bit, bit) for bit in bits]
                                   for port, bits in cell["connections"].items()}
    return cells


def memories(netlist, bit, kind):
    """The memories of a kind that read a bit."""
    return {reader.cell for reader in netlist.readers().get(bit, [])
            if reader.cell and netlist.cells[reader.cell]["type"] == kind}


def outputs(netlist):
    """Name of a cell that may be copied -> the bit that it drives."""
    return {name: wired(cell, OUTPUT[cell["type"]]) for name, cell in netlist.cells.items() if cell["type"] in OUTPUT}


def other_readers(netlist, bit):
    return [place for place in netlist.readers().get(bit, [])
            if place.cell is None or netlist.cells[place.cell]["type"] not in SHARING]


@every_sharing
def test_only_copies(netlist, sharing):
    """Four bits of the address and the data, and the enable, go to all memories; six bits of the address and fourteen
    of the data to the big ones only. What drives memories only is one of its copies."""
    before = copy.deepcopy(netlist.cells)
    small, big = -(-SMALL // sharing["TRELLIS_DPR16X4"]), -(-BIG // sharing["DP16KD"])
    copies = copy_drivers(netlist, sharing)
    address, data, write = 4 * (small + big) + 6 * big, 4 * (small + big - 1) + 14 * (big - 1), small + big
    assert copies == address + data + write + 1  # and one enables the copies of the address
    assert len(netlist.cells) == len(before) + copies
    assert not netlist.conflicts()
    assert merged(netlist) == before


@pytest.mark.parametrize(("kind", "count"), [("TRELLIS_DPR16X4", SMALL), ("DP16KD", BIG)])
def test_shares(netlist, kind, count):
    """As few as can be, none of which is smaller than another by more than one."""
    copy_drivers(netlist, SHARING)
    shares = {frozenset(share) for bit in outputs(netlist).values() if (share := memories(netlist, bit, kind))}
    assert len(shares) == -(-count // SHARING[kind])
    assert sorted(map(len, shares))[0] >= SHARING[kind] - 1
    assert max(map(len, shares)) <= SHARING[kind]


def test_neighbours_share(netlist):
    """In the order of their numbers, in which 10 comes after 9."""
    copy_drivers(netlist, SHARING)
    groups = {frozenset(int(name.split("_")[1].split(".")[0]) for name in share) for bit in outputs(netlist).values()
              if (share := memories(netlist, bit, "TRELLIS_DPR16X4"))}
    assert groups == {frozenset(range(0, 4)), frozenset(range(4, 8)), frozenset(range(8, 11))}


def as_tables(netlist, place):
    """Calls each small memory a table, by place(number) -> lane and table."""
    for number in range(SMALL):
        small, table = f"small_{number}.", "array.lane_{}.table_{}.".format(*place(number))
        for name in [name for name in netlist.cells if name.startswith(small)]:
            netlist.cells[name.replace(small, table)] = netlist.cells.pop(name)


def shares(netlist):
    """For each bit that drives tables, which: a set of (lane, table)."""
    return {frozenset(tuple(map(int, re.match(r"array\.lane_(\d)\.table_(\d)\.", name).groups())) for name in share)
            for bit in outputs(netlist).values() if (share := memories(netlist, bit, "TRELLIS_DPR16X4"))}


def test_columns_share_where_lanes_are_too_large(netlist):
    """Of two lanes with six and five tables, copies for four memories each: the same tables of both lanes."""
    as_tables(netlist, lambda number: (number // 6, number % 6))
    copy_drivers(netlist, SHARING)
    assert {frozenset(table for _, table in share) for share in shares(netlist)} == {
        frozenset((0, 1)), frozenset((2, 3)), frozenset((4, 5))}


def test_rows_of_lanes_share_where_a_table_is_as_large(netlist):
    """Of six lanes with two tables, copies for six memories each: one table of two neighbouring lanes. What goes to
    four memories of a table only, as its entries do, has its copies as well."""
    as_tables(netlist, lambda number: (number // 2, number % 2))
    bit = next(wired(cell, "DI") for name, cell in netlist.cells.items() if name.startswith("array.lane_0.table_0."))
    for name, cell in netlist.cells.items():
        if re.match(r"array\.lane_([45]\.|\d\.table_1)", name):
            cell["connections"]["DI"][0] = "0"
    assert {name[:20] for name in memories(netlist, bit, "TRELLIS_DPR16X4")} == {
        f"array.lane_{lane}.table_0" for lane in range(4)}
    copy_drivers(netlist, {"TRELLIS_DPR16X4": 6})
    rows = {(table, lanes): frozenset((lane, table) for lane in lanes) for table in (0, 1)
            for lanes in ((0, 1), (2, 3), (4, 5))}
    rows[1, (4, 5)] -= {(5, 1)}  # the memory that is not there
    assert shares(netlist) == set(rows.values())
    entries = {wired(cell, "DI") for name, cell in netlist.cells.items() if name.startswith("array.lane_") and
               wired(cell, "DI") != "0"}
    assert sorted(len(memories(netlist, bit, "TRELLIS_DPR16X4")) for bit in entries) == [2, 2]


def test_other_readers_stay(netlist):
    before = {bit: other_readers(netlist, bit) for bit in outputs(netlist).values()}
    assert any(before.values())
    assert copy_drivers(netlist, SHARING) > 0
    assert {bit: other_readers(netlist, bit) for bit in before} == before


@every_sharing
def test_memories_have_their_own(netlist, sharing):
    """Nothing drives memories of two kinds, or memories and something else, however many share a copy."""
    copy_drivers(netlist, sharing)
    for bit in outputs(netlist).values():
        kinds = {kind for kind in sharing if memories(netlist, bit, kind)}
        assert len(kinds) + bool(other_readers(netlist, bit)) <= 1


def test_copies_have_their_own_enable(netlist):
    """Together, and other registers none of it."""
    before = set(netlist.cells)
    copy_drivers(netlist, SHARING)
    enables = {wired(cell, "CE"): set() for cell in netlist.cells.values() if cell["type"] == "TRELLIS_FF"}
    for name, cell in netlist.cells.items():
        if cell["type"] == "TRELLIS_FF":
            enables[wired(cell, "CE")].add(name in before)
    luts = {bit: copied for bit, copied in enables.items() if isinstance(bit, int)}
    assert sorted(map(sorted, luts.values())) == [[False], [True]]


def test_kinds_that_stay(netlist):
    before = copy.deepcopy(netlist.document)
    assert copy_drivers(netlist, {}) == 0
    assert netlist.document == before


def test_kept_nets_stay(netlist):
    """An address bit with such a name has no copies, the others have theirs."""
    address = next(bit for bit in outputs(netlist).values() if len(memories(netlist, bit, "DP16KD")) == BIG)
    netlist.names[PREFIX + "address"] = [address]
    readers = netlist.readers()[address]
    assert copy_drivers(netlist, SHARING) > 0
    assert netlist.readers()[address] == readers


@pytest.mark.parametrize("mhz", [None, 50])
def test_flow_copies(netlist, monkeypatch, tmp_path, mhz):
    """What is to be as fast as it gets has the copies; what has a goal has none."""
    monkeypatch.setattr("trine.hw.build.synthesise.copy_drivers", lambda netlist: copy_drivers(netlist, SHARING))
    routed = synthesise(to_rtlil(Memories()), PART, tmp_path / "yosys.log", mhz).cells
    if mhz is None:
        copy_drivers(netlist, SHARING)
    assert routed["TRELLIS_FF"] == netlist.counts()["TRELLIS_FF"]
