"""hw.build.synthesise and route: a small design on both families, and what is read from nextpnr's reports."""

import functools
import json
import re

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from trine.hw.build import tools
from trine.hw.build.errors import ToolFailed
from trine.hw.build.parts import find_part
from trine.hw.build.route import goals, read_routing, route, router
from trine.hw.build.synthesise import Synthesis, synthesise, to_rtlil

ECP5 = find_part("LFE5U-25F-6-CABGA381")
ICE40 = find_part("iCE40UP5K-sg48")


class Tree(wiring.Component):
    """A registered adder tree over the last eight samples, and a block RAM; a counter in a clock domain of its own."""

    x: In(signed(8))
    address: In(4)
    o: Out(signed(11))
    kept: Out(8)
    alive: Out(1)

    def elaborate(self, platform):
        m = Module()
        values = [Signal(signed(8), name=f"sample_{index}", reset_less=True) for index in range(8)]
        for value, before in zip(values, [self.x, *values], strict=False):
            m.d.sync += value.eq(before)
        while len(values) > 1:
            sums = [Signal(signed(len(left) + 1), name=f"sum_{len(values)}_{index}", reset_less=True)
                    for index, left in enumerate(values[::2])]
            for total, left, right in zip(sums, values[::2], values[1::2], strict=True):
                m.d.sync += total.eq(left + right)
            values = sums
        m.d.comb += self.o.eq(values[0])

        m.submodules.samples = samples = memory.Memory(shape=8, depth=512, init=[])
        write, read = samples.write_port(), samples.read_port()
        m.d.comb += [write.data.eq(self.x), write.addr.eq(self.address), write.en.eq(1), read.addr.eq(self.address),
                     read.en.eq(1)]
        m.d.sync += self.kept.eq(read.data + 1)

        count = Signal(8)
        m.d.slow += count.eq(count + 1)
        m.d.comb += self.alive.eq(count[-1])
        return m


@functools.cache
def synthesised(part, log):
    return synthesise(to_rtlil(Tree()), part, log)


@functools.cache
def routed(part, log):
    return route(synthesised(part, log), part, 3, {"sync": 90, "slow": 20}, log).report


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("logs") / "tool.log"


def test_ecp5(log):
    synthesis = synthesised(ECP5, log)
    routing = read_routing(routed(ECP5, log), ECP5, synthesis)
    assert synthesis.cells["TRELLIS_FF"] == routing.used["ff"]
    assert routing.used["ff"] >= 8 * 8 + 4 * 9 + 2 * 10 + 11 + 8 + 8
    assert (routing.used["ebr"], routing.used["spram"], routing.used["dsp"]) == (1, 0, 0)
    # Two for the constants; were there feed-ins and feed-outs, there would be four more for each of nine adders.
    assert routing.used["lut4"] == synthesis.cells.get("LUT4", 0) + 2 * synthesis.cells["CCU2C"] + 2
    assert set(routing.fmax_mhz) == {"sync", "slow"}
    assert 50 < routing.fmax_mhz["sync"] < 600
    assert routing.critical_path["sync"].startswith("samples (memory) -> ")
    assert routing.critical_path["slow"].startswith("count")


def test_ice40(log):
    synthesis = synthesised(ICE40, log)
    routing = read_routing(routed(ICE40, log), ICE40, synthesis)
    assert routing.used["ff"] == sum(n for cell, n in synthesis.cells.items() if cell.startswith("SB_DFF"))
    assert routing.used["ff"] >= 8 * 8 + 4 * 9 + 2 * 10 + 11 + 8
    assert routing.used["lut4"] >= routing.used["ff"]
    assert (routing.used["ebr"], routing.used["spram"], routing.used["dsp"]) == (1, 0, 0)
    assert set(routing.fmax_mhz) == {"sync", "slow"}
    assert 20 < routing.fmax_mhz["sync"] < 200
    assert re.match(r"samples( \(memory\))? -> kept: ", routing.critical_path["sync"])


@pytest.mark.parametrize("part", [ECP5, ICE40], ids=lambda part: part.family)
def test_goals(log, part):
    """What is asked for reaches the clock that it was asked for."""
    constraints = {net: entry["constraint"] for net, entry in json.loads(routed(part, log))["fmax"].items()}
    assert sorted(round(mhz) for mhz in constraints.values()) == [20, 90]
    assert all(round(mhz) == (20 if "slow_clk" in net else 90) for net, mhz in constraints.items())


