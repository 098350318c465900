"""Endpoint 0: what a host asks a device about itself, and tells it to be.

LUNA's own was not used. It is in the middle of a request until that has ended well: after one that the host gave up, or
a CLEAR_FEATURE that was refused, the next request is taken for its continuation. It has no SET_FEATURE(ENDPOINT_HALT),
which a bulk endpoint must have (USB 2.0, 9.4.5), it takes any configuration, and it keeps a request three times over.
Here an answer is a function of the last request and the token, and of nothing that came before; every answer fits a
packet, so there is no position to keep.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import Out
from luna.gateware.usb.usb2 import USBSpeed
from luna.gateware.usb.usb2.endpoint import EndpointInterface

from trine.firmware.usb import ENDPOINT_IN, ENDPOINT_OUT, INTERFACE
from trine.hw.usb.descriptors import CONTROL_PACKET, MICROSOFT_REQUEST, descriptors, microsoft_compatible_id

# bmRequestType and, above it, bRequest (USB 2.0, table 9-4)
_GET_STATUS_OF_DEVICE, _GET_STATUS_OF_INTERFACE, _GET_STATUS_OF_ENDPOINT = 0x0080, 0x0081, 0x0082
_CLEAR_FEATURE_OF_ENDPOINT, _SET_FEATURE_OF_ENDPOINT = 0x0102, 0x0302
_SET_ADDRESS, _GET_DESCRIPTOR = 0x0500, 0x0680
_GET_CONFIGURATION, _SET_CONFIGURATION = 0x0880, 0x0900
_GET_INTERFACE, _SET_INTERFACE = 0x0A81, 0x0B01
_GET_MICROSOFT_DESCRIPTOR = MICROSOFT_REQUEST << 8 | 0xC0

_ENDPOINT_HALT = 0
_COMPATIBLE_ID = 4


class Setup(data.Struct):
    """A request (USB 2.0, table 9-2); `kind` is bmRequestType and bRequest."""

    kind: unsigned(16)
    value: unsigned(16)
    index: unsigned(16)
    length: unsigned(16)


class ControlEndpoint(wiring.Component):
    """Answers the standard requests that a device with one configuration and one interface needs, and Windows' own.

    GET_DESCRIPTOR, GET_STATUS, GET_ and SET_CONFIGURATION (0 and 1), GET_ and SET_INTERFACE (0), SET_ADDRESS, SET_ and
    CLEAR_FEATURE (ENDPOINT_HALT), and the Microsoft compatible id; everything else is refused with STALL. What a
    request sets is set when the host has acknowledged its status. Endpoint 0 is never halted.

    Parameters
    ----------
    high_speed: whether the device can do it. serial: its serial number, 1 to 30 printable ASCII characters.

    Members, all in `usb`
    ---------------------
    configured: Out, the configuration is chosen.
    halted_out, halted_in: Out, the endpoint is halted.
    restart_out, restart_in: Out, for a cycle: the endpoint's next packet is DATA0's.
    interface: LUNA's endpoint interface, for USBDevice.add_endpoint; not part of the signature.

    Raises ValueError for a wrong serial number.
    """

    configured: Out(1)
    halted_out: Out(1)
    halted_in: Out(1)
    restart_out: Out(1)
    restart_in: Out(1)

    def __init__(self, high_speed: bool, serial: str):
        self._descriptors = descriptors(high_speed, serial)
        self.interface = EndpointInterface()
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        interface = self.interface
        setup = Signal(Setup)
        content = bytearray()
        start, size = Signal(range(1024)), Signal(range(CONTROL_PACKET))
        known = Signal()  # the request is one of ours; like start and size, two cycles after it came
        done = Signal()  # its status was acknowledged

        def answer(data: bytes) -> None:
            """The answer to the request is `data`, which gets a place in the ROM if it has none."""
            if len(data) >= CONTROL_PACKET:
                raise ValueError(f"an answer must be shorter than {CONTROL_PACKET} bytes, not {len(data)}")
            if data not in content:
                content.extend(data)
            m.d.usb += [known.eq(1), start.eq(content.index(data)), size.eq(len(data))]

        m.d.usb += known.eq(0)
        halts = {ENDPOINT_OUT: (self.halted_out, self.restart_out), ENDPOINT_IN: (self.halted_in, self.restart_in)}
        with m.Switch(setup.kind):
            with m.Case(_GET_DESCRIPTOR):
                with m.Switch(setup.value):
                    for (kind, index), (full, high) in self._descriptors.items():
                        with m.Case(kind << 8 | index):
                            answer(full)
                            if high != full:
                                with m.If(interface.speed == USBSpeed.HIGH):
                                    answer(high)
            with m.Case(_GET_CONFIGURATION):
                answer(b"\0")
                with m.If(self.configured):
                    answer(b"\1")
            with m.Case(_GET_INTERFACE, _GET_STATUS_OF_INTERFACE):
                with m.If(setup.index == INTERFACE):
                    answer(b"\0\0")  # as long as it is asked for: one or two
            with m.Case(_GET_STATUS_OF_DEVICE):
                answer(b"\0\0")
            with m.Case(_GET_STATUS_OF_ENDPOINT):
                with m.Switch(setup.index):
                    with m.Case(0x00, 0x80):
                        answer(b"\0\0")
                    for endpoint, (halted, _) in halts.items():
                        with m.Case(endpoint):
                            answer(b"\0\0")
                            with m.If(halted):
                                answer(b"\1\0")
            with m.Case(_GET_MICROSOFT_DESCRIPTOR):
                with m.If(setup.index == _COMPATIBLE_ID):
                    answer(microsoft_compatible_id())
            with m.Case(_SET_ADDRESS):
                m.d.usb += known.eq(1)
                m.d.comb += interface.address_changed.eq(done)
            with m.Case(_SET_CONFIGURATION):
                m.d.usb += known.eq(setup.value <= 1)
                m.d.comb += [interface.config_changed.eq(done), self.restart_out.eq(done), self.restart_in.eq(done)]
            with m.Case(_SET_INTERFACE):
                m.d.usb += known.eq((setup.value == 0) & (setup.index == INTERFACE))
                m.d.comb += [self.restart_out.eq(done), self.restart_in.eq(done)]
            with m.Case(_CLEAR_FEATURE_OF_ENDPOINT, _SET_FEATURE_OF_ENDPOINT):
                with m.Switch(setup.index):
                    for endpoint, (halted, restart) in halts.items():
                        with m.Case(endpoint):
                            m.d.usb += known.eq(setup.value == _ENDPOINT_HALT)
                            m.d.comb += restart.eq(done)
                            with m.If(done):
                                m.d.usb += halted.eq(setup.kind == _SET_FEATURE_OF_ENDPOINT)
        with m.If(interface.config_changed):
            m.d.usb += [self.halted_out.eq(0), self.halted_in.eq(0)]
        m.d.comb += [
            interface.new_address.eq(setup.value), interface.new_config.eq(setup.value),
            self.configured.eq(interface.active_config != 0),
        ]
        self._answer(m, setup, bytes(content), start, size, known, done)
        return m

    def _answer(self, m, setup, content, start, size, known, done):
        """The stages of a request: itself; data, `size` bytes of `content` from `start` on, or none; its status."""
        interface, token, tx = self.interface, self.interface.tokenizer, self.interface.tx
        handshake = interface.handshakes_out
        addressed = Signal()
        reads = Signal()  # the request has data for the host, and so its status is the host's empty packet
        m.d.usb += [addressed.eq(token.endpoint == 0), reads.eq(setup.kind[7] & (setup.length != 0))]

        received = Signal(range(9 + 1))
        with m.If(token.new_token):
            m.d.usb += received.eq(0)
        with m.Elif(addressed & token.is_setup & interface.rx.next & (received != 9)):
            m.d.usb += [setup.eq(Cat(setup.as_value()[8:], interface.rx.payload)), received.eq(received + 1)]
        with m.If(addressed & interface.rx_ready_for_response):
            with m.If(token.is_setup):
                m.d.comb += handshake.ack.eq(received == 8)
            with m.Elif(token.is_out):  # data of the host's, which no request of ours has, is refused
                m.d.comb += [handshake.ack.eq(reads & known), handshake.stall.eq(~(reads & known))]
        with m.If(addressed & token.is_ping & token.ready_for_response):
            m.d.comb += handshake.ack.eq(1)

        m.submodules.rom = rom = memory.Memory(shape=8, depth=1 << (len(content) - 1).bit_length(), init=content,
                                               attrs={"ram_style": "block"})
        read = rom.read_port(domain="usb")
        address, left = Signal.like(start), Signal.like(size)
        sending = Signal()
        closing, closed = Signal(), Signal()  # an empty packet, the status: it goes out; it waits to be acknowledged
        m.d.comb += [
            read.addr.eq(address + tx.ready), tx.payload.eq(read.data), interface.tx_pid_toggle.eq(1),
            done.eq(closed & interface.handshakes_in.ack),
        ]
        m.d.usb += closing.eq(0)
        with m.If(addressed & token.is_in & token.ready_for_response):
            m.d.comb += handshake.stall.eq(~known)
            m.d.usb += [
                sending.eq(known & reads), closing.eq(known & ~reads),
                address.eq(start), left.eq(Mux(setup.length < size, setup.length, size)),
            ]
        with m.If(sending):
            m.d.comb += [tx.valid.eq(1), tx.first.eq(1), tx.last.eq(left == 1)]
            with m.If(tx.ready):
                m.d.usb += [address.eq(address + 1), left.eq(left - 1), sending.eq(left != 1)]
        with m.If(closing):
            m.d.comb += [tx.valid.eq(1), tx.last.eq(1)]  # last and not first: an empty packet
            m.d.usb += closed.eq(1)
        with m.If(token.new_token | done):
            m.d.usb += closed.eq(0)
