"""Clock domains of an ECP5 board, from its oscillator through one PLL or two."""

from collections.abc import Mapping

from amaranth.lib import io

from trine.hw.boards.clocks import Clocks
from trine.hw.boards.ecp5_pll import Ecp5Dividers, Ecp5Pll, ecp5_dividers


class Ecp5Clocks(Clocks):
    """PLLs on the oscillator, or the second one on an output of the first.

    Parameters
    ----------
    resource: the platform's oscillator. input_mhz: its frequency.
    plls: for each PLL, domain -> frequency that is asked for. `cascade`, which is no domain, stands for what goes from
    the first PLL to the second, where the oscillator does not lead to what the second has to give.

    Raises ValueError for a frequency that a PLL does not take or give.
    """

    def __init__(self, resource: str, input_mhz: float, *plls: Mapping[str, float]):
        self._resource = resource
        self._plls: list[tuple[list[str], Ecp5Dividers]] = []
        mhz: dict[str, float] = {}
        for outputs in plls:
            dividers = ecp5_dividers(mhz.pop("cascade", input_mhz), tuple(outputs.values()))
            self._plls.append((list(outputs), dividers))
            mhz |= zip(outputs, dividers.output_mhz, strict=True)
        super().__init__(mhz)

    def generate(self, m, platform, clocks):
        m.submodules.oscillator = oscillator = io.Buffer("i", platform.request(self._resource, dir="-"))
        source, good = oscillator.i, 1
        for number, (names, dividers) in enumerate(self._plls):
            m.submodules[f"pll_{number}"] = pll = Ecp5Pll(dividers)
            m.d.comb += pll.i.eq(source)
            good &= pll.locked
            for index, name in enumerate(names):
                if name == "cascade":
                    source = pll.o[index]
                else:
                    m.d.comb += clocks[name].eq(pll.o[index])
        return good
