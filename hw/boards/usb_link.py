"""The link of a board with USB: hw.usb on the pins of its connector, or on those of its transceiver (ULPI)."""

from types import SimpleNamespace

from amaranth.hdl import Module
from amaranth.lib import io, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from trine.firmware.configuration import Configuration
from trine.firmware.usb import FULL_SPEED_PACKET, HIGH_SPEED_PACKET
from trine.hw.usb.descriptors import string_descriptors
from trine.hw.usb.device import UsbDevice

SERIAL = "1"
"""Number of a device that was given none."""


class UsbLink(wiring.Component):
    """USB pins of the platform as two byte streams.

    Parameters
    ----------
    configuration, clock_hz: as for every link; the device is the same for all. serial: as in UsbDevice; raises as that.
    resource: the pins. Those of a transceiver, with `dir`, make a device of high speed, in the domain `usb` of 60 MHz;
    d_p, d_n and pullup one of full speed, in the domains `usb` of 12 MHz and `usb_io` of 48 MHz.

    Members
    -------
    o: Out, bytes from the host. i: In, bytes to the host.
    """

    o: Out(stream.Signature(8))
    i: In(stream.Signature(8))

    def __init__(self, configuration: Configuration, clock_hz: float, serial: str | None = None,
                 resource: str = "usb"):
        self._serial = SERIAL if serial is None else serial
        string_descriptors(self._serial)  # refuses what cannot be one before anything is elaborated
        self._resource = resource
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        pins = platform.request(self._resource, dir="-")
        high_speed = hasattr(pins, "dir")
        bus = _ulpi(m, pins) if high_speed else _wires(m, pins)
        m.submodules.device = device = UsbDevice(bus, HIGH_SPEED_PACKET if high_speed else FULL_SPEED_PACKET,
                                               self._serial)
        connect(m, device.o, flipped(self.o))
        connect(m, flipped(self.i), device.i)
        return m


def _wires(m, pins):
    """D+, D- and the resistor that tells the host that there is a device."""
    m.submodules.d_p, m.submodules.d_n = d_p, d_n = io.Buffer("io", pins.d_p), io.Buffer("io", pins.d_n)
    m.submodules.pullup = pullup = io.Buffer("o", pins.pullup)
    return SimpleNamespace(d_p=d_p, d_n=d_n, pullup=pullup)


def _ulpi(m, pins):
    """A transceiver that gets its clock from the FPGA."""
    buffers = {name: io.Buffer(direction, getattr(pins, name)) for name, direction in (
        ("data", "io"), ("clk", "o"), ("dir", "i"), ("nxt", "i"), ("stp", "o"), ("rst", "o"))}
    for name, buffer in buffers.items():
        m.submodules[name] = buffer
    clock = SimpleNamespace(o=buffers["clk"].o)  # LUNA takes what has an `oe` for a clock that goes both ways
    return SimpleNamespace(**(buffers | {"clk": clock}))
