"""Serves requests: one at a time, one response each (firmware.link says what they mean)."""

import struct

from amaranth.hdl import Array, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from trine.firmware.configuration import Configuration
from trine.firmware.counters import COUNTERS_FORMAT
from trine.firmware.link import (
    ERROR,
    INFO_FORMAT,
    MAXIMUM_READ_BYTES,
    PROTOCOL_VERSION,
    READ_FORMAT,
    RESPONSE_BIT,
    WRITE_FORMAT,
    Error,
    Region,
    Request,
)
from trine.hw.link.receiver import Header
from trine.hw.link.transmitter import Reply

ARGUMENT_BYTES: dict[Request, int] = {
    Request.WRITE: struct.calcsize(WRITE_FORMAT),
    Request.READ: struct.calcsize(READ_FORMAT),
    Request.RUN: 4,
    Request.COMMIT: 4,
}
"""Payload bytes that are arguments; WRITE alone has more behind them."""


class LoadPort(wiring.Signature):
    """What a loadable memory offers (hw.memory.loader.Loader), seen from the controller."""

    def __init__(self):
        super().__init__({
            "start": Out(1),
            "address": Out(32),
            "bytes": Out(stream.Signature(8)),
            "partial": In(1),
            "overflow": In(1),
        })


class Controller(wiring.Component):
    """Decodes a request's payload, does what it asks, and prepares the response.

    Throughput: payload bytes one a cycle; WRITE and READ move a byte a cycle.

    Members
    -------
    request, valid, payload, release: the receiver's.
    reply, start, reply_payload, sent: the transmitter's (`sent` is its `idle`).
    weights, program, activations: Out, load ports.
    result_address, result_value, result_data: the result buffer's read port.
    runs: Out, entry addresses to the sequencer; done, fault: In, its answer.
    hold: Out, 1 while cycles are not counted, because the counters are being read. settled: In, now they can be.
    counter_address, counter_read: Out, a byte of them, counter_byte: In, which is there a cycle later and stays.
    cycles: In, the cycle counter.
    active: Out, 1 while a request is being served.
    """

    def __init__(self, configuration: Configuration, build_id: int = 0):
        self._configuration = configuration
        self._build_id = build_id
        super().__init__({
            "request": In(Header),
            "valid": In(1),
            "payload": In(stream.Signature(8)),
            "release": Out(1),
            "reply": Out(Reply),
            "start": Out(1),
            "reply_payload": Out(stream.Signature(8)),
            "sent": In(1),
            "weights": Out(LoadPort()),
            "program": Out(LoadPort()),
            "activations": Out(LoadPort()),
            "result_address": Out(range(max(configuration.result_beats, 2))),
            "result_value": Out(range(max(configuration.result_width, 2))),
            "result_data": In(signed(32)),
            "runs": Out(stream.Signature(unsigned(32))),
            "done": In(1),
            "fault": In(1),
            "hold": Out(1),
            "settled": In(1),
            "counter_address": Out(range(struct.calcsize(COUNTERS_FORMAT))),
            "counter_read": Out(1),
            "counter_byte": In(8),
            "cycles": In(64),
            "active": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        configuration = self._configuration
        image_id, retired = Signal(32), Signal(64)
        arguments = Signal(80)  # the payload's first bytes, lowest first
        large = Signal()  # there is something in the two behind them, the upper half of a count
        region, address, count = arguments[0:8], arguments[32:64], arguments[64:80]
        taken = Signal(16)  # bytes of the payload that were consumed
        room = Signal(range(configuration.result_beats + 1))  # beats of the result buffer from `address` on
        most = MAXIMUM_READ_BYTES // configuration.beat_bytes
        beyond_buffer, too_many = _exceeds(address, configuration.result_beats), large | _exceeds(count, most)
        error = Signal(Error)
        beyond = Signal()
        opcode, length = self.request.opcode, self.request.length

        def respond(size):
            m.d.sync += [self.reply.opcode.eq(opcode | RESPONSE_BIT), self.reply.length.eq(size)]
            m.next = "START"

        def fail(code):
            m.d.sync += [error.eq(code), self.reply.opcode.eq(ERROR), self.reply.length.eq(2)]
            m.next = "START"

        result_source = self._results(m, address)
        load = self._load_ports(m, region, address)
        reply_source = self._fixed_reply(m, image_id, retired, error)
        m.d.comb += [
            self.reply.sequence.eq(self.request.sequence),
            self.hold.eq(self.valid & (opcode == Request.COUNTERS) & (self.request.error == 0) & (length == 0)),
            self.runs.payload.eq(arguments[:32]),
        ]
        with m.FSM() as fsm:
            with m.State("IDLE"):
                m.d.sync += [taken.eq(0), beyond.eq(0), large.eq(0)]
                with m.If(self.valid & (self.request.error != 0)):
                    fail(self.request.error)
                with m.Elif(self.valid):
                    with m.Switch(opcode):
                        for request in Request:
                            with m.Case(request):
                                with m.If(_length_wrong(request, length)):
                                    fail(Error.BAD_LENGTH)
                                with m.Else():
                                    m.next = "ARGUMENTS" if request in ARGUMENT_BYTES else "EXECUTE"
                        with m.Default():
                            fail(Error.UNKNOWN_OPCODE)
            with m.State("ARGUMENTS"):
                m.d.comb += self.payload.ready.eq(1)
                with m.If(self.payload.valid):
                    m.d.sync += [arguments.word_select(taken[:4], 8).eq(self.payload.payload), taken.eq(taken + 1)]
                    with m.If(taken[:4] >= len(arguments) // 8):
                        m.d.sync += large.eq(large | self.payload.payload.any())
                    with m.Switch(opcode):
                        for request, size in ARGUMENT_BYTES.items():
                            with m.Case(request), m.If(taken == size - 1):
                                m.next = "CHECK"
            with m.State("CHECK"):
                m.d.sync += room.eq(configuration.result_beats - address[: len(room)])
                m.next = "EXECUTE"
            with m.State("EXECUTE"):
                outside = beyond_buffer | (count[: most.bit_length()] > room)
                with m.Switch(opcode):
                    with m.Case(Request.HELLO):
                        respond(4)
                    with m.Case(Request.INFO):
                        respond(struct.calcsize(INFO_FORMAT))
                    with m.Case(Request.COUNTERS), m.If(self.settled):
                        respond(struct.calcsize(COUNTERS_FORMAT))
                    with m.Case(Request.ECHO):
                        respond(length)
                    with m.Case(Request.COMMIT):
                        m.d.sync += image_id.eq(arguments[:32])
                        respond(0)
                    with m.Case(Request.WRITE):
                        with m.If(region > Region.ACTIVATIONS):
                            fail(Error.BAD_REGION)
                        with m.Else():
                            m.d.comb += load.start.eq(1)
                            with m.If(region != Region.ACTIVATIONS):
                                m.d.sync += image_id.eq(0)
                            m.next = "WRITE"
                    with m.Case(Request.READ):
                        with m.If((count == 0) | too_many):
                            fail(Error.BAD_LENGTH)
                        with m.Elif(region != Region.RESULTS):
                            fail(Error.BAD_REGION)
                        with m.Elif(outside):
                            fail(Error.BAD_ADDRESS)
                        with m.Else():
                            m.next = "READ"
                    with m.Case(Request.RUN):
                        with m.If(image_id == 0):
                            fail(Error.NOT_COMMITTED)
                        with m.Elif(_exceeds(arguments[:32], configuration.program_words - 1)):
                            fail(Error.BAD_ADDRESS)
                        with m.Else():
                            m.next = "RUN"
            with m.State("WRITE"):
                m.d.comb += [
                    load.bytes.valid.eq(self.payload.valid), load.bytes.payload.eq(self.payload.payload),
                    self.payload.ready.eq(1),
                ]
                with m.If(self.payload.valid):
                    m.d.sync += [taken.eq(taken + 1), beyond.eq(beyond | load.overflow)]
                    with m.If(taken + 1 == length):
                        m.next = "WRITTEN"
            with m.State("WRITTEN"):
                with m.If(beyond):
                    fail(Error.BAD_ADDRESS)
                with m.Elif(load.partial):
                    fail(Error.BAD_LENGTH)
                with m.Else():
                    respond(0)
            with m.State("READ"):
                m.next = "READ_FIRST"
            with m.State("READ_FIRST"):  # the first beat is there now
                respond((count * configuration.beat_bytes)[:16])
            with m.State("RUN"):
                m.d.comb += self.runs.valid.eq(1)
                with m.If(self.runs.ready):
                    m.next = "RUNNING"
            with m.State("RUNNING"):
                with m.If(self.done):
                    m.d.sync += retired.eq(self.cycles)
                    with m.If(self.fault):
                        fail(Error.FAULT)
                    with m.Else():
                        respond(struct.calcsize("<Q"))
            with m.State("START"):
                m.d.comb += self.start.eq(1)
                m.next = "SEND"
            with m.State("SEND"):
                with m.If(self.reply.opcode == Request.ECHO | RESPONSE_BIT):
                    wiring.connect(m, wiring.flipped(self.payload), wiring.flipped(self.reply_payload))
                with m.Elif(self.reply.opcode == Request.READ | RESPONSE_BIT):
                    m.d.comb += [self.reply_payload.valid.eq(1), self.reply_payload.payload.eq(result_source)]
                with m.Else():
                    m.d.comb += [self.reply_payload.valid.eq(1), self.reply_payload.payload.eq(reply_source)]
                with m.If(self.sent):
                    m.d.comb += self.release.eq(1)
                    m.next = "IDLE"
        m.d.comb += self.active.eq(~fsm.ongoing("IDLE"))
        return m

    def _load_ports(self, m, region, address):
        """One load port that stands for the region's own."""
        load = LoadPort().create()
        ports = {Region.WEIGHTS: self.weights, Region.PROGRAM: self.program, Region.ACTIVATIONS: self.activations}
        for index, port in ports.items():
            m.d.comb += [
                port.address.eq(address), port.bytes.payload.eq(load.bytes.payload),
                port.start.eq(load.start & (region == index)),
                port.bytes.valid.eq(load.bytes.valid & (region == index)),
            ]
            with m.If(region == index):
                m.d.comb += [load.partial.eq(port.partial), load.overflow.eq(port.overflow)]
        return load

    def _fixed_reply(self, m, image_id, retired, error):
        """The byte of a short response that is to be sent next; `retired` leaves as it is sent."""
        configuration = self._configuration
        position = Signal(6)  # one ahead of the byte that is offered
        byte, offered = Signal(8), Signal(8)
        with m.If(~self.active):
            m.d.sync += position.eq(0)
        with m.Elif(self.start | self.reply_payload.ready):
            m.d.comb += self.counter_read.eq(1)
            m.d.sync += [position.eq(position + 1), offered.eq(byte), retired.eq(retired >> 8)]
        info = struct.pack(INFO_FORMAT, PROTOCOL_VERSION, configuration.maximum_payload, configuration.lanes,
                           configuration.depth, configuration.configuration_hash, self._build_id, 0,
                           configuration.clock_khz)
        known = [Const(byte, 8) for byte in info]
        known[24:28] = [image_id.word_select(index, 8) for index in range(4)]
        with m.Switch(self.reply.opcode):
            with m.Case(ERROR):
                m.d.comb += byte.eq(Mux(position == 0, error, self.request.opcode))
            with m.Case(Request.RUN | RESPONSE_BIT):
                m.d.comb += byte.eq(retired[:8])
            with m.Default():  # HELLO is the beginning of INFO
                m.d.comb += byte.eq(Array(known)[position])
        m.d.comb += self.counter_address.eq(position)
        return Mux(self.reply.opcode == Request.COUNTERS | RESPONSE_BIT, self.counter_byte, offered)

    def _results(self, m, address):
        """The byte of the result buffer that is to be sent next; the value after the current one is always ahead."""
        value, byte = Signal(32), Signal(2)
        following = Signal()
        with m.If(self.start):
            m.d.comb += following.eq(1)
        with m.Elif(self.active & self.sent):
            m.d.sync += [self.result_address.eq(address), self.result_value.eq(0)]
        with m.Elif(self.reply_payload.ready & self.reply_payload.valid):
            m.d.sync += [value.eq(value >> 8), byte.eq(byte + 1)]
            m.d.comb += following.eq(byte == 3)
        with m.If(following):
            m.d.sync += [value.eq(self.result_data), byte.eq(0), self.result_value.eq(self.result_value + 1)]
            with m.If(self.result_value == self._configuration.result_width - 1):
                m.d.sync += [self.result_value.eq(0), self.result_address.eq(self.result_address + 1)]
        return value[:8]


def _length_wrong(request: Request, length):
    """Whether a request of that kind cannot have a payload of that length."""
    if request is Request.ECHO:
        return Const(0)
    if request is Request.WRITE:
        return length <= ARGUMENT_BYTES[request]
    return length != ARGUMENT_BYTES.get(request, 0)


def _exceeds(value, limit):
    """Whether a value is greater than a constant, without a carry chain over all of its bits."""
    width = limit.bit_length()
    return value[width:].any() | (value[:width] > limit)
