"""hw.build.adder_ends and adder_operands: the netlists they make are proved equal to yosys' own, and smaller."""

import copy
import functools
import json

import pytest
from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from tests.hw.side_by_side import SideBySide
from trine.hw.build import tools
from trine.hw.build.adder_ends import trim_adder_ends
from trine.hw.build.adder_operands import absorb_operands
from trine.hw.build.errors import ToolFailed
from trine.hw.build.netlist import Netlist, wired
from trine.hw.build.parts import find_part
from trine.hw.build.route import route
from trine.hw.build.synthesise import Synthesis, synthesise, to_rtlil

PART = find_part("LFE5U-25F-6-CABGA381")


class Adder(wiring.Component):
    """A register behind what `formula` makes of a, b (8 bits, signed), c, d, e (1 bit) and the register itself."""

    def __init__(self, formula, width):
        super().__init__({"a": In(signed(8)), "b": In(signed(8)), "c": In(1), "d": In(1), "e": In(1),
                          "q": Out(signed(width))})
        self.formula = formula

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.q.eq(self.formula(self.a, self.b, self.c, self.d, self.e, self.q))
        return m


def masked(x, nonzero, negative=0):
    """nonzero & (x ^ negative), in x's width."""
    return ((x.as_unsigned() ^ Cat(negative).replicate(8))[:8] & nonzero.replicate(8)).as_signed()


def with_carry(left, right, carry):
    return (Cat(1, left).as_signed() + Cat(carry, right).as_signed()) >> 1


CASES = {
    # name: (formula, bits of q, LUTs before, LUTs after); a flip-flop's reset takes none
    "plain": (lambda a, b, c, d, e, q: a + b, 9, 0, 0),
    "even": (lambda a, b, c, d, e, q: a + b, 8, 0, 0),
    "carry_in": (lambda a, b, c, d, e, q: with_carry(a, b, c), 9, 0, 0),
    "two_carries_in": (lambda a, b, c, d, e, q: (Cat(c, a).as_signed() + Cat(d, b).as_signed()) >> 1, 9, 0, 0),
    "two_borrows_in": (lambda a, b, c, d, e, q: (Cat(c, a).as_signed() - Cat(d, b).as_signed()) >> 1, 9, 0, 0),
    "difference": (lambda a, b, c, d, e, q: a - b, 9, 0, 0),
    "gated": (lambda a, b, c, d, e, q: a + masked(b, c), 9, 8, 0),
    "trit": (lambda a, b, c, d, e, q: with_carry(a, masked(b, c, d), d), 9, 8, 0),
    "trit_left": (lambda a, b, c, d, e, q: with_carry(masked(a, c, d), b, d), 9, 8, 0),
    "difference_gated": (lambda a, b, c, d, e, q: a - masked(b, c), 9, 8, 0),
    "difference_of_gated": (lambda a, b, c, d, e, q: masked(a, c) - b, 9, 8, 0),
    "sign": (lambda a, b, c, d, e, q: with_carry(a, (b.as_unsigned() ^ c.replicate(8)).as_signed(), c), 9, 8, 0),
    "accumulate": (lambda a, b, c, d, e, q: with_carry(Mux(c, 0, q), a, d), 16, 16, 0),
    "inverted": (lambda a, b, c, d, e, q: a + (~b.as_unsigned())[:8].as_signed(), 9, 8, 0),
    "same_twice": (lambda a, b, c, d, e, q: a + masked(a, c, d), 9, 8, 0),
    "both": (lambda a, b, c, d, e, q: masked(a, c) + masked(b, d), 9, 16, 8),
    "either": (lambda a, b, c, d, e, q: a + (b.as_unsigned() | Cat(c, d, e, c, d, e, c, d)).as_signed(), 9, 8, 0),
    "no_skip": (lambda a, b, c, d, e, q: a + (b.as_unsigned() | (c | d).replicate(8)).as_signed(), 9, 8, 8),
    "too_wide": (lambda a, b, c, d, e, q: a + (b ^ (c & d & e).replicate(8))[:8].as_signed(), 9, 8, 8),
    "compare": (lambda a, b, c, d, e, q: a < b, 1, 0, 0),
    "constant": (lambda a, b, c, d, e, q: a + 77, 9, 1, 1),
    "count": (lambda a, b, c, d, e, q: q + 1, 12, 1, 1),
}


@functools.cache
def netlist(cases, log):
    design = to_rtlil(SideBySide({name: Adder(*CASES[name][:2]) for name in cases}))
    return synthesise(design, PART, log, improve=False).netlist


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("logs") / "yosys.log"


def improved(text):
    document = Netlist(json.loads(text))
    absorb_operands(document)
    trim_adder_ends(document)
    return document


