"""hw.build.extract: the accelerator's cells come out of a design, no others, and with the ports of an accelerator."""

import dataclasses
import json

import pytest

from tests.hw.test_build_bitstream import Echo
from trine.firmware.presets import PRESETS
from trine.hw.boards import board as board_module
from trine.hw.boards.table import BOARDS
from trine.hw.build.design import board_design
from trine.hw.build.errors import ToolFailed
from trine.hw.build.extract import extract_accelerator
from trine.hw.build.netlist import Netlist
from trine.hw.build.parts import find_part
from trine.hw.build.synthesise import synthesise


@pytest.fixture(scope="module")
def synthesis(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(board_module, "Accelerator", Echo)
        design = board_design(PRESETS["ulx3s_25f"], BOARDS["ulx3s_25f"])
    return synthesise(design.rtlil, find_part(PRESETS["ulx3s_25f"].part), tmp_path_factory.mktemp("logs") / "log")


def test_extracted(synthesis):
    """An echo is nine flip-flops and the logic of its handshake; clocks, pins and UART stay behind."""
    alone = extract_accelerator(synthesis)
    assert alone.cells["TRELLIS_FF"] == 9
    assert set(alone.cells) <= {"TRELLIS_FF", "LUT4"}
    netlist = Netlist(json.loads(alone.netlist))
    assert {name: (port["direction"], len(port["bits"])) for name, port in netlist.ports.items()} == {
        "clk": ("input", 1), "rst": ("input", 1), "i__payload": ("input", 8), "i__valid": ("input", 1),
        "o__ready": ("input", 1), "i__ready": ("output", 1), "o__payload": ("output", 8), "o__valid": ("output", 1)}
    assert all(name.startswith("accelerator.") for name, cell in netlist.cells.items() if cell["type"] == "TRELLIS_FF")


def test_clocks_are_known(synthesis):
    assert synthesis.clocks["kept__clk"] == "sync"


def test_lost_net(synthesis):
    document = json.loads(synthesis.netlist)
    for module in document["modules"].values():
        module["netnames"].pop("kept__o__valid", None)
    with pytest.raises(ToolFailed, match=r"^the netlist has lost the net kept__o__valid, where its accelerator begins"):
        extract_accelerator(dataclasses.replace(synthesis, netlist=json.dumps(document)))
