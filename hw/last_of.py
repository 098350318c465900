"""Tells which of a number of steps is the last one."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class LastOf(wiring.Component):
    """Counts steps up to a count that is given when they begin, again and again.

    It counts up and compares a cycle ahead: `last` comes from a register, and going back to the start is a flip-flop's
    own reset. Counting down from the count takes a multiplexer a bit more.

    Parameters
    ----------
    bits: width of the count. A count of 0 stands for 2**bits.

    Members
    -------
    begin: In, with the next cycle comes the first of `count` steps. count: In, counts then.
    step: In, a step is taken in this cycle.
    last: Out, the next step to be taken is the last one; after it comes the first one again.
    last_ahead: Out, what `last` will be in the next cycle.
    """

    def __init__(self, bits: int):
        self._bits = bits
        super().__init__({"begin": In(1), "count": In(unsigned(bits)), "step": In(1), "last": Out(1),
                          "last_ahead": Out(1)})

    def elaborate(self, platform):
        m = Module()
        count, single = Signal(self._bits, reset_less=True), Signal(reset_less=True)
        following = Signal(max(self._bits, 2), init=2)  # number of the step after the next
        restart = self.step & self.last
        m.d.comb += self.last_ahead.eq(Mux(self.begin, self.count == 1, Mux(restart, single, Mux(
            self.step, following == count, self.last))))
        # The same with enables, for those whose `last_ahead` is not read: they get flip-flops with an enable.
        with m.If(self.step):
            m.d.sync += [self.last.eq(following == count), following.eq(following + 1)]
            with m.If(self.last):
                m.d.sync += self.last.eq(single)
        with m.If(self.begin | restart):
            m.d.sync += following.eq(2)
        with m.If(self.begin):
            m.d.sync += [count.eq(self.count), single.eq(self.count == 1), self.last.eq(self.count == 1)]
        return m
