"""hw.memory.result_buffer: every beat of every store gets to its place, whatever pauses there are on both streams.

Bounded: no port shows what waits in the queue, so an induction would not know it.
"""

import pytest
from amaranth.hdl import Array, Assert, Assume, Module, Mux, ResetSignal, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from tests.formal.proof import Verdict, bounded, delayed, kept
from trine.hw.memory.result_buffer import ResultBuffer

BEATS = 4
WIDTH = 2
VALUE_BITS = 2
QUEUE = 8
LATENCY = 2
"""Cycles from a store to the first beat that is taken for it."""


class ResultBufferSpecification(wiring.Component):
    """Any stores within the buffer, any beats, at any time; reads of any address.

    A beat that comes LATENCY cycles after a store or later is taken for it, or for the one before while that lacks
    beats; any other is lost. Any one beat of any store is watched: it is the one that comes when as many have been
    taken as were asked for before it, and from then on it is read at its place, sign-extended, until another is written
    there; a read in the cycle of a write there is anything. The buffer is busy while a beat is to come. With `stall`,
    stores of one beat come in every cycle, and no beat before that cycle, but then always; stores are taken exactly
    while fewer than QUEUE wait.
    """

    store: In(1)
    beat: In(range(BEATS))
    count: In(3)
    result: In(1)
    values: In(data.ArrayLayout(signed(3), WIDTH))
    address: In(range(BEATS))
    value: In(range(WIDTH))
    watch: In(1)
    offset: In(range(BEATS))

    def __init__(self, wrong=None, stall=0):
        self._wrong, self._stall = wrong, stall
        self._dut = ResultBuffer(BEATS, WIDTH, VALUE_BITS, QUEUE)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        wrong = self._wrong
        count = self.count
        accepted = dut.stores.valid & dut.stores.ready
        m.d.comb += [
            dut.stores.valid.eq(self.store), dut.stores.payload.eq(self.beat),
            dut.results.valid.eq(self.result), dut.address.eq(self.address), dut.value.eq(self.value),
            *(value.eq(given) for value, given in zip(dut.results.payload, self.values, strict=True)),
            Assume(~ResetSignal()), Assume(kept(m, dut.stores)), Assume((count != 0) & (self.beat + count <= BEATS)),
        ]

        asked, taken = Signal(8), Signal(8)  # beats, before this cycle
        # Where the beat that comes is in its store: a memory of the stores' counts, one behind the other.
        counts = [Signal(3, name=f"count_{index}") for index in range(16)]
        tail, head, position = Signal(4), Signal(4), Signal(3)
        with m.If(accepted):
            m.d.sync += [Array(counts)[tail].eq(count), tail.eq(tail + 1)]
        last = position == Array(counts)[head] - 1
        arrived = Signal()
        with m.If(arrived):
            m.d.sync += position.eq(Mux(last, 0, position + 1))
            m.d.sync += head.eq(head + last)
        under_way = delayed(m, asked, LATENCY - 1 - (wrong == "latency")) != taken
        m.d.comb += [arrived.eq(self.result & (1 if wrong == "lost" else under_way)), dut.last.eq(last)]
        with m.If(accepted):
            m.d.sync += asked.eq(asked + count)
        with m.If(arrived):
            m.d.sync += taken.eq(taken + 1)
        m.d.comb += Assert(dut.busy == (asked != taken))
        if self._stall:
            cycle = Signal(range(self._stall + 1))
            with m.If(cycle != self._stall):
                m.d.sync += cycle.eq(cycle + 1)
            waiting = asked - taken - under_way
            m.d.comb += [
                Assume(self.store & (count == 1) & (self.result == (cycle == self._stall))),
                Assert(dut.stores.ready == (waiting < QUEUE - (wrong == "queue"))),
            ]

        # The watched beat, and the first one after it that goes to the same place.
        watching, number, place = Signal(), Signal(8), Signal(range(BEATS))
        covered, successor = Signal(), Signal(8)
        with m.If(accepted):
            with m.If(self.watch & ~watching):
                m.d.sync += [watching.eq(1), number.eq(asked + self.offset), place.eq(self.beat + self.offset)]
                m.d.comb += Assume(self.offset < count)
            with m.Elif(watching & ~covered & (place >= self.beat) & (place < self.beat + count)):
                m.d.sync += [covered.eq(wrong != "overwritten"), successor.eq(asked + place - self.beat)]
        written, expected = Signal(), Signal(data.ArrayLayout(signed(3), WIDTH))
        overwritten = covered & arrived & (taken == successor)
        with m.If(arrived & watching & (taken == number)):
            m.d.sync += written.eq(1)
            m.d.sync += [value.eq(given if wrong == "narrow" else given[:VALUE_BITS].as_signed())
                         for value, given in zip(expected, self.values, strict=True)]
        with m.If(overwritten):
            m.d.sync += written.eq(0)
        compared = delayed(m, written & ~overwritten & (self.address == place + (wrong == "place")), 1)
        value = delayed(m, self.value, 1)
        with m.If(compared):
            m.d.comb += Assert(dut.data == expected[value])
        return m


def test_results():
    """In the first 8 cycles."""
    assert bounded(ResultBufferSpecification(), depth=8) is Verdict.PROVED


def test_full():
    """In the first 24 cycles: the queue is full after 12, and comes round."""
    assert bounded(ResultBufferSpecification(stall=12), depth=24) is Verdict.PROVED


@pytest.mark.parametrize("wrong", ["latency", "lost", "narrow", "place"])
def test_wrong_specification(wrong):
    assert bounded(ResultBufferSpecification(wrong), depth=8) is Verdict.REFUTED


@pytest.mark.parametrize("wrong", ["queue", "overwritten"])
def test_wrong_specification_when_full(wrong):
    assert bounded(ResultBufferSpecification(wrong, stall=12), depth=24) is Verdict.REFUTED
