"""hw.memory.weight_memory: the words of every fetch, in order, whatever pauses there are on both sides.

Bounded: no port shows what an induction would have to know about the memory. It is loaded before it is read, or loaded
and read at once.
"""

import pytest
from amaranth.hdl import Array, Assert, Assume, Cat, Module, Mux, ResetSignal, Signal, unsigned
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

    def __init__(self, lanes, wrong=None, storage="block", slice_bits=SLICE_BITS):
        self._lanes, self._slice_bits, self._wrong = lanes, slice_bits, wrong
        self._single_port = storage == "single-port"
        self._dut = WeightMemory(WORDS, lanes, slice_bits, storage)
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
        stored, loaded = self._load(m, dut)

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
        defined, content = stored(word + (wrong == "content"))
        with m.If(watching & (number == taken) & dut.weights.valid & defined):
            m.d.comb += Assert(dut.weights.payload.as_value() == content)
        return m

    def _load(self, m, dut):
        """Writes every word from cycle 1 on, a byte a slice.

        Returns what a word has to be that is offered in this cycle, if anything, and 1 once words may be fetched.
        """
        slices = WORDS * self._lanes
        content = Signal(unsigned(self._slice_bits * slices))
        cycle = Signal(range(slices + 3))
        loaded = cycle == slices + 2
        m.d.comb += [
            dut.start.eq(cycle == 0), dut.bytes.valid.eq((cycle != 0) & (cycle <= slices)),
            dut.bytes.payload.eq(self.byte),
        ]
        with m.If(~loaded):
            m.d.sync += cycle.eq(cycle + 1)
        with m.If(dut.bytes.valid):
            m.d.sync += content.eq(Cat(content, self.byte[: self._slice_bits])[self._slice_bits :])
        words = Array(content.word_select(word, self._slice_bits * self._lanes) for word in range(WORDS))
        return lambda word: (1, words[word]), loaded


class LoadedWeightMemorySpecification(WeightMemorySpecification):
    """Fetches any words while any are loaded, at any time.

    A word is read in the cycle before the first in which it is offered, and is then what the memory holds; anything
    else about it is as ever. It may be anything if it has not been loaded, or a bank of it is written in that cycle;
    with single-port RAM, a bank of any word.
    """

    load: In(1)
    load_address: In(2)
    byte_valid: In(1)
    follow: In(2)

    depth = 9
    """Cycles: a word of four bytes can be loaded and offered in seven."""

    def _load(self, m, dut):
        word_bytes = self._lanes * self._slice_bits // 8
        bank_bytes = 2 if self._single_port else word_bytes
        begun, chosen, followed = Signal(), Signal(2), Signal(2)  # any one word, whose content is known
        m.d.comb += followed.eq(Mux(begun, chosen, self.follow))
        m.d.sync += [begun.eq(1), chosen.eq(followed)]
        content, known = Signal(8 * word_bytes), Signal(word_bytes // bank_bytes)
        m.d.comb += [
            dut.start.eq(self.load), dut.address.eq(self.load_address), dut.bytes.valid.eq(self.byte_valid),
            dut.bytes.payload.eq(self.byte), Assume(~(self.load & self.byte_valid)),
        ]
        word, place = Signal(range(WORDS + 1)), Signal(range(word_bytes))
        came = Signal(8 * bank_bytes)
        taken = self.byte_valid & (word != WORDS)
        with m.If(taken):
            m.d.sync += [came.eq(Cat(came, self.byte)[8:]), place.eq(Mux(place == word_bytes - 1, 0, place + 1))]
            m.d.sync += word.eq(word + (place == word_bytes - 1))
        with m.If(self.load):
            m.d.sync += [word.eq(self.load_address), place.eq(0)]

        # A bank is written in the cycle after its last byte, and to be read in the one after that.
        written = delayed(m, taken & (place % bank_bytes == bank_bytes - 1), 1)
        written_word, written_bank = delayed(m, word, 1), delayed(m, place // bank_bytes, 1)
        with m.If(written & (written_word == followed)):
            m.d.sync += content.word_select(written_bank, 8 * bank_bytes).eq(came)
            m.d.sync += known.bit_select(written_bank, 1).eq(1)
        first = ~delayed(m, dut.weights.valid & ~dut.weights.ready, 1)
        spoilt = written & ((written_word == followed) | (self._single_port and self._wrong != "collision"))
        defined = first & delayed(m, known.all() & ~spoilt, 1)
        expected = delayed(m, content, 1)

        def stored(word):
            return defined & (word == followed), expected

        return stored, 1


@pytest.mark.parametrize("lanes", [1, 2])
def test_words(lanes):
    specification = WeightMemorySpecification(lanes)
    assert bounded(specification, specification.depth) is Verdict.PROVED


def test_words_single_port():
    specification = WeightMemorySpecification(2, storage="single-port", slice_bits=8)
    assert bounded(specification, specification.depth) is Verdict.PROVED


@pytest.mark.parametrize(("storage", "slice_bits"), [("block", 8), ("single-port", 8), ("single-port", 16)])
def test_words_while_loading(storage, slice_bits):
    """Banks are of 16 bits: one to a word, or two."""
    specification = LoadedWeightMemorySpecification(2, storage=storage, slice_bits=slice_bits)
    assert bounded(specification, specification.depth) is Verdict.PROVED


@pytest.mark.parametrize("wrong", ["stays", "count", "latency", "content"])
def test_wrong_specification(wrong):
    specification = WeightMemorySpecification(1, wrong)
    assert bounded(specification, specification.depth) is Verdict.REFUTED


@pytest.mark.parametrize("wrong", ["content", "collision"])
def test_wrong_specification_while_loading(wrong):
    specification = LoadedWeightMemorySpecification(2, wrong, "single-port", slice_bits=8)
    assert bounded(specification, specification.depth) is Verdict.REFUTED
