"""hw.memory.weight_memory: the words of every fetch, in order, whatever pauses there are on both sides.

Bounded: the memory is loaded first, and no port shows what an induction would have to know about it then.
"""

import pytest
from amaranth.hdl import Array, Assert, Assume, Cat, Module, ResetSignal, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from tests.formal.proof import Verdict, bounded, delayed, kept
from trine.hw.memory.weight_memory import WeightMemory

WORDS = 3
SLICE_BITS = 2
LATENCY = 2
"""Cycles from the fetch to its first word."""


class WeightMemorySpecification(wiring.Component):
    """Loads every word, then fetches any words at any time.

    Any one word of any fetch is watched: when as many words have left as were asked for before it, it has to be the
    one. No word comes that nobody asked for; and one does come LATENCY cycles after its fetch, or as soon as the words
    before it have left. What is offered stays.
    """

    byte: In(8)
    fetch: In(1)
    address: In(2)
    row_blocks: In(2)
    chunks: In(2)
    ready: In(1)
    watch: In(1)
    offset: In(2)

    def __init__(self, lanes, wrong=None):
        self._lanes, self._wrong = lanes, wrong
        self._dut = WeightMemory(WORDS, lanes, SLICE_BITS)
        super().__init__()

    @property
    def depth(self):
        """Cycles: until everything is loaded, and 10 in which words are fetched."""
        return WORDS * self._lanes + 2 + 10

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        wrong = self._wrong
        m.d.comb += Assume(~ResetSignal())
        content, loaded = self._load(m, dut)

        count = self.row_blocks * self.chunks
        accepted = dut.fetches.valid & dut.fetches.ready
        sent = dut.weights.valid & dut.weights.ready
        m.d.comb += [
            dut.fetches.valid.eq(self.fetch & loaded), dut.fetches.payload.address.eq(self.address),
            dut.fetches.payload.row_blocks.eq(self.row_blocks), dut.fetches.payload.chunks.eq(self.chunks),
            dut.ready_ahead.eq(self.ready), dut.weights.ready.eq(delayed(m, self.ready, 1)),
            Assume(kept(m, dut.fetches)), Assume((count != 0) & (self.address + count <= WORDS)),
        ]

        asked, taken = Signal(8), Signal(8)  # words, before this cycle
        with m.If(accepted):
            m.d.sync += asked.eq(asked + count + (wrong == "count"))
        with m.If(sent):
            m.d.sync += taken.eq(taken + 1)
        stays = dut.weights.valid | ~delayed(m, dut.weights.valid, 1) if wrong == "stays" else kept(m, dut.weights)
        owed = delayed(m, asked, LATENCY - 1 - (wrong == "latency")) != taken
        m.d.comb += [
            Assert(stays),
            Assert(~dut.weights.valid | (asked != taken)),
            Assert(dut.weights.valid | ~owed),
        ]

        watching, number, word = Signal(), Signal(8), Signal(2)
        with m.If(accepted & self.watch & ~watching):
            m.d.sync += [watching.eq(1), number.eq(asked + self.offset), word.eq(self.address + self.offset)]
            m.d.comb += Assume(self.offset < count)
        with m.If(watching & (number == taken) & dut.weights.valid):
            m.d.comb += Assert(dut.weights.payload.as_value() == content[word + (wrong == "content")])
        return m

    def _load(self, m, dut):
        """The words that are written from cycle 1 on, a byte a slice; and 1 when all are."""
        slices = WORDS * self._lanes
        content = Signal(unsigned(SLICE_BITS * slices))
        cycle = Signal(range(slices + 3))
        loaded = cycle == slices + 2
        m.d.comb += [
            dut.start.eq(cycle == 0), dut.bytes.valid.eq((cycle != 0) & (cycle <= slices)),
            dut.bytes.payload.eq(self.byte),
        ]
        with m.If(~loaded):
            m.d.sync += cycle.eq(cycle + 1)
        with m.If(dut.bytes.valid):
            m.d.sync += content.eq(Cat(content, self.byte[:SLICE_BITS])[SLICE_BITS:])
        width = SLICE_BITS * self._lanes
        return Array(content.word_select(word, width) for word in range(WORDS)), loaded


@pytest.mark.parametrize("lanes", [1, 2])
def test_words(lanes):
    specification = WeightMemorySpecification(lanes)
    assert bounded(specification, specification.depth) is Verdict.PROVED


@pytest.mark.parametrize("wrong", ["stays", "count", "latency", "content"])
def test_wrong_specification(wrong):
    specification = WeightMemorySpecification(1, wrong)
    assert bounded(specification, specification.depth) is Verdict.REFUTED
