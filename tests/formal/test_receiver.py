"""hw.link.receiver: the payload of a request leaves once, in order and unchanged, whatever pauses its stream.

Bounded: one frame after reset. What a checksum has to be is not said here, only what follows when it is accepted.
"""

import pytest
from amaranth.hdl import Array, Assert, Assume, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from tests.formal.proof import Verdict, bounded, delayed, kept
from trine.firmware.link import CRC_BYTES, HEADER_BYTES, Error, Frame
from trine.hw.link.receiver import Receiver

LATENCY = 2
"""Cycles from a frame's last byte to the request, and from the request to its first byte."""


class ReceiverSpecification(wiring.Component):
    """One frame with any payload of `length` bytes and any CRC, its bytes as soon as they are taken.

    The request comes LATENCY cycles after the last byte and stays until `release`; its error is 0 or BAD_CRC. With
    error 0 byte n that leaves is byte n of the payload, the first LATENCY cycles later and then one whenever the one
    before has left, until all have. With an error none is offered. What is offered stays, except at `release`.
    """

    byte: In(8)
    ready: In(1)
    release: In(1)

    def __init__(self, length, wrong=None):
        self._length, self._wrong = length, wrong
        self._dut = Receiver(maximum_payload=4, timeout_cycles=100)
        super().__init__()

    @property
    def depth(self):
        """Cycles: until the request is there, and 6, in which its payload can leave with pauses."""
        return HEADER_BYTES + 10 + self._length + CRC_BYTES + LATENCY + 6

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        length, wrong = self._length, self._wrong
        frame_bytes = HEADER_BYTES + length + CRC_BYTES
        header = Array(Frame(0x08, 0x5A, bytes(length)).encode()[:HEADER_BYTES])
        position = Signal(range(frame_bytes + 1))
        byte = Mux(position < HEADER_BYTES, header[position], self.byte)
        sent = dut.i.valid & dut.i.ready
        m.d.comb += [
            dut.i.valid.eq(position != frame_bytes), dut.i.payload.eq(byte), dut.payload.ready.eq(self.ready),
            dut.release.eq(self.release & dut.valid), Assume(~ResetSignal()),
        ]
        with m.If(sent):
            m.d.sync += position.eq(position + 1)
        payload = [Signal(8, name=f"payload_{index}") for index in range(length)]
        for index, value in enumerate(payload):
            with m.If(sent & (position == HEADER_BYTES + index)):
                m.d.sync += value.eq(self.byte)

        waiting, taken = Signal(), Signal(range(length + 2))
        last = delayed(m, sent & (position == frame_bytes - 1), LATENCY - 1)
        with m.If(last):
            m.d.sync += waiting.eq(1)
        with m.If(dut.release):
            m.d.sync += waiting.eq(0)
        with m.If(dut.payload.valid & dut.payload.ready):
            m.d.sync += taken.eq(taken + 1)
        good = waiting & (dut.request.error == 0)
        late = delayed(m, delayed(m, good, LATENCY - 1 - (wrong == "latency")), 1) & good
        expected = Array([*payload, 0])[taken + (wrong == "order")]
        rule = kept(m, dut.payload) | (delayed(m, dut.release, 1) & (wrong != "release"))
        m.d.comb += [
            Assert(dut.valid == waiting),
            Assert(~waiting | (dut.request.error == 0) | (dut.request.error == Error.BAD_CRC)),
            Assert(rule), Assert(dut.payload.valid == (late & (taken != length))),
            Assert(~dut.payload.valid | (dut.payload.payload == expected)),
        ]
        return m


@pytest.mark.parametrize("length", [0, 2])
def test_payload(length):
    specification = ReceiverSpecification(length)
    assert bounded(specification, specification.depth) is Verdict.PROVED


@pytest.mark.parametrize("wrong", ["latency", "order", "release"])
def test_wrong_specification(wrong):
    specification = ReceiverSpecification(2, wrong)
    assert bounded(specification, specification.depth) is Verdict.REFUTED
