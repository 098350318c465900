"""Bits a clock cycle: the one thing that receiver and transmitter have to agree on with the other end.

The rate is a fraction, so that a clock which is no multiple of the baud rate serves as well: a phase of `numerator` is
added in every cycle, and a bit is over when it reaches `denominator`. Where the clock is a multiple, that is a plain
counter. Bits are then a cycle longer or shorter than they should be, but never out of step.
"""

from fractions import Fraction

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

DENOMINATOR = 255
"""The largest that a fraction may have: eight bits of phase."""

LEAST_CYCLES = 4
"""Clock cycles that a bit must have at the least: with fewer, a receiver does not find its middle."""

TOLERANCE = 0.02
"""Relative error of the baud rate that is accepted. A receiver samples a frame's last bit 9.5 bits after the edge that
it began with, and is 0.25 bits off for a bit of four cycles, so that both ends together may be off by 2.5 %."""


def bit_rate(clock_hz: float, baud: float) -> Fraction:
    """Bits a clock cycle, the nearest fraction to baud / clock_hz; its error is `baud_error`.

    Raises ValueError for a clock with less than four cycles a bit, and for a rate that is missed by more than 2 %.
    """
    if not clock_hz >= LEAST_CYCLES * baud > 0:
        raise ValueError(f"clock_hz must be at least {LEAST_CYCLES} times the baud rate of {baud:g}, not {clock_hz:g}")
    rate = Fraction(baud / clock_hz).limit_denominator(DENOMINATOR)
    if abs(baud_error(rate, clock_hz, baud)) > TOLERANCE:
        raise ValueError(f"baud must be one that a clock of {clock_hz:g} Hz reaches to {TOLERANCE:.0%}, not {baud:g}")
    return rate


def baud_error(rate: Fraction, clock_hz: float, baud: float) -> float:
    """Relative error of a rate in bits a cycle; above 0 if it is too fast."""
    return float(rate * Fraction(clock_hz) / Fraction(baud)) - 1


class BitTimer(wiring.Component):
    """Counts bits in clock cycles.

    Parameters
    ----------
    rate: bits a cycle, of at most 1/2.

    Members
    -------
    start: In, the cycle after this one is the first of a bit. half: In, with `start`: that bit has half the length.
    tick: Out, 1 in the last cycle of each bit; as long as there is no new start, one bit follows another.
    """

    start: In(1)
    half: In(1)
    tick: Out(1)

    def __init__(self, rate: Fraction):
        if not 0 < rate <= Fraction(1, 2):
            raise ValueError(f"rate must be above 0 and at most 1/2 bits a cycle, not {rate}")
        self._rate = rate
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        step, whole = self._rate.numerator, self._rate.denominator
        phase = Signal(range(whole))
        following = Signal(range(whole + step))
        m.d.comb += [following.eq(phase + step), self.tick.eq(following >= whole)]
        with m.If(self.start):
            m.d.sync += phase.eq(0)
            with m.If(self.half):
                m.d.sync += phase.eq(whole - whole // 2)
        with m.Elif(self.tick):
            m.d.sync += phase.eq(following - whole)
        with m.Else():
            m.d.sync += phase.eq(following)
        return m
