"""A wire to bytes: asynchronous serial, 8N1, lowest bit first."""

from fractions import Fraction

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from trine.hw.uart.bit_rate import BitTimer


class UartReceiver(wiring.Component):
    """Receives bytes, each sampled once in the middle of each of its bits.

    The falling edge of a start bit sets the time for its byte alone, so errors of the two clocks do not add up from
    byte to byte. A start bit that is not there any more in its middle was a glitch. A byte whose stop bit is missing is
    dropped, and the next start bit is looked for when the wire was high again: a break costs one byte.

    Latency: a byte is there in the cycle after its stop bit's middle.

    Parameters
    ----------
    rate: bits a cycle, of at most 1/4 (`bit_rate`).

    Members
    -------
    rx: In, the wire, in no clock domain.
    byte: Out, the last byte. strobe: Out, 1 for the one cycle in which it is new.
    """

    rx: In(1, init=1)
    byte: Out(8)
    strobe: Out(1)

    def __init__(self, rate: Fraction):
        self._rate = rate
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.timer = timer = BitTimer(self._rate)
        rx = Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.rx, rx, init=1)
        left = Signal(range(8))
        m.d.sync += self.strobe.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [timer.start.eq(~rx), timer.half.eq(1)]
                with m.If(~rx):
                    m.next = "START"
            with m.State("START"):
                m.d.sync += left.eq(7)
                with m.If(timer.tick):
                    m.next = "DATA"
                    with m.If(rx):
                        m.next = "IDLE"
            with m.State("DATA"):
                with m.If(timer.tick):
                    m.d.sync += [self.byte.eq(Cat(self.byte[1:], rx)), left.eq(left - 1)]
                    with m.If(left == 0):
                        m.next = "STOP"
            with m.State("STOP"):
                with m.If(timer.tick):
                    m.d.sync += self.strobe.eq(rx)
                    m.next = "BREAK"
                    with m.If(rx):
                        m.next = "IDLE"
            with m.State("BREAK"):
                with m.If(rx):
                    m.next = "IDLE"
        return m
