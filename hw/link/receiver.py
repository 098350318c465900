"""Bytes from the link to checked requests.

Resynchronisation is by sliding: while no frame is under way the last eight bytes are tested as a header after every
byte (once the eighth has come), so no header is ever missed because of what came before it.
"""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from trine.firmware.link import CRC_BYTES, HEADER_BYTES, MAGIC, Error
from trine.hw.link.checks import HEADER_CRC_BYTES, frame_crc, header_crc


class Header(data.Struct):
    """What a frame's header says, or what is wrong (`error` != 0: an Error; opcode and sequence are 0 if unknown)."""

    opcode: unsigned(8)
    sequence: unsigned(8)
    length: unsigned(16)
    error: unsigned(8)


class Receiver(wiring.Component):
    """Receives one frame, checks it, offers it with its payload, and waits until it is released.

    Throughput: a byte a cycle, with a pause of 9 cycles behind the header; a byte every three cycles while searching,
    every ten where the two in front are the magic.
    Latency: `valid` two cycles after a frame's last byte, its payload's first byte two cycles later.
    Every frame ends in one request: with error 0, or NO_SYNC, OVERSIZED, BAD_CRC or TIMEOUT (firmware.link).

    Parameters
    ----------
    maximum_payload: bytes that the payload buffer holds. timeout_cycles: pause within a frame that ends it.

    Members
    -------
    i: In, bytes from the link.
    request, valid: Out, the request, until `release`.
    payload: Out, stream of its payload, once.
    release: In, the request is served; the next frame may come.
    active: Out, 1 while a frame is being received.
    """

    def __init__(self, maximum_payload: int, timeout_cycles: int):
        self._maximum_payload, self._timeout_cycles = maximum_payload, timeout_cycles
        super().__init__({
            "i": In(stream.Signature(8)),
            "request": Out(Header),
            "valid": Out(1),
            "payload": Out(stream.Signature(8)),
            "release": In(1),
            "active": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.header_crc = check = header_crc()
        m.submodules.frame_crc = crc = frame_crc()
        m.submodules.memory = buffer = memory.Memory(shape=8, depth=self._maximum_payload, init=[])
        write, read = buffer.write_port(), buffer.read_port()

        window = data.View(data.ArrayLayout(unsigned(8), HEADER_BYTES), Signal(8 * HEADER_BYTES, name="window"))
        count = Signal(range(HEADER_BYTES + 1))  # bytes in the window, up to all
        left = Signal(17)  # bytes of payload, or of payload and CRC, that are still to come
        lost = Signal()
        position = Signal(range(self._maximum_payload + 1))
        is_magic = Cat(window[0], window[1]) == MAGIC
        is_header = is_magic & (Cat(window[6], window[7]) == check.crc)
        accepted = self.i.valid & self.i.ready

        silence = Signal(range(self._timeout_cycles + 1))
        waiting, timeout = Signal(), Signal()
        m.d.comb += timeout.eq(waiting & (silence == self._timeout_cycles))
        with m.If(~waiting | accepted):
            m.d.sync += silence.eq(0)
        with m.Elif(~timeout):
            m.d.sync += silence.eq(silence + 1)

        def fail(error):
            m.d.sync += self.request.error.eq(error)
            m.next = "OFFER"

        m.d.comb += [
            check.data.eq(window[0]), check.start.eq(left == HEADER_BYTES - 1),
            write.addr.eq(position), write.data.eq(self.i.payload),
        ]
        with m.FSM() as fsm:
            with m.State("SEARCH"):
                m.d.comb += [self.i.ready.eq(1), waiting.eq((count != 0) & ~lost), self.active.eq(waiting | accepted)]
                with m.If(accepted):
                    m.d.sync += window.eq(Cat(window.as_value()[8:], self.i.payload))
                    with m.If(count != HEADER_BYTES):
                        m.d.sync += count.eq(count + 1)
                    with m.If(count >= HEADER_BYTES - 1):
                        m.d.sync += left.eq(HEADER_BYTES - 1)
                        m.next = "HASH"
                with m.Elif(timeout):
                    m.d.sync += [self.request.eq(0), count.eq(0)]
                    fail(Error.TIMEOUT)
            with m.State("HASH"):  # the window's bytes go through both CRCs, and round it
                m.d.comb += self.active.eq(1)
                with m.If((left == HEADER_BYTES - 1) & ~is_magic):
                    m.next = "CHECK"
                with m.Else():
                    m.d.comb += [
                        check.valid.eq(left >= HEADER_CRC_BYTES),
                        crc.valid.eq(1), crc.data.eq(window[0]), crc.start.eq(left == HEADER_BYTES - 1),
                    ]
                    m.d.sync += [window.eq(window.as_value().rotate_right(8)), left.eq(left - 1)]
                    with m.If(left == 0):
                        m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += self.active.eq(1)
                m.d.sync += [self.request.eq(0), position.eq(0)]
                with m.If(is_header):
                    length = Cat(window[4], window[5])
                    m.d.sync += [
                        lost.eq(0), count.eq(0), left.eq(length + CRC_BYTES),
                        self.request.opcode.eq(window[2]), self.request.sequence.eq(window[3]),
                        self.request.length.eq(length),
                    ]
                    m.next = "BODY"
                with m.Elif(lost):
                    m.next = "SEARCH"
                with m.Else():
                    m.d.sync += lost.eq(1)
                    fail(Error.NO_SYNC)
            with m.State("BODY"):
                m.d.comb += [
                    self.active.eq(1), self.i.ready.eq(1), waiting.eq(1),
                    crc.valid.eq(accepted), crc.data.eq(self.i.payload),
                    write.en.eq(accepted & (left > CRC_BYTES) & (position != self._maximum_payload)),
                ]
                with m.If(accepted):
                    m.d.sync += left.eq(left - 1)
                    with m.If(write.en):
                        m.d.sync += position.eq(position + 1)
                    with m.If(left == 1):
                        m.next = "VERDICT"
                with m.Elif(timeout):
                    fail(Error.TIMEOUT)
            with m.State("VERDICT"):
                m.d.comb += self.active.eq(1)
                with m.If(self.request.length > self._maximum_payload):
                    fail(Error.OVERSIZED)
                with m.Elif(~crc.match_detected):
                    fail(Error.BAD_CRC)
                with m.Else():
                    m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += self.valid.eq(1)
                with m.If(self.release):
                    m.next = "SEARCH"

        # The payload's stream: block RAM, then a register, because block RAM is slow to answer.
        next_byte = Signal(range(self._maximum_payload + 1))
        fetched, forward = Signal(), Signal()
        offered = (self.request.error == 0) & fsm.ongoing("OFFER")
        m.d.comb += [
            forward.eq(fetched & (~self.payload.valid | self.payload.ready)),
            read.addr.eq(next_byte), read.en.eq(offered & (next_byte != position) & (~fetched | forward)),
        ]
        with m.If(self.payload.ready):
            m.d.sync += self.payload.valid.eq(0)
        with m.If(forward):
            m.d.sync += [self.payload.payload.eq(read.data), self.payload.valid.eq(1), fetched.eq(0)]
        with m.If(read.en):
            m.d.sync += [next_byte.eq(next_byte + 1), fetched.eq(1)]
        with m.If(~offered | self.release):
            m.d.sync += [next_byte.eq(0), fetched.eq(0), self.payload.valid.eq(0)]
        return m
