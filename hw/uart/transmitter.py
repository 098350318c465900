"""Bytes to a wire: asynchronous serial, 8N1, lowest bit first."""

from fractions import Fraction

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from trine.firmware.uart import FRAME_BITS
from trine.hw.uart.bit_rate import BitTimer


class UartTransmitter(wiring.Component):
    """Sends bytes, one right behind the other as long as there are any.

    Throughput: a byte every ten bits. Latency: a byte's start bit begins in the cycle after it was taken.

    Parameters
    ----------
    rate: bits a cycle (`bit_rate`).

    Members
    -------
    i: In, stream of bytes.
    tx: Out, the wire; it comes from a register, and is high while there is nothing to send.
    """

    i: In(stream.Signature(8))
    tx: Out(1, init=1)

    def __init__(self, rate: Fraction):
        self._rate = rate
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.timer = timer = BitTimer(self._rate)
        frame = Signal(FRAME_BITS, init=(1 << FRAME_BITS) - 1)  # the bit that is being sent, and those that follow
        left = Signal(range(FRAME_BITS + 1))
        idle = left == 0
        m.d.comb += [
            self.tx.eq(frame[0]), self.i.ready.eq(idle | (timer.tick & (left == 1))), timer.start.eq(idle),
        ]
        with m.If(timer.tick & ~idle):
            m.d.sync += [frame.eq(Cat(frame[1:], Const(1, 1))), left.eq(left - 1)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [frame.eq(Cat(Const(0, 1), self.i.payload, Const(1, 1))), left.eq(FRAME_BITS)]
        return m
