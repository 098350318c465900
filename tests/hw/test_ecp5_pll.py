"""hw.boards.ecp5_pll: dividers within the data sheet's ranges, and what the instance is told."""

import re

import pytest
from amaranth.back import rtlil

from trine.hw.boards.ecp5_pll import LARGEST_DIVIDER, Ecp5Dividers, Ecp5Pll, ecp5_dividers

BOARDS = [(25, (75,)), (25, (75, 60)), (60, (48, 12)), (48, (75,)), (48, (48, 12)), (30, (60, 75)), (60, (60, 60))]
"""What the boards ask for: oscillator and outputs, MHz."""


def check(dividers):
    """The ranges of FPGA-DS-02012, sysCLOCK PLL timing."""
    assert 10 <= dividers.reference_mhz <= 400
    assert 400 <= dividers.oscillator_mhz <= 800
    assert dividers.oscillator_mhz / dividers.feedback_output <= 400
    assert all(3.125 <= mhz <= 400 for mhz in dividers.output_mhz)
    assert all(1 <= divider <= LARGEST_DIVIDER for divider in (
        dividers.input, dividers.feedback, dividers.feedback_output, *dividers.outputs))


@pytest.mark.parametrize(("input_mhz", "outputs"), BOARDS)
def test_boards(input_mhz, outputs):
    """The boards' clocks are exact."""
    dividers = ecp5_dividers(input_mhz, outputs)
    check(dividers)
    assert dividers.output_mhz == pytest.approx(outputs, rel=1e-12)


@pytest.mark.parametrize("input_mhz", [12, 25, 27, 33.333, 48, 60, 100, 156.25, 400])
def test_any_frequency(input_mhz):
    """Whatever is asked for is reached to 2.5 %, from every input."""
    for mhz in (3.2, 10, 33, 61.7, 75, 99, 123.4, 177, 250):
        dividers = ecp5_dividers(input_mhz, (mhz,))
        check(dividers)
        assert dividers.output_mhz[0] == pytest.approx(mhz, rel=0.025 if input_mhz <= 100 else 0.2)


def test_formula():
    """25 MHz / 1 * 12 * 2 = 600 MHz; / 8 = 75 MHz."""
    dividers = Ecp5Dividers(25, 1, 12, 2, (8, 10))
    assert (dividers.reference_mhz, dividers.oscillator_mhz, dividers.output_mhz) == (25, 600, (75, 60))


@pytest.mark.parametrize("outputs", [(), (10, 20, 30, 40)])
def test_wrong_number_of_outputs(outputs):
    with pytest.raises(ValueError, match=rf"a PLL has 1 to 3 outputs here, not {len(outputs)}"):
        ecp5_dividers(25, outputs)


@pytest.mark.parametrize("mhz", [3, 401])
def test_wrong_output(mhz):
    with pytest.raises(ValueError, match=rf"an ECP5's PLL gives 3.125 to 400 MHz, not {mhz}"):
        ecp5_dividers(25, (75, mhz))


@pytest.mark.parametrize("mhz", [7.9, 401])
def test_wrong_input(mhz):
    with pytest.raises(ValueError, match=rf"the input of an ECP5's PLL must be 10 to 400 MHz, not {mhz}"):
        ecp5_dividers(mhz, (75,))


def test_instance():
    """Every divider is a parameter of the cell, and all outputs begin with the same edge."""
    text = rtlil.convert(Ecp5Pll(ecp5_dividers(25, (75, 60))), name="pll")
    cell = text[text.index("cell \\EHXPLLL") :]
    parameters = dict(re.findall(r"parameter (?:signed )?\\(\w+) (.+)", cell))
    values = {name: int(value) for name, value in parameters.items() if value.strip().isdigit()}
    assert (values["CLKI_DIV"], values["CLKFB_DIV"], values["CLKOP_DIV"]) == (1, 12, 2)
    assert (values["CLKOS_DIV"], values["CLKOS2_DIV"]) == (8, 10)
    assert all(values[f"{name}_CPHASE"] == values[f"{name}_DIV"] - 1 for name in ("CLKOP", "CLKOS", "CLKOS2"))
    assert parameters["FEEDBK_PATH"] == '"CLKOP"'