@pytest.mark.parametrize("part", [ECP5, ICE40], ids=lambda part: part.family)
def test_again(log, part):
    """The same design gives the same netlist, the same netlist and seed the same clock."""
    synthesis = synthesised(part, log)
    again = synthesise(to_rtlil(Tree()), part, log)
    assert again.netlist_hash == synthesis.netlist_hash
    assert route(again, part, 3, {"sync": 90, "slow": 20}, log).report == routed(part, log)


def test_small_netlist(log, monkeypatch):
    """As many cells as the first router gets."""
    synthesis = synthesised(ECP5, log)
    monkeypatch.setattr("trine.hw.build.route.FIRST_ROUTER_CELLS", sum(synthesis.cells.values()))
    assert router(synthesis) == ("router1",)
    assert goals(synthesis, {"sync": 90, "slow": 20}) == {"sync": 90, "slow": 20}


def test_large_netlist(log, monkeypatch):
    """The second router, and a tenth more than is required, which it reaches."""
    synthesis = synthesised(ECP5, log)
    monkeypatch.setattr("trine.hw.build.route.FIRST_ROUTER_CELLS", sum(synthesis.cells.values()) - 1)
    aims = goals(synthesis, {"sync": 90, "slow": 20})
    assert aims == pytest.approx({"sync": 99, "slow": 22})
    given = []
    run = tools.run

    def listen(tool, arguments, *rest, **options):
        given.extend(arguments)
        run(tool, arguments, *rest, **options)

    monkeypatch.setattr(tools, "run", listen)
    entries = json.loads(route(synthesis, ECP5, 3, aims, log).report)["fmax"].values()
    assert given[given.index("--router") + 1 :] == ["router2", "--tmg-ripup"]
    assert sorted(round(entry["constraint"]) for entry in entries) == [22, 99]
    assert all(entry["achieved"] > entry["constraint"] for entry in entries)


def test_improvement_can_be_left_out(log):
    plain = synthesise(to_rtlil(Tree()), ECP5, log, improve=False)
    routing = read_routing(route(plain, ECP5, 3, {"sync": 90}, log).report, ECP5, plain)
    assert routing.used["lut4"] > read_routing(routed(ECP5, log), ECP5, synthesised(ECP5, log)).used["lut4"] + 20


def test_refused_by_yosys(tmp_path):
    with pytest.raises(ToolFailed, match=r"^yosys ended with code 1: ERROR: .*; its log is .*yosys\.log"):
        synthesise("module", ECP5, tmp_path / "yosys.log")
    assert (tmp_path / "yosys.log").stat().st_size


def test_refused_by_nextpnr(log, tmp_path):
    """More pins than the package has."""
    class Wide(wiring.Component):
        x: In(100)
        o: Out(100)

        def elaborate(self, platform):
            m = Module()
            m.d.sync += self.o.eq(self.x)
            return m

    synthesis = synthesise(to_rtlil(Wide()), ICE40, log)
    with pytest.raises(ToolFailed, match=r"^nextpnr-ice40 ended with code \d+: ERROR: Unable to find a placement"):
        route(synthesis, ICE40, 1, {"sync": 10}, tmp_path / "nextpnr.log")
    assert (tmp_path / "nextpnr.log").stat().st_size


def test_package_that_does_not_exist(log, tmp_path):
    with pytest.raises(ToolFailed, match=r"^nextpnr-ecp5 ended with code"):
        route(synthesised(ECP5, log), find_part("LFE5U-25F-6-CABGA999"), 1, {"sync": 10}, tmp_path / "log")


@pytest.mark.parametrize("text", [
    "", "[]", "{}", '{"utilization": {}, "fmax": {}, "critical_paths": []}',
    '{"utilization": {"TRELLIS_COMB": {"used": 1}, "TRELLIS_FF": {"used": 1}}, "fmax": {"clk": {}}, '
    '"critical_paths": []}',
    '{"utilization": {"TRELLIS_COMB": {"used": 1}, "TRELLIS_FF": {"used": 1}}, "fmax": {}, "critical_paths": [{}]}',
])
def test_report_not_understood(text):
    with pytest.raises(ToolFailed, match=r"^nextpnr-ecp5 wrote a report that is not understood: "):
        read_routing(text, ECP5, Synthesis("", {}))


