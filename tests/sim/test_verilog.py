"""Verilog for people and other tools."""

import re

import pytest

from tests.sim.components import Mixer
from trine.sim import verilog
from trine.sim.errors import ToolFailed


@pytest.mark.parametrize("plain", [False, True])
def test_to_verilog(plain):
    text = verilog.to_verilog(Mixer(), "mixer", plain=plain)
    assert re.search(r"^module mixer\(", text, re.MULTILINE)
    assert re.search(r"^module \\mixer\.fast ", text, re.MULTILINE)
    for port in ("clk", "rst", "i__valid", "i__payload", "i__ready", "o__valid", "o__payload", "o__ready"):
        assert re.search(rf"^  (in|out)put .*\b{port};", text, re.MULTILINE)
    assert ("always_ff" in text) != plain
    assert "blank[255] = 8'h00" in text.replace("  ", " "), "memories start as Amaranth defines them"


def test_a_limit():
    with pytest.raises(ToolFailed, match="was ended after its limit"):
        verilog.to_verilog(Mixer(), limit=0.01)
