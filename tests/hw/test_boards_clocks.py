"""hw.boards.clocks: a domain is in reset until its clock is good, and for as long as the board asks for it."""

import pytest
from amaranth.hdl import Module, ResetSignal, Signal
from amaranth.sim import Simulator

from trine.hw.boards.clocks import Clocks
from trine.hw.boards.ecp5_clocks import Ecp5Clocks
from trine.hw.boards.ice40_clocks import Ice40Clocks


class Given(Clocks):
    """Clocks that a test makes."""

    def __init__(self):
        super().__init__({"sync": 75.0, "usb": 12.0})
        self.raw, self.good = {"sync": Signal(), "usb": Signal()}, Signal()
        self.resets = {"sync": Signal(), "usb": Signal()}

    def generate(self, m: Module, platform, clocks):
        for domain, clock in clocks.items():
            m.d.comb += [clock.eq(self.raw[domain]), self.resets[domain].eq(ResetSignal(domain))]
        return self.good


def test_reset():
    clocks = Given()
    resets = clocks.resets.values()

    async def testbench(ctx):
        async def edges(count):
            for _ in range(count):
                for level in (1, 0):
                    for raw in clocks.raw.values():
                        ctx.set(raw, level)
                    await ctx.delay(1e-6)

        await edges(2)
        assert all(ctx.get(reset) for reset in resets)
        ctx.set(clocks.good, 1)
        await edges(1)
        assert all(ctx.get(reset) for reset in resets)  # it ends with edges of the clock, not before
        await edges(3)
        assert not any(ctx.get(reset) for reset in resets)
        ctx.set(clocks.hold, 1)
        await edges(2)
        assert all(ctx.get(reset) for reset in resets)
        ctx.set(clocks.hold, 0)
        await edges(4)
        assert not any(ctx.get(reset) for reset in resets)
        ctx.set(clocks.good, 0)
        await edges(2)
        assert all(ctx.get(reset) for reset in resets)

    simulator = Simulator(clocks)
    simulator.add_testbench(testbench)
    simulator.run()


def test_frequencies():
    """What the PLLs make, by domain; what only goes from one PLL to the next is no domain."""
    assert Ecp5Clocks("clk", 25, {"sync": 75, "cascade": 60}, {"usb_io": 48, "usb": 12}).mhz == pytest.approx(
        {"sync": 75, "usb_io": 48, "usb": 12})
    assert Ice40Clocks("clk", 16, "usb_io", 48, direct="sync", quarter="usb").mhz == pytest.approx(
        {"usb_io": 48, "sync": 16, "usb": 12})


def test_impossible():
    with pytest.raises(ValueError, match=r"an ECP5's PLL gives 3\.125 to 400 MHz, not 500"):
        Ecp5Clocks("clk", 25, {"sync": 500})
    with pytest.raises(ValueError, match="an iCE40's PLL gives 16 to 275 MHz, not 12"):
        Ice40Clocks("clk", 16, "sync", 12)
