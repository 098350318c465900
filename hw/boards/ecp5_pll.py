"""The PLL of an ECP5, EHXPLLL: its dividers, found for the frequencies that are asked for, and the instance.

    reference = input / CLKI_DIV          10 to 400 MHz
    oscillator = reference * CLKFB_DIV * CLKOP_DIV      400 to 800 MHz
    output = oscillator / CLKOS_DIV (CLKOS2_DIV, CLKOS3_DIV)      3.125 to 400 MHz

Sources: Lattice FPGA-DS-02012 (ECP5 data sheet), sysCLOCK PLL timing; FPGA-TN-02200, sysCLOCK PLL design guide. The
data sheet lets an input be slower, from 8 MHz, but specifies jitter for references from 10 MHz only. Output CLKOP is
the feedback and nothing else: as an output it would have to be a multiple of the reference, which 75 MHz out of 48 MHz
is not.
"""

from dataclasses import dataclass

from amaranth.hdl import Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

INPUT_MHZ = (10.0, 400.0)
REFERENCE_MHZ = (10.0, 400.0)
OSCILLATOR_MHZ = (400.0, 800.0)
OUTPUT_MHZ = (3.125, 400.0)
LARGEST_DIVIDER = 128
_OUTPUTS = ("CLKOS", "CLKOS2", "CLKOS3")


@dataclass(frozen=True)
class Ecp5Dividers:
    """Dividers of an EHXPLLL whose feedback is CLKOP; `outputs` are those of CLKOS, CLKOS2 and CLKOS3."""

    input_mhz: float
    input: int
    feedback: int
    feedback_output: int
    outputs: tuple[int, ...]

    @property
    def reference_mhz(self) -> float:
        """What the phase detector sees."""
        return self.input_mhz / self.input

    @property
    def oscillator_mhz(self) -> float:
        """What the oscillator runs at."""
        return self.reference_mhz * self.feedback * self.feedback_output

    @property
    def output_mhz(self) -> tuple[float, ...]:
        """What comes out."""
        return tuple(self.oscillator_mhz / divider for divider in self.outputs)


def ecp5_dividers(input_mhz: float, outputs_mhz: tuple[float, ...]) -> Ecp5Dividers:
    """The dividers that come nearest to one to three frequencies; among equals, those of the fastest reference.

    What is near is the largest relative error of an output. Raises ValueError for a frequency that the PLL does not
    take or give.
    """
    if not INPUT_MHZ[0] <= input_mhz <= INPUT_MHZ[1]:
        raise ValueError(f"the input of an ECP5's PLL must be {INPUT_MHZ[0]:g} to {INPUT_MHZ[1]:g} MHz, "
                         f"not {input_mhz:g}")
    if not 1 <= len(outputs_mhz) <= len(_OUTPUTS):
        raise ValueError(f"a PLL has 1 to {len(_OUTPUTS)} outputs here, not {len(outputs_mhz)}")
    for mhz in outputs_mhz:
        if not OUTPUT_MHZ[0] <= mhz <= OUTPUT_MHZ[1]:
            raise ValueError(f"an ECP5's PLL gives {OUTPUT_MHZ[0]:g} to {OUTPUT_MHZ[1]:g} MHz, not {mhz:g}")
    found: list[tuple[float, int, Ecp5Dividers]] = []
    for divider in range(1, int(input_mhz / REFERENCE_MHZ[0]) + 1):
        reference = input_mhz / divider
        for product in range(-int(-OSCILLATOR_MHZ[0] // reference), int(OSCILLATOR_MHZ[1] / reference) + 1):
            oscillator = reference * product
            outputs = tuple(min(max(1, round(oscillator / mhz)), LARGEST_DIVIDER) for mhz in outputs_mhz)
            error = max(abs(oscillator / output / mhz - 1) for output, mhz in zip(outputs, outputs_mhz, strict=True))
            feedback_output = next((factor for factor in range(2, product + 1) if product % factor == 0
                                    and product // factor <= LARGEST_DIVIDER), 0)
            if 0 < feedback_output <= LARGEST_DIVIDER and oscillator / feedback_output <= OUTPUT_MHZ[1]:
                found.append((round(error, 9), divider,
                              Ecp5Dividers(input_mhz, divider, product // feedback_output, feedback_output, outputs)))
    return min(found, key=lambda entry: entry[:2])[2]


class Ecp5Pll(wiring.Component):
    """An EHXPLLL; all outputs rise together.

    Members
    -------
    i: In, the clock that comes in. o: Out, the outputs, one bit each. locked: Out, 1 while they are good.
    """

    def __init__(self, dividers: Ecp5Dividers):
        self._dividers = dividers
        super().__init__({"i": In(1), "o": Out(len(dividers.outputs)), "locked": Out(1)})

    def elaborate(self, platform):
        m = Module()
        dividers = self._dividers
        feedback = Signal()
        options: dict[str, object] = {
            "p_FEEDBK_PATH": "CLKOP", "p_PLLRST_ENA": "DISABLED", "p_INTFB_WAKE": "DISABLED",
            "p_STDBY_ENABLE": "DISABLED", "p_DPHASE_SOURCE": "DISABLED",
            "p_CLKI_DIV": dividers.input, "p_CLKFB_DIV": dividers.feedback,
            **_output("CLKOP", dividers.feedback_output), "o_CLKOP": feedback,
            "a_FREQUENCY_PIN_CLKI": f"{dividers.input_mhz:.6g}",
            "a_ICP_CURRENT": "12", "a_LPF_RESISTOR": "8", "a_MFG_ENABLE_FILTEROPAMP": "1", "a_MFG_GMCREF_SEL": "2",
        }
        for index, (name, divider) in enumerate(zip(_OUTPUTS, dividers.outputs, strict=False)):
            options |= _output(name, divider) | {f"o_{name}": self.o[index]}
        for pin in ("RST", "STDBY", "PHASESEL0", "PHASESEL1", "PHASEDIR", "PHASESTEP", "PHASELOADREG", "PLLWAKESYNC",
                    "ENCLKOP"):
            options[f"i_{pin}"] = Const(0)
        m.submodules.pll = Instance("EHXPLLL", **options, i_CLKI=self.i, i_CLKFB=feedback, o_LOCK=self.locked)
        return m


def _output(name: str, divider: int) -> dict[str, object]:
    return {f"p_{name}_ENABLE": "ENABLED", f"p_{name}_DIV": divider, f"p_{name}_CPHASE": divider - 1,
            f"p_{name}_FPHASE": 0}
