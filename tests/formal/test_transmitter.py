"""hw.link.transmitter: a response's bytes leave once, in order and unchanged, framed as firmware.link says.

Bounded: no port shows the checksum that is under way.
"""

import zlib

import pytest
from amaranth.hdl import Array, Assert, Assume, Cat, Const, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from tests.formal.proof import Verdict, bounded, kept
from trine.firmware.link import CRC_BYTES, HEADER_BYTES, MAGIC, header_crc
from trine.hw.link.transmitter import Transmitter

OPCODE = 0x85


def affine(m, checksum, bits, data):
    """What `checksum` makes of the bytes in `data`: each bit of them inverts the same bits of it, whatever the rest."""
    data_bytes, result = len(data) // 8, Signal(bits)
    zero = checksum(bytes(data_bytes))
    changes = [zero ^ checksum((1 << index).to_bytes(data_bytes, "little")) for index in range(len(data))]
    m.d.comb += [
        result[place].eq((zero >> place & 1) ^ Cat(data[index] for index, change in enumerate(changes)
                                                   if change >> place & 1).xor()) for place in range(bits)
    ]
    return result


class TransmitterSpecification(wiring.Component):
    """Responses of `length` bytes, one after the other, of one opcode and with sequences up to 3, with any payload.

    Byte n that leaves is byte n of the frame. The header is offered from two cycles after `start` on, a byte of payload
    while one is there, the CRC after one cycle's pause, and nothing else; then the transmitter is idle. A byte of
    payload is taken when, and only when, it leaves. What is offered stays. `start` follows `idle` at once; in all but
    `pauses` cycles both sides are ready. With pauses, the CRC may be anything.
    """

    start: In(1)
    sequence: In(2)
    payload: In(8)
    payload_valid: In(1)
    ready: In(1)

    def __init__(self, length, pauses, wrong=None):
        self._length, self._pauses, self._wrong = length, pauses, wrong
        self._dut = Transmitter()
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        length, wrong = self._length, self._wrong
        frame_bytes = HEADER_BYTES + length + CRC_BYTES
        busy, sequence = Signal(), Signal(8)
        m.d.comb += [
            dut.start.eq(self.start & ~busy), dut.reply.length.eq(length),
            dut.reply.opcode.eq(OPCODE),
            dut.reply.sequence.eq(Mux(busy, sequence, self.sequence)),
            dut.payload.valid.eq(self.payload_valid), dut.payload.payload.eq(self.payload), dut.o.ready.eq(self.ready),
            Assume(~ResetSignal()), Assume(kept(m, dut.payload)),
        ]
        pauses = Signal(range(self._pauses + 2))
        m.d.sync += pauses.eq(pauses + (~self.payload_valid | ~self.ready))
        m.d.comb += Assume(self.start & (self.payload_valid & self.ready | (pauses != self._pauses)))
        with m.If(dut.start):
            m.d.sync += [busy.eq(1), sequence.eq(self.sequence)]

        # The frame; of its payload, what has come.
        payload = [Signal(8, name=f"payload_{index}") for index in range(length)]
        head = Cat(Const(MAGIC, 16), Const(OPCODE, 8), sequence, Const(length, 16))
        body = Cat(head, affine(m, header_crc, 16, head), *payload)
        checksum = affine(m, zlib.crc32, 32, body)
        frame = Cat(body, checksum ^ (1 << 31) if wrong == "checksum" else checksum)
        content = Array(frame.word_select(index, 8) for index in range(frame_bytes))

        position, pause = Signal(range(frame_bytes + 1)), Signal()
        sent = dut.o.valid & dut.o.ready
        in_payload = (position >= HEADER_BYTES) & (position < HEADER_BYTES + length)
        with m.If(dut.start):
            m.d.sync += pause.eq(wrong != "latency")
        with m.Elif(pause):
            m.d.sync += pause.eq(0)
        with m.If(sent):
            m.d.sync += [position.eq(position + 1), pause.eq(position == HEADER_BYTES + length - 1)]
            with m.If(position == frame_bytes - 1):
                m.d.sync += [position.eq(0), busy.eq(0)]
        for index, byte in enumerate(payload):
            with m.If(dut.payload.valid & dut.payload.ready & (position == HEADER_BYTES + index)):
                m.d.sync += byte.eq(self.payload)
        expected = Mux(in_payload, self.payload, content[position + (wrong == "order")])
        valid = busy & ~pause & (~in_payload | self.payload_valid)
        compared = dut.o.valid & ((position < HEADER_BYTES + length) if self._pauses else 1)
        m.d.comb += [
            Assert(kept(m, dut.o)), Assert(dut.idle == ~busy), Assert(dut.o.valid == valid),
            Assert(~compared | (dut.o.payload == expected)),
            Assert(dut.payload.ready == (busy & in_payload & self.ready) if wrong != "taken" else ~dut.payload.ready),
        ]
        return m


@pytest.mark.parametrize("length", [0, 2])
def test_bytes(length):
    """A frame with two pauses anywhere, until the transmitter is idle."""
    assert bounded(TransmitterSpecification(length, pauses=2), depth=length + 18) is Verdict.PROVED


@pytest.mark.parametrize("length", [0, 1])
def test_checksum(length):
    """A frame without pauses, until the transmitter is idle."""
    assert bounded(TransmitterSpecification(length, pauses=0), depth=length + 16) is Verdict.PROVED


@pytest.mark.parametrize("wrong", ["latency", "order", "taken"])
def test_wrong_specification(wrong):
    assert bounded(TransmitterSpecification(1, pauses=2, wrong=wrong), depth=21) is Verdict.REFUTED


def test_wrong_checksum():
    assert bounded(TransmitterSpecification(1, pauses=0, wrong="checksum"), depth=17) is Verdict.REFUTED
