"""hw.build.register_copies: the same registers, and nothing else, several times where they go to many memories."""

import copy
import json
from collections import defaultdict

import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from trine.hw.boards.kept import PREFIX
from trine.hw.build.netlist import Netlist, wired
from trine.hw.build.parts import find_part
from trine.hw.build.register_copies import copy_registers
from trine.hw.build.synthesise import synthesise, to_rtlil

PART = find_part("LFE5U-25F-6-CABGA381")
SHARING = {"TRELLIS_DPR16X4": 4, "DP16KD": 2}
SMALL, BIG = 11, 5
"""Memories of either kind."""


class Memories(wiring.Component):
    """Memories of 16 words of 4 bits and of 1024 words of 18 bits, written and read at the same addresses."""

    address: In(10)
    data: In(18)
    write: In(1)
    q: Out(4 * SMALL + 18 * BIG)
    next: Out(10)

    def elaborate(self, platform):
        m = Module()
        address, write = Signal(10), Signal()
        m.d.sync += [address.eq(self.address), write.eq(self.write)]
        m.d.comb += self.next.eq(address + 1)
        words = []
        for kind, count, width, depth in (("small", SMALL, 4, 16), ("big", BIG, 18, 1024)):
            for number in range(count):
                block = memory.Memory(shape=width, depth=depth, init=[], attrs={"no_rw_check": 1})
                m.submodules[f"{kind}_{number}"] = block
                writes, reads = block.write_port(), block.read_port(domain="comb" if kind == "small" else "sync")
                m.d.comb += [writes.addr.eq(address), writes.data.eq(self.data ^ number), writes.en.eq(write),
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
    """The cells without those that do what another one does, and what these drove driven by the other one."""
    alike = defaultdict(list)
    for name, cell in netlist.cells.items():
        inputs = {port: bits for port, bits in cell["connections"].items() if port != "Q"}
        alike[json.dumps([cell["type"], cell["parameters"], inputs], sort_keys=True)].append(name)
    cells, instead = copy.deepcopy(netlist.cells), {}
    for first, *others in alike.values():
        for name in others:
            if cells[name]["type"] == "TRELLIS_FF":
                instead[wired(cells.pop(name), "Q")] = wired(cells[first], "Q")
    for cell in cells.values():
        cell["connections"] = {port: [instead.get(bit, bit) for bit in bits]
                               for port, bits in cell["connections"].items()}
    return cells


def memories(netlist, bit, kind):
    """The memories of a kind that read a bit."""
    return {reader.cell for reader in netlist.readers().get(bit, [])
            if reader.cell and netlist.cells[reader.cell]["type"] == kind}


def outputs(netlist):
    return {name: wired(cell, "Q") for name, cell in netlist.cells.items() if cell["type"] == "TRELLIS_FF"}


def test_only_copies(netlist):
    """Four address bits and the write enable go to all memories, six address bits to the big ones only."""
    before = copy.deepcopy(netlist.cells)
    small, big = -(-SMALL // SHARING["TRELLIS_DPR16X4"]), -(-BIG // SHARING["DP16KD"])
    copies = copy_registers(netlist, SHARING)
    assert copies == 4 * (small + big) + 6 * big + (small + big - 1)  # nothing but memories reads the write enable
    assert len(netlist.cells) == len(before) + copies
    assert not netlist.conflicts()
    assert merged(netlist) == before


@pytest.mark.parametrize(("kind", "count"), [("TRELLIS_DPR16X4", SMALL), ("DP16KD", BIG)])
def test_shares(netlist, kind, count):
    """As few as can be, none of which is smaller than another by more than one."""
    copy_registers(netlist, SHARING)
    shares = {frozenset(share) for bit in outputs(netlist).values() if (share := memories(netlist, bit, kind))}
    assert len(shares) == -(-count // SHARING[kind])
    assert sorted(map(len, shares))[0] >= SHARING[kind] - 1
    assert max(map(len, shares)) <= SHARING[kind]


def test_neighbours_share(netlist):
    """In the order of their numbers, in which 10 comes after 9."""
    copy_registers(netlist, SHARING)
    groups = {frozenset(int(name.split("_")[1].split(".")[0]) for name in share) for bit in outputs(netlist).values()
              if (share := memories(netlist, bit, "TRELLIS_DPR16X4"))}
    assert groups == {frozenset(range(0, 4)), frozenset(range(4, 8)), frozenset(range(8, 11))}


def test_other_readers_stay(netlist):
    def others(bit):
        return [place for place in netlist.readers().get(bit, [])
                if place.cell is None or netlist.cells[place.cell]["type"] not in SHARING]

    before = {bit: others(bit) for bit in outputs(netlist).values()}
    assert any(before.values())
    assert copy_registers(netlist, SHARING) > 0
    assert {bit: others(bit) for bit in before} == before


@pytest.mark.parametrize("sharing", [{}, {"TRELLIS_DPR16X4": SMALL, "DP16KD": BIG}])
def test_few_memories(netlist, sharing):
    before = copy.deepcopy(netlist.document)
    assert copy_registers(netlist, sharing) == 0
    assert netlist.document == before


def test_kept_nets_stay(netlist):
    """An address bit with such a name has no copies, the others have theirs."""
    address = next(bit for bit in outputs(netlist).values() if len(memories(netlist, bit, "DP16KD")) == BIG)
    netlist.names[PREFIX + "address"] = [address]
    readers = netlist.readers()[address]
    assert copy_registers(netlist, SHARING) > 0
    assert netlist.readers()[address] == readers


@pytest.mark.parametrize("mhz", [None, 50])
def test_flow_copies(netlist, monkeypatch, tmp_path, mhz):
    """What is to be as fast as it gets has the copies; what has a goal has none."""
    monkeypatch.setattr("trine.hw.build.synthesise.copy_registers", lambda netlist: copy_registers(netlist, SHARING))
    routed = synthesise(to_rtlil(Memories()), PART, tmp_path / "yosys.log", mhz).cells
    if mhz is None:
        copy_registers(netlist, SHARING)
    assert routed["TRELLIS_FF"] == netlist.counts()["TRELLIS_FF"]
