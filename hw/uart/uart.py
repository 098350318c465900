"""The serial link of a board: the accelerator's two byte streams on two wires.

The accelerator takes no bytes while it serves a request, and a wire cannot wait, so there is a buffer, and the host
does not send more than it holds: of the requests that are not answered, all but the oldest one. Flow control by RTS and
CTS, which would need no such rule, was weighed and is on neither board: the iCEBreaker has two wires to its FT2232H,
and the ULX3S programs its FPGA through the CTS pin of its FT231X.
"""

from amaranth.hdl import Module
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from trine.hw.uart.bit_rate import bit_rate
from trine.hw.uart.receiver import UartReceiver
from trine.hw.uart.transmitter import UartTransmitter


class Uart(wiring.Component):
    """Receiver and transmitter, 8N1, with a buffer behind the receiver.

    A byte that comes when the buffer is full is lost. A request that lacks one is answered with an error, because its
    CRC does not fit, and executed never.

    Parameters
    ----------
    clock_hz: of `sync`; at least four times the baud rate. baud: bits a second.
    buffer_bytes: that wait at the most for `o` to be taken (>= 2).

    Members
    -------
    rx: In, tx: Out, the wires.
    o: Out, bytes that came. i: In, bytes to be sent.

    Raises ValueError for a baud rate that the clock does not reach to 2 %.
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)
    o: Out(stream.Signature(8))
    i: In(stream.Signature(8))

    def __init__(self, clock_hz: float, baud: float, buffer_bytes: int):
        if buffer_bytes < 2:
            raise ValueError(f"buffer_bytes must be at least 2, not {buffer_bytes!r}")
        self._rate = bit_rate(clock_hz, baud)
        self._buffer_bytes = buffer_bytes
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self._rate)
        m.submodules.transmitter = transmitter = UartTransmitter(self._rate)
        m.submodules.buffer = buffer = fifo.SyncFIFOBuffered(width=8, depth=self._buffer_bytes)
        m.d.comb += [
            receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx),
            buffer.w_data.eq(receiver.byte), buffer.w_en.eq(receiver.strobe),
        ]
        connect(m, buffer.r_stream, flipped(self.o))
        connect(m, flipped(self.i), transmitter.i)
        return m