def cut_at_registers(document, name, free_bits):
    """The logic between flip-flops as a design of its own; open carry inputs become inputs that may be anything."""
    top = next(module for module in document["modules"].values() if "top" in module["attributes"])
    state, following = [], []
    free: list[int] = []
    for cell_name, cell in sorted(top["cells"].items()):
        connections = cell["connections"]
        if cell["type"] == "TRELLIS_FF":
            state += connections["Q"]
            following += [bit for port in ("DI", "CE", "LSR") for bit in connections.get(port) or ["0"]]
            del top["cells"][cell_name]
        elif cell["type"].startswith("$"):
            del top["cells"][cell_name]
        elif cell["type"] == "CCU2C":
            for port in ("S0", "S1", "COUT"):
                if wired(cell, port) == "x":
                    del connections[port]
            if wired(cell, "CIN") == "x":
                connections["CIN"] = [1_000_000 + len(free)]
                free += connections["CIN"]
    free += range(1_000_000 + len(free), 1_000_000 + free_bits)
    top["ports"] |= {"state": {"direction": "input", "bits": state}, "free": {"direction": "input", "bits": free},
                     "following": {"direction": "output", "bits": following}}
    return {"modules": {name: {"attributes": {}, "ports": top["ports"], "cells": top["cells"], "netnames": {}}}}


PROOF = """
read_json gold.json
read_json gate.json
read_verilog -overwrite -DNO_INCLUDES +/lattice/common_sim.vh +/lattice/ccu2c_sim.vh
hierarchy -check
proc; flatten gold; flatten gate; opt_expr gold gate; opt_clean
miter -equiv -make_assert -flatten gold gate miter
opt -full miter
sat -verify -prove-asserts miter
tee -o proved stat
"""


def prove_equal(gold, gate, folder):
    """Proves with SAT that two netlists compute the same for all states, inputs and open carries, or raises."""
    cells = len(gate["modules"]["top"]["cells"])
    for name, document in (("gold", gold), ("gate", gate)):
        design = cut_at_registers(copy.deepcopy(document), name, cells)
        (folder / f"{name}.json").write_text(json.dumps(design))
    (folder / "proof.ys").write_text(PROOF)
    tools.run("yosys", ["-q", "-s", "proof.ys"], folder, folder / "proof.log", 300, writes="proved")


@pytest.fixture(scope="module")
def everything(log):
    return netlist(tuple(CASES), log)


def test_equal(everything, tmp_path):
    prove_equal(json.loads(everything), improved(everything).document, tmp_path)


@pytest.mark.parametrize(("passes", "bit"), [("both", 9), ("none", 3)])
def test_proof_can_fail(log, tmp_path, passes, bit):
    """A netlist with one bit of one table wrong is refuted."""
    text = netlist(("trit",), log)
    gate = improved(text) if passes == "both" else Netlist(json.loads(text))
    cell = [cell for cell in gate.cells.values() if cell["type"] == "CCU2C"][2]
    cell["parameters"]["INIT0"] = f"{int(cell['parameters']['INIT0'], 2) ^ 1 << bit:016b}"
    with pytest.raises(ToolFailed, match="proof did fail"):
        prove_equal(json.loads(text), gate.document, tmp_path)


def test_flip_flops_and_ports_stay(everything):
    before = Netlist(json.loads(everything))
    after = improved(everything)
    for document in (before, after):
        assert document.document["modules"]["top"]["ports"] == before.document["modules"]["top"]["ports"]
    assert ({name: cell for name, cell in before.cells.items() if cell["type"] == "TRELLIS_FF"}
            == {name: cell for name, cell in after.cells.items() if cell["type"] == "TRELLIS_FF"})


def luts(document, case):
    return sum(cell["type"] == "LUT4" for name, cell in document.cells.items() if name.startswith(f"{case}__"))


@pytest.mark.parametrize("case", CASES)
def test_operands(everything, case):
    *_, before, after = CASES[case]
    assert luts(Netlist(json.loads(everything)), case) == before
    assert luts(improved(everything), case) == after


def test_operand_of_several_adders(log):
    """A LUT that two adders share goes into both, but one that also feeds a flip-flop stays."""
    class Shared(wiring.Component):
        a: In(signed(8))
        b: In(signed(8))
        c: In(1)
        total: Out(signed(9))
        negative: Out(signed(9))
        term: Out(signed(8))

        def __init__(self, keep):
            super().__init__()
            self.keep = keep

        def elaborate(self, platform):
            m = Module()
            term = masked(self.b, self.c)
            m.d.sync += [self.total.eq(self.a + term), self.negative.eq(self.a - term)]
            if self.keep:
                m.d.comb += self.term.eq(term)
            return m

    for keep, left in ((False, 0), (True, 8)):
        text = synthesise(to_rtlil(Shared(keep)), PART, log, improve=False).netlist
        assert Netlist(json.loads(text)).counts()["LUT4"] == 8
        assert improved(text).counts().get("LUT4", 0) == left


