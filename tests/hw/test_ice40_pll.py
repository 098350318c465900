"""hw.boards.ice40_pll: dividers within the data sheet's ranges, and what the instance is told."""

import re

import pytest
from amaranth.back import rtlil
from amaranth.hdl import IOPort

from trine.hw.boards.ice40_pll import Ice40Dividers, Ice40Pll, ice40_dividers


def check(dividers):
    """The ranges of FPGA-DS-02029, sysCLOCK PLL timing."""
    assert 10 <= dividers.reference_mhz <= 133
    assert 533 <= dividers.oscillator_mhz <= 1066
    assert 0 <= dividers.divr <= 15
    assert 0 <= dividers.divf <= 127
    assert 1 <= dividers.divq <= 6


@pytest.mark.parametrize(("input_mhz", "output_mhz"), [(12, 24), (16, 48)])
def test_boards(input_mhz, output_mhz):
    """The boards' clocks are exact."""
    dividers = ice40_dividers(input_mhz, output_mhz)
    check(dividers)
    assert dividers.output_mhz == output_mhz


@pytest.mark.parametrize("output_mhz", [16.3, 21, 25.2, 33, 50, 77, 131, 275])
def test_any_frequency(output_mhz):
    for input_mhz in (10, 12, 16, 25, 48, 100):
        dividers = ice40_dividers(input_mhz, output_mhz)
        check(dividers)
        assert dividers.output_mhz == pytest.approx(output_mhz, rel=0.02)


@pytest.mark.parametrize(("input_mhz", "filter_range"), [(12, 1), (17, 2), (26, 3), (50, 4), (66, 5), (101, 6)])
def test_filter_range(input_mhz, filter_range):
    assert Ice40Dividers(input_mhz, 0, 20, 3).filter_range == filter_range


@pytest.mark.parametrize("mhz", [9, 134])
def test_wrong_input(mhz):
    with pytest.raises(ValueError, match=rf"the input of an iCE40's PLL must be 10 to 133 MHz, not {mhz}"):
        ice40_dividers(mhz, 24)


@pytest.mark.parametrize("mhz", [12, 276])
def test_wrong_output(mhz):
    with pytest.raises(ValueError, match=rf"an iCE40's PLL gives 16 to 275 MHz, not {mhz}"):
        ice40_dividers(12, mhz)


@pytest.mark.parametrize(("pad", "cell", "pin"), [(False, "SB_PLL40_CORE", "REFERENCECLK"),
                                                  (True, "SB_PLL40_PAD", "PACKAGEPIN")])
def test_instance(pad, cell, pin):
    port = IOPort(1, name="clk12")
    pll = Ice40Pll(ice40_dividers(12, 24), port if pad else None)
    text = rtlil.convert(pll, name="pll", ports=[pll.i, pll.o, pll.locked, *([port] if pad else [])])
    text = text[text.index(f"cell \\{cell}") :]
    values = {name: int(value) for name, value in re.findall(r"parameter (?:signed )?\\(\w+) (\d+)\s", text)}
    assert (values["DIVR"], values["DIVF"], values["DIVQ"], values["FILTER_RANGE"]) == (0, 63, 5, 1)
    assert f"connect \\{pin} " in text
