"""The device on the bus: LUNA's core, endpoint 0, and the bytes' way in and out."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from luna.gateware.usb.usb2.device import USBDevice

from trine.firmware.usb import ENDPOINT_IN, ENDPOINT_OUT, FULL_SPEED_PACKET, HIGH_SPEED_PACKET
from trine.hw.usb.control_endpoint import ControlEndpoint
from trine.hw.usb.in_endpoint import InEndpoint
from trine.hw.usb.out_endpoint import OutEndpoint

HIGH_SPEED_CLOCK = 60e6
"""Hz of `usb` in a device with high speed."""


class UsbDevice(wiring.Component):
    """A USB device (firmware.usb) between a transceiver, in the domain `usb`, and two byte streams in `sync`.

    The clock of `usb` is 60 MHz with high speed and 12 MHz without; that of `sync` is free, but below 1.5 MHz at full
    speed, or 60 MHz at high speed, it is what bounds the rate. The bytes need no frames: see InEndpoint for when they
    leave. Before a host has configured the device, those for the host are dropped.

    Parameters
    ----------
    bus: a UTMI interface (LUNA's UTMIInterface), a ULPI bus, or pins d_p, d_n and pullup, which get LUNA's transceiver
    in gateware and need the domain `usb_io` at 48 MHz. packet_bytes: HIGH_SPEED_PACKET for a device with high speed,
    which falls back to full speed by itself; else FULL_SPEED_PACKET. serial: the serial number, 1 to 30 printable
    ASCII characters.

    Members
    -------
    i: In, bytes to the host. o: Out, bytes from the host.

    Raises ValueError for another packet_bytes, for high speed on pins and for a wrong serial number.
    """

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def __init__(self, bus, packet_bytes: int, serial: str = "1"):
        if packet_bytes not in (FULL_SPEED_PACKET, HIGH_SPEED_PACKET):
            raise ValueError(f"packet_bytes must be {FULL_SPEED_PACKET} or {HIGH_SPEED_PACKET}, not {packet_bytes!r}")
        self._high_speed = packet_bytes == HIGH_SPEED_PACKET
        if self._high_speed and hasattr(bus, "d_n"):
            raise ValueError(f"packet_bytes must be {FULL_SPEED_PACKET} on pins without a transceiver, not "
                             f"{packet_bytes!r}")
        self._bus, self._packet_bytes = bus, packet_bytes
        self._control = ControlEndpoint(self._high_speed, serial)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        device = USBDevice(bus=self._bus)
        if self._high_speed:  # LUNA takes a UTMI interface for one of full speed
            device.always_fs, device.data_clock = False, HIGH_SPEED_CLOCK
        control = self._control
        incoming = InEndpoint(ENDPOINT_IN & 0x0F, self._packet_bytes)
        outgoing = OutEndpoint(ENDPOINT_OUT, self._packet_bytes)
        for endpoint in (control, incoming, outgoing):
            device.add_endpoint(endpoint)
        m.submodules.device = device
        connect(m, flipped(self.i), incoming.i)
        connect(m, outgoing.o, flipped(self.o))
        m.d.comb += [
            device.connect.eq(1), device.full_speed_only.eq(not self._high_speed),
            incoming.configured.eq(control.configured), outgoing.configured.eq(control.configured),
            incoming.halted.eq(control.halted_in), incoming.restart.eq(control.restart_in),
            outgoing.halted.eq(control.halted_out), outgoing.restart.eq(control.restart_out),
        ]
        return m
