"""sim.gate_level: models of block RAMs against Amaranth's memories, and netlists that cannot be simulated."""

import json

import pytest

from tests.sim.memories import Kind, Memories, requests
from trine.hw.build.parts import find_part
from trine.hw.build.synthesise import synthesise, to_rtlil
from trine.sim.bench import simulate_amaranth
from trine.sim.errors import UnsupportedDesign
from trine.sim.gate_level import build_netlist, netlist_verilog, visit
from trine.sim.model import NativeModel

PARTS = {"ecp5": find_part("LFE5U-25F-6-CABGA381"), "ice40": find_part("iCE40UP5K-sg48")}

ECP5_KINDS = [
    Kind(36, 512, free=True, registered=True), Kind(36, 512, granularity=9, free=True), Kind(36, 512, filled=True),
    Kind(18, 1024, granularity=9, single=True), Kind(18, 1024, transparent=True, single=True),
    Kind(9, 2048, free=True, registered=True), Kind(9, 2048), Kind(4, 4096, free=True),
    Kind(2, 8192, free=True), Kind(1, 16384, free=True), Kind(1, 16384, single=True, filled=True), Kind(4, 16),
]
ICE40_KINDS = [
    Kind(16, 256, free=True), Kind(16, 256, granularity=4), Kind(8, 512, free=True, registered=True, filled=True),
    Kind(4, 1024), Kind(2, 2048, transparent=True), Kind(2, 2048, free=True),
]


def synthesised(component, family, folder):
    return synthesise(to_rtlil(component), PARTS[family], folder / "yosys.log")


@pytest.mark.parametrize(("family", "kinds", "spram", "blocks"), [
    ("ecp5", ECP5_KINDS, "", {"DP16KD": 11, "TRELLIS_DPR16X4": 1}),
    ("ice40", ICE40_KINDS, "instance", {"SB_RAM40_4K": 6, "SB_SPRAM256KA": 1}),
])
def test_memories_are_amaranths(family, kinds, spram, blocks, cache, tmp_path):
    """Random traffic, in every width and mode in which yosys uses a block RAM."""
    synthesis = synthesised(Memories(kinds, spram), family, tmp_path)
    assert {name: synthesis.cells[name] for name in blocks} == blocks
    reference = Memories(kinds, spram and "memory")
    first, traffic = requests(150, seed=1)
    stimulus = [(request, reference.answer_bytes) for request in first + traffic]
    expected, cycles, _ = simulate_amaranth(reference, stimulus)
    with NativeModel(build_netlist(synthesis.netlist, family, cache=cache)) as model:
        found = [model.transfer(request, want).output for request, want in stimulus]
        assert found[len(first) :] == expected[len(first) :]
        assert model.cycles == cycles


def document(**changes):
    """A netlist of two byte streams that stand still, and one block RAM that nobody reads."""
    def port(direction, *bits):
        return {"direction": direction, "bits": list(bits)}

    ports = {
        "clk": port("input", 2), "rst": port("input", 3), "i__payload": port("input", *range(4, 12)),
        "i__valid": port("input", 12), "i__ready": port("output", "0"), "o__payload": port("output", *"00000000"),
        "o__valid": port("output", "0"), "o__ready": port("input", 13),
    }
    pins = {"CLKA": [2], "CLKB": [2], "RSTA": ["0"], "RSTB": ["0"],
            **{f"CS{side}{bit}": ["0"] for side in "AB" for bit in range(3)}}
    cell = {"type": "DP16KD", "parameters": {"CLKAMUX": "CLKA"}, "attributes": {}, "connections": pins,
            "port_directions": dict.fromkeys(pins, "input")}
    cell["connections"] |= changes.get("pins", {})
    cell["parameters"] |= changes.get("parameters", {})
    module = {"attributes": {"top": "1"}, "ports": ports | changes.get("ports", {}), "cells": {"ram": cell},
              "netnames": {}}
    return json.dumps({"modules": {"top": module}})


def test_accepted():
    assert "module netlist" in netlist_verilog(document(), "ecp5")


@pytest.mark.parametrize(("changes", "message"), [
    ({"ports": {"leds": {"direction": "output", "bits": ["0"]}}}, r"neither .* its ports differ in leds$"),
    ({"ports": {"target": {"direction": "input", "bits": [20, 21]}}}, r"neither .* its ports differ in busy, start$"),
    ({"ports": {"o__valid": {"direction": "output", "bits": ["0", "0"]}}}, r"its ports differ in o__valid$"),
    ({"ports": {"o__valid": {"direction": "output", "bits": [99]}}}, r"nothing drives, at output\.o__valid$"),
    ({"pins": {"RSTB": [3]}}, r"^the model of DP16KD has no RSTB at 3, which ram has$"),
    ({"pins": {"CLKB": [13]}}, r"^the model of DP16KD has no two clocks, which ram has$"),
    ({"pins": {"CSA1": ["x"]}}, r"^the model of DP16KD has no CSA1 at 'x', which ram has$"),
    ({"parameters": {"CLKAMUX": "INV"}}, r"^the model of DP16KD has no CLKAMUX INV, which ram has$"),
])
def test_refused(changes, message):
    with pytest.raises(UnsupportedDesign, match=message):
        netlist_verilog(document(**changes), "ecp5")


def test_wrong_family():
    with pytest.raises(ValueError, match=r"^family must be one of ecp5, ice40, not 'xc7'$"):
        netlist_verilog(document(), "xc7")


def test_visit():
    assert visit(3, 0x10203) == bytes([3, 3, 2, 1, 0])
