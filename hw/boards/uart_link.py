"""The link of a board with a UART: hw.uart on the pins that lead to its USB-to-serial chip."""

from amaranth.hdl import Module
from amaranth.lib import io, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from trine.hw.uart.uart import Uart


class UartLink(wiring.Component):
    """The pins `uart` of the platform as two byte streams; parameters as those of Uart.

    Members
    -------
    o: Out, bytes from the host. i: In, bytes to the host.
    """

    o: Out(stream.Signature(8))
    i: In(stream.Signature(8))

    def __init__(self, clock_hz: float, baud: float, buffer_bytes: int):
        self._uart = Uart(clock_hz, baud, buffer_bytes)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        pins = platform.request("uart", dir="-")
        m.submodules.uart = uart = self._uart
        m.submodules.rx = rx = io.Buffer("i", pins.rx)
        m.submodules.tx = tx = io.Buffer("o", pins.tx)
        m.d.comb += [uart.rx.eq(rx.i), tx.o.eq(uart.tx)]
        connect(m, uart.o, flipped(self.o))
        connect(m, flipped(self.i), uart.i)
        return m
