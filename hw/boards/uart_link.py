"""The link of a board with a UART: hw.uart on the pins that lead to its USB-to-serial chip."""

from amaranth.hdl import Module
from amaranth.lib import io, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from trine.firmware.configuration import Configuration
from trine.firmware.uart import BUFFERED_PAYLOADS, baud_rate
from trine.hw.uart.uart import Uart


class UartLink(wiring.Component):
    """The pins `uart` of the platform as two byte streams, at the rate of the configuration's link, with a buffer for
    what the host may send ahead (firmware.uart).

    Parameters
    ----------
    configuration: of a device whose link is a UART. clock_hz: as in Uart; raises as Uart. serial: None; ValueError for
    any, since the board's own chip has one.

    Members
    -------
    o: Out, bytes from the host. i: In, bytes to the host.
    """

    o: Out(stream.Signature(8))
    i: In(stream.Signature(8))

    def __init__(self, configuration: Configuration, clock_hz: float, serial: str | None = None):
        if serial is not None:
            raise ValueError(f"serial must not be given for a UART, whose chip has its own, not {serial!r}")
        link = configuration.link
        assert link is not None  # as `Board.link` has seen
        self._uart = Uart(clock_hz, baud_rate(link), BUFFERED_PAYLOADS * configuration.maximum_payload)
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
