"""Clock domains of an iCE40 board.

An iCE40's block RAMs read as zeros for some microseconds after configuration (Project IceStorm, issue 76), so resets
last for 15 us once the clocks are good.
"""

from collections.abc import Mapping

from amaranth.hdl import ClockDomain, ClockSignal, Instance, Signal
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

from trine.hw.boards.clocks import Clocks
from trine.hw.boards.ice40_pll import Ice40Pll, ice40_dividers

RESET_SECONDS = 15e-6


class Ice40Clocks(Clocks):
    """The oscillator itself, a PLL on it, and what counters make of that.

    Parameters
    ----------
    resource: the platform's oscillator. input_mhz: its frequency.
    pll: the domain of the PLL's output. pll_mhz: its frequency. pad: the oscillator is on the PLL's own pin, which
    leaves it to nobody else.
    direct: the domain that has the oscillator's frequency, if there is one. quarter: the domain that has a quarter of
    the PLL's, if there is one; its edges come some nanoseconds after those of the PLL.

    Raises ValueError for a frequency that the PLL does not take or give.
    """

    def __init__(self, resource: str, input_mhz: float, pll: str, pll_mhz: float, *, pad: bool = False,
                 direct: str | None = None, quarter: str | None = None):
        self._resource, self._pll, self._pad, self._direct, self._quarter = resource, pll, pad, direct, quarter
        self._dividers = ice40_dividers(input_mhz, pll_mhz)
        mhz = {pll: self._dividers.output_mhz}
        if direct is not None:
            mhz[direct] = input_mhz
        if quarter is not None:
            mhz[quarter] = mhz[pll] / 4
        super().__init__(mhz)

    def generate(self, m, platform, clocks: Mapping[str, Signal]):
        port = platform.request(self._resource, dir="-")
        m.submodules.pll = pll = Ice40Pll(self._dividers, port.io if self._pad else None)
        if not self._pad:
            m.submodules.oscillator = oscillator = io.Buffer("i", port)
            m.d.comb += pll.i.eq(oscillator.i)
        m.d.comb += clocks[self._pll].eq(pll.o)
        if self._direct is not None:
            m.d.comb += clocks[self._direct].eq(oscillator.i)

        m.domains.counting = counting = ClockDomain(reset_less=True, local=True)
        m.d.comb += counting.clk.eq(ClockSignal(self._pll))
        if self._quarter is not None:
            count = Signal(2)
            m.d.counting += count.eq(count + 1)
            m.submodules.global_buffer = Instance("SB_GB", i_USER_SIGNAL_TO_GLOBAL_BUFFER=count[1],
                                                  o_GLOBAL_BUFFER_OUTPUT=clocks[self._quarter])
        locked = Signal()
        m.submodules.locked = FFSynchronizer(pll.locked, locked, o_domain="counting")
        last = round(RESET_SECONDS * self.mhz[self._pll] * 1e6)
        elapsed, good = Signal(range(last + 1)), Signal()
        m.d.counting += good.eq(elapsed == last)
        with m.If(~locked):
            m.d.counting += elapsed.eq(0)
        with m.Elif(elapsed != last):
            m.d.counting += elapsed.eq(elapsed + 1)
        return good
