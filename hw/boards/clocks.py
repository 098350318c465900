"""What makes a board's clock domains: `sync` for the accelerator, and those that its link needs."""

from collections.abc import Mapping

from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal
from amaranth.lib.cdc import AsyncFFSynchronizer


class Clocks(Elaboratable):
    """Base of the boards' clock generators: makes the domains, each in reset until all clocks are there.

    A subclass makes the clocks in `generate`.

    Parameters
    ----------
    mhz: domain -> frequency, as the PLLs give it.

    Attributes
    ----------
    mhz: as above. hold: a signal that keeps all domains in reset, for a board that has more to wait for than clocks.
    """

    def __init__(self, mhz: Mapping[str, float]):
        self.mhz = dict(mhz)
        self.hold = Signal()

    def generate(self, m: Module, platform, clocks: Mapping[str, Signal]) -> Signal:
        """Drives the clocks, domain -> signal; returns a signal, of no domain, that is 1 when they are good."""
        raise NotImplementedError

    def elaborate(self, platform):
        m = Module()
        made = {name: ClockDomain(name) for name in self.mhz}
        m.domains += made.values()
        good = self.generate(m, platform, {name: domain.clk for name, domain in made.items()})
        for name, domain in made.items():
            self._reset(m, name, domain, ~good | self.hold)
        return m

    def _reset(self, m: Module, name: str, domain: ClockDomain, wanted) -> None:
        """Resets a domain from a register that starts at 0, which costs an iCE40 no inverter, as one from 1 would."""
        raw = ClockDomain(f"{name}_raw", reset_less=True, local=True)
        m.domains += raw
        synchronised = Signal(name=f"{name}_reset")
        m.d.comb += raw.clk.eq(domain.clk)
        m.submodules[f"{name}_reset"] = AsyncFFSynchronizer(wanted, synchronised, o_domain=raw.name)
        m.d[raw.name] += domain.rst.eq(synchronised)
