"""Responses to bytes on the link."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from trine.firmware.link import CRC_BYTES, HEADER_BYTES, MAGIC
from trine.hw.link.checks import HEADER_CRC_BYTES, frame_crc, header_crc


class Reply(data.Struct):
    """A response's header: opcode, the request's sequence, and how many payload bytes follow."""

    opcode: unsigned(8)
    sequence: unsigned(8)
    length: unsigned(16)


class Transmitter(wiring.Component):
    """Frames one response: header, payload, CRC-32.

    Throughput: a byte a cycle, with a pause of one cycle before the CRC; latency: two cycles from `start` to the first
    byte.

    Members
    -------
    reply: In, valid with `start` and until `idle`. start: In, begin; only while `idle`.
    payload: In, stream of `reply.length` bytes.
    o: Out, bytes to the link.
    idle: Out, 1 while no response is being sent.
    """

    reply: In(Reply)
    start: In(1)
    payload: In(stream.Signature(8))
    o: Out(stream.Signature(8))
    idle: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.header_crc = check = header_crc()
        m.submodules.frame_crc = crc = frame_crc()
        head = Cat(Const(MAGIC, 16), self.reply.opcode, self.reply.sequence, self.reply.length)
        buffer = Signal(len(head))  # header, later CRC, lowest byte next
        left = Signal(16)
        sent = self.o.valid & self.o.ready
        m.d.comb += [
            check.data.eq(self.o.payload), check.start.eq(left == HEADER_BYTES - 1),
            crc.data.eq(self.o.payload), self.o.payload.eq(buffer[:8]),
        ]
        with m.FSM() as fsm:
            with m.State("IDLE"):
                with m.If(self.start):
                    m.next = "PREPARE"
            with m.State("PREPARE"):
                m.d.sync += [buffer.eq(head), left.eq(HEADER_BYTES - 1)]
                m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += [self.o.valid.eq(1), crc.valid.eq(sent), crc.start.eq(left == HEADER_BYTES - 1)]
                with m.If(left < HEADER_CRC_BYTES):
                    m.d.comb += self.o.payload.eq(Mux(left == 0, check.crc[8:], check.crc[:8]))
                with m.Else():
                    m.d.comb += check.valid.eq(sent)
                with m.If(sent):
                    m.d.sync += [buffer.eq(buffer >> 8), left.eq(left - 1)]
                    with m.If(left == 0):
                        m.d.sync += left.eq(self.reply.length)
                        m.next = "PAYLOAD"
                        with m.If(self.reply.length == 0):
                            m.next = "CHECKSUM"
            with m.State("PAYLOAD"):
                m.d.comb += [
                    self.o.valid.eq(self.payload.valid), self.o.payload.eq(self.payload.payload),
                    self.payload.ready.eq(self.o.ready), crc.valid.eq(sent),
                ]
                with m.If(sent):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 1):
                        m.next = "CHECKSUM"
            with m.State("CHECKSUM"):
                m.d.sync += [buffer.eq(crc.crc), left.eq(CRC_BYTES - 1)]
                m.next = "CRC"
            with m.State("CRC"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(sent):
                    m.d.sync += [buffer.eq(buffer >> 8), left.eq(left - 1)]
                    with m.If(left == 0):
                        m.next = "IDLE"
        m.d.comb += self.idle.eq(fsm.ongoing("IDLE"))
        return m
