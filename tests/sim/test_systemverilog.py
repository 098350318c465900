"""Netlists are read and written whole, or refused. That what is written is right, the models' tests show."""

import pytest
from amaranth.back import rtlil
from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, signed
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from tests.sim.components import Averager, Mixer
from trine.sim.errors import UnsupportedDesign
from trine.sim.rtlil import bits, parse, part, runs, width
from trine.sim.systemverilog import write
from trine.sim.verilog import simulation_verilog


class Wrapper(wiring.Component):
    """Two byte streams around whatever `fill` adds."""

    def __init__(self, fill, **members):
        self._fill = fill
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8)), **members})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.payload.eq(self.i.payload)
        self._fill(m, self)
        return m


def instance(m, top):
    m.submodules.pll = Instance("EHXPLLL", i_CLKI=ClockSignal(), o_CLKOP=top.o.valid)


def division(m, top):
    m.d.comb += top.o.valid.eq(top.i.payload.as_signed() // Const(3, signed(4)))


def domain(m, top):
    m.d.other += top.o.valid.eq(top.i.valid)


@pytest.mark.parametrize(("fill", "message"), [
    (instance, "top contains an instance of EHXPLLL, which has no simulation model"),
    (division, "top divides signed numbers, which has no simulation model"),
    (domain, "the design has a port 'other_clk', which the simulator does not drive"),
])
def test_what_has_no_model_is_refused(fill, message):
    with pytest.raises(UnsupportedDesign, match=message):
        simulation_verilog(Wrapper(fill))


def test_inputs_that_nothing_drives_are_refused():
    with pytest.raises(UnsupportedDesign, match="port 'switch'"):
        simulation_verilog(Wrapper(lambda m, top: m.d.comb.__iadd__(top.o.valid.eq(top.switch)), switch=In(1)))


def test_equal_modules_are_written_once():
    def fill(m, top):
        for name in ("one", "other"):
            m.submodules[name] = averager = Averager()
            m.d.comb += averager.value.eq(top.i.payload)

    text = simulation_verilog(Wrapper(fill))
    assert text.count("\\difference ;") == 1
    assert text.count("\\one (") == text.count("\\other (") == 1


def test_zeros_are_no_content():
    def fill(m, top):
        for name, init in (("none", []), ("zeros", [0, 0]), ("some", [0, 3])):
            m.submodules[name] = store = memory.Memory(shape=8, depth=4, init=init)
            m.d.comb += store.read_port(domain="comb").addr.eq(top.i.payload)

    text = simulation_verilog(Wrapper(fill))
    assert "\\none [0:3];" in text
    assert "\\zeros [0:3];" in text
    assert "\\some [0:3] = '{8'h0, 8'h3, 8'h0, 8'h0};" in text
    assert text.count("$urandom") == 2


def test_amaranth_is_left_as_it_was():
    before = rtlil.convert(Mixer(), name="top", emit_src=False)
    simulation_verilog(Mixer())
    assert rtlil.convert(Mixer(), name="top", emit_src=False) == before
    assert "meminit" in before


def test_without_the_short_cut_for_zeros_the_text_is_the_same(monkeypatch):
    short = simulation_verilog(Mixer())
    long = write(parse(rtlil.convert(Mixer(), name="top", emit_src=False)))
    assert short.startswith(long)


@pytest.mark.parametrize("text", [
    "module \\top\n  sync posedge\nend\n",
    "module \\top\n  wire width 1 \\a\n",
    "module \\top\n  process $1\n    assign 1'0 1'1\n",
    "module \\top\n  cell $not $1\n",
    "design\n",
    "module \\top\n  wire width 1 \\a\n  connect \\a 17\nend\n",
])
def test_text_that_is_not_understood_is_refused(text):
    with pytest.raises(UnsupportedDesign, match="cannot read this netlist"):
        parse(text)


def test_signals():
    (module,) = parse("module \\top\nwire width 8 \\a\nwire width 3 \\b\nconnect \\a { \\b 2'10 \\a [3:1] }\nend\n")
    ((left, right),) = module.connections
    assert left == [("\\a", 7, 0)]
    assert right == [("\\b", 2, 0), "10", ("\\a", 3, 1)]
    assert width(right) == 8
    assert bits(right)[2:5] == [("\\a", 3, 3), "0", "1"]
    assert part(right, 7, 0) is right
    assert part(right, 5, 1) == [("\\b", 0, 0), "10", ("\\a", 3, 2)]
    assert part(right, 4, 3) == ["10"]
    assert runs(["0", ("\\b", 1, 1), ("\\b", 1, 1), "1"]) == [(0, 0, "1"), (1, 2, ("\\b", 1, 1))] or runs(
        ["0", ("\\b", 1, 1), ("\\b", 1, 1), "1"]
    ) == [(0, 0, "1"), (2, 1, ("\\b", 1, 1))]


def test_signals_of_no_bits():
    empty = Signal(0)
    text = simulation_verilog(Wrapper(lambda m, top: m.d.comb.__iadd__(top.o.valid.eq(top.i.valid + empty + 0))))
    assert "module \\top" in text
