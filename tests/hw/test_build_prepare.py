"""hw.build.prepare: what yosys reads is the same design, and what it makes of it is right and small."""

import json

import pytest
from amaranth.hdl import Module, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from tests.hw.side_by_side import SideBySide
from trine.hw.build import tools
from trine.hw.build.netlist import Netlist
from trine.hw.build.parts import find_part
from trine.hw.build.prepare import prepare
from trine.hw.build.synthesise import synthesise, to_rtlil

PART = find_part("LFE5U-25F-6-CABGA381")


class Memory(wiring.Component):
    """512 words of two 16-bit fields, read into a register."""

    write_address: In(9)
    write_data: In(data.ArrayLayout(unsigned(16), 2))
    write: In(1)
    read_address: In(9)
    q: Out(data.ArrayLayout(unsigned(16), 2))

    def __init__(self, attrs):
        super().__init__()
        self.attrs = attrs

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = words = memory.Memory(shape=self.q.shape(), depth=512, init=[], attrs=self.attrs)
        write, read = words.write_port(), words.read_port()
        m.d.comb += [write.addr.eq(self.write_address), write.data.eq(self.write_data), write.en.eq(self.write),
                     read.addr.eq(self.read_address)]
        m.d.sync += self.q.eq(read.data)
        return m


@pytest.fixture
def log(tmp_path):
    return tmp_path / "yosys.log"


def test_collisions(log):
    """Without the attribute the old word is kept in logic; with it, nothing is left but the block RAM."""
    counts = {name: Netlist(json.loads(synthesise(to_rtlil(Memory(attrs)), PART, log, improve=False).netlist)).counts()
              for name, attrs in (("kept", {}), ("free", {"no_rw_check": 1}))}
    assert counts["kept"]["LUT4"] >= 32
    assert counts["free"].get("LUT4", 0) == 0
    assert counts["kept"]["DP16KD"] == counts["free"]["DP16KD"] == 1
    assert counts["free"]["TRELLIS_FF"] == 32


def test_only_marked_memories():
    plain, free = to_rtlil(Memory({})), to_rtlil(Memory({"no_rw_check": 1}))
    assert "COLLISION_X_MASK 1'0" in plain
    assert "COLLISION_X_MASK 1'0" in prepare(plain)
    assert "COLLISION_X_MASK 1'0" in free
    assert "COLLISION_X_MASK 1'1" in prepare(free)
    assert "COLLISION_X_MASK 1'0" not in prepare(free)


def test_mark_is_of_its_module():
    """A memory of the same name in another module is another memory."""
    text = prepare(to_rtlil(SideBySide({"plain": Memory({}), "free": Memory({"no_rw_check": 1})})))
    assert text.count("COLLISION_X_MASK 1'1") == text.count("COLLISION_X_MASK 1'0") == 1


def test_single_port_memory_has_no_content():
    huge = to_rtlil(Memory({"no_rw_check": 1, "ram_style": "huge"}))
    assert "cell $meminit_v2" in huge
    assert "cell $meminit_v2" not in prepare(huge)
    assert "COLLISION_X_MASK 1'0" not in prepare(huge)
    both = prepare(to_rtlil(SideBySide({"plain": Memory({}), "huge": Memory({"ram_style": "huge"})})))
    assert both.count("cell $meminit_v2") == 1


def test_promised_zeros_are_nothing_to_yosys():
    assert prepare(to_rtlil(Memory({"starts_with_zeros": 1}))) == prepare(to_rtlil(Memory({})))


def test_no_brackets_in_names():
    text = to_rtlil(Memory({}))
    assert "\\q[0]" in text
    prepared = prepare(text)
    assert "\\q[0]" not in prepared
    assert "\\q.0" in prepared
    assert prepare(prepared) == prepared


def test_names_that_cannot_be_told_apart():
    with pytest.raises(ValueError, match=r"^names \\a\[0\] and \\a\.0 of a design cannot be told apart$"):
        prepare("module \\top\n  wire \\a[0]\n  wire \\a.0\nend\n")


def test_same_design(tmp_path):
    """yosys proves that only what a collision reads can differ: without marked memories, nothing does."""
    design = to_rtlil(Memory({}))
    (tmp_path / "gold.il").write_text(design)
    (tmp_path / "gate.il").write_text(prepare(design))
    script = ("read_rtlil gold.il; hierarchy -top top; proc; flatten; opt_clean; rename top gold; design -stash gold; "
              "read_rtlil gate.il; hierarchy -top top; proc; flatten; opt_clean; rename top gate; design -stash gate; "
              "design -copy-from gold gold; design -copy-from gate gate; memory -nomap; equiv_make gold gate equiv; "
              "hierarchy -top equiv; equiv_struct; equiv_simple -undef; equiv_status -assert; tee -o proved stat")
    tools.run("yosys", ["-q", "-p", script], tmp_path, tmp_path / "log", 120, writes="proved")
