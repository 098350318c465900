"""The accelerator behind USB, up to the transceiver: the top that is simulated with a model of a bus."""

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect
from luna.gateware.interface.utmi import UTMIInterface

from trine.firmware.configuration import Configuration
from trine.firmware.usb import FULL_SPEED_PACKET, HIGH_SPEED_PACKET
from trine.hw.accelerator import Accelerator
from trine.hw.usb.device import UsbDevice

_PACKETS = {"full": FULL_SPEED_PACKET, "high": HIGH_SPEED_PACKET}


class UtmiAccelerator(wiring.Component):
    """UsbDevice and Accelerator; the transceiver's interface (UTMI, level 0, 8 bits) is in the domain `usb`.

    Parameters
    ----------
    configuration: what to build; not a bare array's, else ValueError. speed: "full" (`usb` at 12 MHz) or "high" (60
    MHz; it falls back to full speed). serial, build_id: of UsbDevice, of Accelerator.

    Members
    -------
    rx_data, rx_valid, rx_active, rx_error: In, bytes from the bus. tx_data, tx_valid: Out, tx_ready: In, bytes to it.
    line_state: In, D+ (bit 0) and D- as they are. session_end: In, the bus has no power.
    xcvr_select, term_select, op_mode: Out, what the transceiver is to be.
    waiting: Out, in `sync`: the accelerator does nothing but wait for bytes from the bus, or for the bus to take some.

    Raises ValueError for another speed.
    """

    rx_data: In(8)
    rx_valid: In(1)
    rx_active: In(1)
    rx_error: In(1)
    tx_data: Out(8)
    tx_valid: Out(1)
    tx_ready: In(1)
    line_state: In(2)
    session_end: In(1)
    xcvr_select: Out(2)
    term_select: Out(1)
    op_mode: Out(2)
    waiting: Out(1)

    def __init__(self, configuration: Configuration, speed: str, serial: str = "1", build_id: int = 0):
        if speed not in _PACKETS:
            raise ValueError(f"speed must be {' or '.join(_PACKETS)}, not {speed!r}")
        self._utmi = UTMIInterface()
        self._device = UsbDevice(self._utmi, _PACKETS[speed], serial)
        self._accelerator = Accelerator(configuration, build_id)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.device = device = self._device
        m.submodules.accelerator = accelerator = self._accelerator
        connect(m, device.o, accelerator.i)
        connect(m, accelerator.o, device.i)
        m.d.comb += self.waiting.eq(Mux(accelerator.o.valid, ~device.i.ready, accelerator.i.ready & ~device.o.valid))
        for name, member in self.signature.members.items():
            if name == "waiting":
                continue
            outer, inner = getattr(self, name), getattr(self._utmi, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        return m