def step(kind, source, target, delay, net=None):
    cells = [{"cell": cell, "port": port, "loc": [1, 2]} for cell, port in (source, target)]
    return {"type": kind, "from": cells[0], "to": cells[1], "delay": delay} | ({"net": net} if net else {})


ADDER = [
    step("clk-to-q", ("a.b$7_TRELLIS_FF_Q_3", "Q"), ("a.b$7_TRELLIS_FF_Q_3", "Q"), 0.5),
    step("routing", ("a.b$7_TRELLIS_FF_Q_3", "Q"), ("s_LUT4_Z", "D"), 1.0, "a.b$7[4]"),
    step("logic", ("s_LUT4_Z", "D"), ("s_LUT4_Z", "F"), 0.25),
    step("routing", ("s_LUT4_Z", "F"), ("s_CCU2C_S0$CCU2_COMB1", "A"), 0.75, "s_LUT4_Z_F"),
    step("logic", ("s_CCU2C_S0$CCU2_COMB1", "A"), ("s_CCU2C_S0$CCU2_COMB1", "FCO"), 0.5),
    step("routing", ("s_CCU2C_S0$CCU2_COMB1", "FCO"), ("s_CCU2C_S1$CCU2_COMB0", "FCI"), 0, "s_CCU2C_S0_COUT"),
    step("logic", ("s_CCU2C_S1$CCU2_COMB0", "FCI"), ("s_CCU2C_S1$CCU2_COMB0", "F"), 0.5),
    step("routing", ("s_CCU2C_S1$CCU2_COMB0", "F"), ("lane.s_TRELLIS_FF_Q_9", "DI"), 0.25, "lane.s_TRELLIS_FF_Q_9_DI"),
    step("setup", ("lane.s_TRELLIS_FF_Q_9", "DI"), ("lane.s_TRELLIS_FF_Q_9", "DI"), 0),
]

DIRECT = [
    step("clk-to-q", ("words.0.1_RAM", "RDATA_5"), ("words.0.1_RAM", "RDATA_5"), 1.5),
    step("routing", ("words.0.1_RAM", "RDATA_5"), ("q_SB_DFF_Q_D_SB_LUT4_O_LC", "I3"), 1.5, "words.0.1_RDATA_5"),
    step("setup", ("q_SB_DFF_Q_D_SB_LUT4_O_LC", "I3"), ("q_SB_DFF_Q_D_SB_LUT4_O_LC", "I3"), 0.5),
]


def snippet(paths, fmax):
    return json.dumps({
        "utilization": {"TRELLIS_COMB": {"used": 12, "available": 24288}, "TRELLIS_FF": {"used": 34, "available": 9},
                        "DP16KD": {"used": 5, "available": 56}, "MULT18X18D": {"used": 2, "available": 28}},
        "fmax": {net: {"achieved": mhz, "constraint": 50} for net, mhz in fmax.items()},
        "critical_paths": [{"from": f"posedge {source}", "to": f"posedge {target}", "path": path}
                           for source, target, path in paths],
    })


def test_report():
    fast, slow = "$glbnet$clk$TRELLIS_IO_IN", "usb_clk$SB_IO_IN_$glb_clk"
    text = snippet([(fast, fast, ADDER), (fast, slow, DIRECT), (slow, slow, DIRECT)], {fast: 266.66, slow: 285.7})
    routing = read_routing(text, ECP5, Synthesis("", {"SB_DFF": 7}))
    assert routing.used == {"lut4": 12, "ff": 34, "ebr": 5, "spram": 0, "dsp": 2}
    assert routing.fmax_mhz == {"sync": 266.66, "usb": 285.7}
    assert routing.critical_path == {
        "sync": "a.b[4] -> lane.s: 2 logic levels with 1 carry bit, logic 1.75 ns + routing 2.00 ns",
        "usb": "words (memory) -> q: 0 logic levels, logic 2.00 ns + routing 1.50 ns",
    }


def test_report_ice40_flip_flops():
    text = snippet([], {}).replace("TRELLIS_COMB", "ICESTORM_LC")
    used = read_routing(text, ICE40, Synthesis("", {"SB_DFF": 7, "SB_DFFESR": 3, "SB_LUT4": 9})).used
    assert used == {"lut4": 12, "ff": 10, "ebr": 0, "spram": 0, "dsp": 0}
