"""The bulk endpoint that gives bytes to the host.

LUNA's own stream endpoint was not used: it keeps its data toggle over SET_CONFIGURATION and a bus reset, after which
the host begins with DATA0 (USB 2.0, 9.1.1.5); it takes any acknowledgement that it sees for its own, be it of another
device's packet after its own was lost on the way; it cannot be halted; and it does not cross clock domains.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In
from luna.gateware.usb.usb2 import USBSpeed
from luna.gateware.usb.usb2.endpoint import EndpointInterface

from trine.firmware.usb import FULL_SPEED_PACKET
from trine.hw.usb.packet_buffer import PacketBuffer

QUIET_CYCLES = 16
"""Cycles of `sync` without a byte that end a burst."""


class InEndpoint(wiring.Component):
    """Bulk IN: a stream of bytes in the domain `sync` becomes packets to the host, in the domain `usb`.

    Bytes go in full packets for as long as they come. QUIET_CYCLES without one end a burst: what is there goes in a
    short packet, an empty one if nothing is there but the last packet was full, so that the host's transfer ends with
    the burst, whatever its length. A packet stays in one of two buffers until it is acknowledged, and is sent again
    if it is not. Without a packet the answer is NAK, in a halted endpoint STALL. While no host has configured the
    device there is no answer, and what is to be sent is dropped.

    Parameters
    ----------
    number: the endpoint's, 1 to 15. packet_bytes: bytes of a full packet at the device's highest speed, a power of two;
    at full speed packets have FULL_SPEED_PACKET in any case.

    Members
    -------
    configured: In, a host has configured the device. halted: In, the endpoint is halted. restart: In, the next packet
    is DATA0's. All in `usb`.
    i: In, bytes for the host, in `sync`.
    interface: LUNA's endpoint interface, for USBDevice.add_endpoint; not part of the signature.

    Raises ValueError for a number that no bulk endpoint can have, and for other packet_bytes.
    """

    configured: In(1)
    halted: In(1)
    restart: In(1)
    i: In(stream.Signature(8))

    def __init__(self, number: int, packet_bytes: int):
        if not 1 <= number <= 15:
            raise ValueError(f"number must be 1 to 15, not {number!r}")
        if packet_bytes < FULL_SPEED_PACKET or packet_bytes & (packet_bytes - 1):
            raise ValueError(f"packet_bytes must be a power of two of at least {FULL_SPEED_PACKET}, not "
                             f"{packet_bytes!r}")
        self._number, self._packet_bytes = number, packet_bytes
        self.interface = EndpointInterface()
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = PacketBuffer(self._packet_bytes, writes="sync", reads="usb")
        self._pack(m, buffer)
        self._send(m, buffer)
        return m

    def _pack(self, m, buffer):
        """Bytes to packets, in `sync`."""
        high_speed = Signal()
        if self._packet_bytes > FULL_SPEED_PACKET:
            m.submodules.speed = FFSynchronizer(self.interface.speed == USBSpeed.HIGH, high_speed)
        full = buffer.count == Mux(high_speed, self._packet_bytes, FULL_SPEED_PACKET)
        within = Signal()  # the burst is not over: its last packet was a full one
        quiet = Signal(range(QUIET_CYCLES))
        over = (quiet == QUIET_CYCLES - 1) & ~self.i.valid
        with m.If(buffer.room):
            m.d.comb += [
                self.i.ready.eq(~full),
                buffer.data.eq(self.i.payload), buffer.put.eq(self.i.valid & ~full),
                buffer.commit.eq(full | (over & (within | (buffer.count != 0)))),
            ]
        with m.If(buffer.commit):
            m.d.sync += within.eq(full)
        with m.If(self.i.valid):
            m.d.sync += quiet.eq(0)
        with m.Elif(~over):
            m.d.sync += quiet.eq(quiet + 1)

    def _send(self, m, buffer):
        """Packets to the host, in `usb`."""
        interface, token, tx = self.interface, self.interface.tokenizer, self.interface.tx
        addressed, toggle = Signal(), Signal()
        m.d.usb += addressed.eq((token.endpoint == self._number) & token.is_in)
        m.d.comb += [
            interface.tx_pid_toggle.eq(toggle), tx.payload.eq(buffer.byte),
        ]
        with m.FSM(domain="usb"):
            with m.State("IDLE"):
                m.d.comb += buffer.rewind.eq(buffer.available)
                with m.If(~self.configured):
                    m.d.comb += buffer.release.eq(buffer.available)
                with m.Elif(addressed & token.ready_for_response):
                    with m.If(self.halted):
                        m.d.comb += interface.handshakes_out.stall.eq(1)
                    with m.Elif(~buffer.available):
                        m.d.comb += interface.handshakes_out.nak.eq(1)
                    with m.Elif(buffer.empty):
                        m.next = "SEND NOTHING"
                    with m.Else():
                        m.next = "SEND"
            with m.State("SEND NOTHING"):
                m.d.comb += [tx.valid.eq(1), tx.last.eq(1)]  # last and not first: an empty packet
                m.next = "SENT"
            with m.State("SEND"):
                m.d.comb += [tx.valid.eq(1), tx.first.eq(1), tx.last.eq(buffer.last), buffer.advance.eq(tx.ready)]
                with m.If(tx.ready & tx.last):
                    m.next = "SENT"
            with m.State("SENT"):
                with m.If(interface.handshakes_in.ack & addressed):
                    m.d.comb += buffer.release.eq(1)
                    m.d.usb += toggle.eq(~toggle)
                    m.next = "IDLE"
                with m.Elif(token.new_token):
                    m.next = "IDLE"
        with m.If(self.restart):
            m.d.usb += toggle.eq(0)
