"""The PLL of an iCE40, SB_PLL40: its dividers, found for the frequency that is asked for, and the instance.

    reference = input / (DIVR + 1)                      10 to 133 MHz
    oscillator = reference * (DIVF + 1)                 533 to 1066 MHz
    output = oscillator / 2 ** DIVQ                     16 to 275 MHz

Sources: Lattice FPGA-DS-02029 (iCE40 LP/HX) and FPGA-DS-02008 (iCE40 UltraPlus), sysCLOCK PLL timing; FPGA-TN-02052,
iCE40 sysCLOCK PLL design guide.
"""

from dataclasses import dataclass

from amaranth.hdl import Const, Instance, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

REFERENCE_MHZ = (10.0, 133.0)
OSCILLATOR_MHZ = (533.0, 1066.0)
OUTPUT_MHZ = (16.0, 275.0)
_FILTER_MHZ = (17, 26, 44, 66, 101)
"""Reference from which on the next setting of the loop's filter is right; the first setting is 1."""


@dataclass(frozen=True)
class Ice40Dividers:
    """Dividers of an SB_PLL40 with simple feedback, as its parameters DIVR, DIVF and DIVQ have them."""

    input_mhz: float
    divr: int
    divf: int
    divq: int

    @property
    def reference_mhz(self) -> float:
        """What the phase detector sees."""
        return self.input_mhz / (self.divr + 1)

    @property
    def oscillator_mhz(self) -> float:
        """What the oscillator runs at."""
        return self.reference_mhz * (self.divf + 1)

    @property
    def output_mhz(self) -> float:
        """What comes out."""
        return self.oscillator_mhz / (1 << self.divq)

    @property
    def filter_range(self) -> int:
        """Setting of the loop's filter, 1 to 6."""
        return 1 + sum(self.reference_mhz >= limit for limit in _FILTER_MHZ)


def ice40_dividers(input_mhz: float, output_mhz: float) -> Ice40Dividers:
    """The dividers that come nearest to a frequency; among equals, those of the fastest reference.

    Raises ValueError for a frequency that the PLL does not take or give.
    """
    if not REFERENCE_MHZ[0] <= input_mhz <= REFERENCE_MHZ[1]:
        raise ValueError(f"the input of an iCE40's PLL must be {REFERENCE_MHZ[0]:g} to {REFERENCE_MHZ[1]:g} MHz, "
                         f"not {input_mhz:g}")
    if not OUTPUT_MHZ[0] <= output_mhz <= OUTPUT_MHZ[1]:
        raise ValueError(f"an iCE40's PLL gives {OUTPUT_MHZ[0]:g} to {OUTPUT_MHZ[1]:g} MHz, not {output_mhz:g}")
    found = []
    for divr in range(16):
        for divf in range(128):
            for divq in range(1, 7):
                dividers = Ice40Dividers(input_mhz, divr, divf, divq)
                if (REFERENCE_MHZ[0] <= dividers.reference_mhz <= REFERENCE_MHZ[1]
                        and OSCILLATOR_MHZ[0] <= dividers.oscillator_mhz <= OSCILLATOR_MHZ[1]):
                    found.append((round(abs(dividers.output_mhz / output_mhz - 1), 9), divr, divf, dividers))
    return min(found, key=lambda entry: entry[:3])[3]


class Ice40Pll(wiring.Component):
    """An SB_PLL40 whose output is a global clock.

    Parameters
    ----------
    dividers: of the PLL. pad: the input port itself, where the board has its clock on the pin that belongs to the PLL:
        the PLL takes it from there, and nothing else can have it. Else the clock comes from `i`.

    Members
    -------
    i: In, the clock that comes in. o: Out, the clock. locked: Out, 1 while it is good.
    """

    i: In(1)
    o: Out(1)
    locked: Out(1)

    def __init__(self, dividers: Ice40Dividers, pad: object = None):
        self._dividers, self._pad = dividers, pad
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        dividers = self._dividers
        source = {"i_REFERENCECLK": self.i} if self._pad is None else {"i_PACKAGEPIN": self._pad}
        m.submodules.pll = Instance(
            "SB_PLL40_CORE" if self._pad is None else "SB_PLL40_PAD", **source,
            p_FEEDBACK_PATH="SIMPLE", p_DIVR=dividers.divr, p_DIVF=dividers.divf, p_DIVQ=dividers.divq,
            p_FILTER_RANGE=dividers.filter_range, i_RESETB=Const(1), i_BYPASS=Const(0),
            o_PLLOUTGLOBAL=self.o, o_LOCK=self.locked)
        return m