def test_ends(everything):
    """Every adder starts with a half-cell that ignores its carry, and no carry is left dangling, but a comparison's."""
    document = improved(everything)
    readers = document.readers()
    adders = {name: cell for name, cell in document.cells.items() if cell["type"] == "CCU2C" and "__" in name}
    assert len({name.split("__")[0] for name in adders}) == len(CASES) - 1
    for name, cell in adders.items():
        assert wired(cell, "COUT") == "x" or len(readers[wired(cell, "COUT")]) == 1, name
        if wired(cell, "CIN") == "x":
            assert wired(cell, "C0") == wired(cell, "D0") == "1", name
            assert int(cell["parameters"]["INIT0"], 2) >> 12 == 0, name
        else:
            assert isinstance(wired(cell, "CIN"), int), name


class Chained(wiring.Component):
    """Two adders of the same odd length, one of which feeds the other through logic."""

    a: In(8)
    b: In(8)
    c: In(8)
    q: Out(8)
    r: Out(8)

    def elaborate(self, platform):
        m = Module()
        first, second = Signal(8), Signal(8)
        m.d.comb += [first.eq(self.a + self.b), second.eq((first ^ (self.c & self.b)) + self.a)]
        m.d.sync += [self.q.eq(first), self.r.eq(second)]
        return m


@pytest.mark.parametrize("order", [1, -1])
def test_joined_adders_make_no_loop(log, order):
    """nextpnr refuses a netlist in which a chain's upper adder feeds its lower one, in whatever order they come."""
    plain = synthesise(to_rtlil(Chained()), PART, log, improve=False)
    joined = Netlist(json.loads(plain.netlist))
    adders = sorted(name for name, cell in joined.cells.items() if cell["type"] == "CCU2C")[::order]
    joined.cells.update({f"adder {number}": joined.cells.pop(name) for number, name in enumerate(adders)})
    trim_adder_ends(joined)
    assert joined.counts()["CCU2C"] == 9  # two adders of nine half-cells share one
    assert route(Synthesis(json.dumps(joined.document), joined.counts()), PART, 1, {"sync": 10}, log).layout


def test_counts_adders(log):
    text = netlist(("plain", "gated", "compare"), log)
    document = Netlist(json.loads(text))
    assert absorb_operands(document) == 8
    assert trim_adder_ends(document) == 2


def test_netlist_without_top():
    with pytest.raises(ValueError, match=r"^a netlist must have one top module, not 0$"):
        Netlist({"modules": {"a": {"attributes": {}, "ports": {}, "cells": {}}}})


def test_conflicts(log):
    """A bit with two drivers is found, and named by both."""
    document = Netlist(json.loads(netlist(("plain",), log)))
    assert document.conflicts() == []
    first, second = [name for name, cell in document.cells.items() if cell["type"] == "TRELLIS_FF"][:2]
    document.cells[second]["connections"]["Q"] = document.cells[first]["connections"]["Q"]
    assert document.conflicts() == [f"{first}.Q and {second}.Q"]


def test_chain_of_lookups():
    """A LUT whose only reader is a LUT that an adder absorbs stays, and feeds the adder."""
    def lookup(output, table, *inputs):
        ports = dict(zip("ABCD", [[bit] for bit in (*inputs, "0", "0", "0")], strict=False))
        return {"type": "LUT4", "attributes": {}, "parameters": {"INIT": f"{table:016b}"},
                "connections": {**ports, "Z": [output]},
                "port_directions": dict.fromkeys(ports, "input") | {"Z": "output"}}

    operands = {"A0": [2], "B0": [6], "C0": ["0"], "D0": ["1"], "A1": [3], "B1": ["0"], "C1": ["0"], "D1": ["1"],
                "CIN": ["0"]}
    sums = {"S0": [8], "S1": [9], "COUT": ["x"]}
    adder = {"type": "CCU2C", "attributes": {}, "parameters": {"INIT0": f"{0x96AA:016b}", "INIT1": f"{0x96AA:016b}"},
             "connections": operands | sums,
             "port_directions": dict.fromkeys(operands, "input") | dict.fromkeys(sums, "output")}
    cells = {"absorbed": lookup(6, 0x8888, 4, 7), "before": lookup(7, 0x6666, 2, 5), "adder": adder}
    document = Netlist({"modules": {"top": {"attributes": {"top": "1"}, "cells": cells, "netnames": {}, "ports": {
        "i": {"direction": "input", "bits": [2, 3, 4, 5]}, "o": {"direction": "output", "bits": [8, 9]}}}}})
    assert absorb_operands(document) == 1
    assert set(document.cells) == {"before", "adder"}
    assert {wired(document.cells["adder"], port) for port in ("B0", "C0", "D0")} == {4, 7, "1"}
