"""The bulk endpoint that takes bytes from the host.

LUNA's own stream endpoint was not used: it keeps its data toggle over SET_CONFIGURATION and a bus reset, after which
the host begins with DATA0 (USB 2.0, 9.1.1.5), so that the first packet may be lost as a repetition; it cannot be
halted; and its FIFO does not cross clock domains.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from luna.gateware.usb.usb2.endpoint import EndpointInterface

from trine.hw.usb.packet_buffer import PacketBuffer


class OutEndpoint(wiring.Component):
    """Bulk OUT: packets of the host, in the domain `usb`, become a stream of bytes in the domain `sync`.

    A packet with the data toggle that is due and a right CRC is taken and acknowledged if one of two buffers is free
    when its token comes, else refused with NAK (so is a PING). A packet with the other toggle was taken before: it is
    acknowledged and dropped. A halted endpoint answers STALL. A packet that is longer than allowed gets no answer, nor
    does any while no host has configured the device.
    Throughput: a byte a cycle of `sync`, with pauses of two cycles between packets.

    Parameters
    ----------
    number: the endpoint's, 1 to 15. packet_bytes: bytes of a full packet, a power of two.

    Members
    -------
    configured: In, a host has configured the device. halted: In, the endpoint is halted. restart: In, the next packet
    is DATA0's. All in `usb`.
    o: Out, the host's bytes, in `sync`.
    interface: LUNA's endpoint interface, for USBDevice.add_endpoint; not part of the signature.

    Raises ValueError for a number that no bulk endpoint can have.
    """

    configured: In(1)
    halted: In(1)
    restart: In(1)
    o: Out(stream.Signature(8))

    def __init__(self, number: int, packet_bytes: int):
        if not 1 <= number <= 15:
            raise ValueError(f"number must be 1 to 15, not {number!r}")
        self._number, self._packet_bytes = number, packet_bytes
        self.interface = EndpointInterface()
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = PacketBuffer(self._packet_bytes, writes="usb", reads="sync")
        interface, token, answer = self.interface, self.interface.tokenizer, self.interface.handshakes_out
        expected = Signal()  # the data toggle that is due
        awaited = Signal()  # a token came, and not yet its packet
        accepting = Signal()  # a buffer was free when the token came
        babble = Signal()
        addressed, out, due, full = Signal(), Signal(), Signal(), Signal()
        m.d.usb += addressed.eq(self.configured & (token.endpoint == self._number))
        m.d.comb += [
            out.eq(addressed & token.is_out & awaited),
            due.eq(interface.rx_pid_toggle[0] == expected),
            full.eq(buffer.count == self._packet_bytes),
            buffer.data.eq(interface.rx.payload), buffer.drop.eq(token.new_token),
        ]
        with m.If(token.new_token):
            m.d.usb += [awaited.eq(1), accepting.eq(buffer.room), babble.eq(0)]
        with m.Elif(interface.rx_invalid | interface.rx_ready_for_response):
            m.d.usb += awaited.eq(0)
        with m.Elif(out & interface.rx.next):
            m.d.comb += buffer.put.eq(accepting & due & ~full)
            m.d.usb += babble.eq(babble | full)

        with m.If(out & interface.rx_ready_for_response & ~babble):
            with m.If(self.halted):
                m.d.comb += answer.stall.eq(1)
            with m.Elif(accepting | ~due):
                m.d.comb += answer.ack.eq(1)
            with m.Else():
                m.d.comb += answer.nak.eq(1)
            with m.If(~self.halted & accepting & due):
                m.d.comb += buffer.commit.eq(buffer.count != 0)
                m.d.usb += expected.eq(~expected)
        with m.If(addressed & token.is_ping & token.ready_for_response):
            m.d.comb += [
                answer.stall.eq(self.halted),
                answer.ack.eq(~self.halted & buffer.room), answer.nak.eq(~self.halted & ~buffer.room),
            ]
        with m.If(self.restart):
            m.d.usb += expected.eq(0)

        m.d.comb += [
            self.o.payload.eq(buffer.byte), self.o.valid.eq(buffer.available),
            buffer.advance.eq(self.o.valid & self.o.ready), buffer.release.eq(buffer.advance & buffer.last),
        ]
        return m
