"""hw.array.adder_array: every result leaves, once, in order and unchanged, whatever pauses there are.

Bounded: from reset through loading two codes until results of several row blocks have left.
"""

import pytest
from amaranth.hdl import Array, Assert, Assume, Module, Mux, ResetSignal, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from tests.formal.proof import Verdict, bounded, delayed, kept
from tests.hw.configurations import small
from trine.hw.array.adder_array import AdderArray
from trine.hw.array.adder_tree import Trit

CHUNKS = 2
LANES = 2


class AdderArraySpecification(wiring.Component):
    """Loads two codes, then runs any commands on any weights, at any time.

    Any one result is watched: when as many beats have left as there are before it, it has to be among those that leave.
    No beat comes before its row block's last word; and it does come when the latency is over, or as soon as the beats
    before it have left. Readiness for words is announced a cycle before. While a command is under way, a word is taken,
    or `pacing` says that it is not.
    """

    byte: In(8)
    command: In(1)
    row_blocks: In(2)
    chunks: In(2)
    activation_chunk: In(1)
    word: In(data.ArrayLayout(Trit, LANES))
    word_valid: In(1)
    watch: In(1)
    lane: In(range(LANES))

    def __init__(self, result_width, wrong=None):
        self._configuration = small(lanes=LANES, depth=1, result_width=result_width, activation_chunks=CHUNKS,
                                    accumulator_bits=8, activation_bits=4)
        self._wrong = wrong
        self._dut = AdderArray(self._configuration)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        wrong = self._wrong
        width, beats = self._configuration.result_width, self._configuration.beats_per_row_block
        m.d.comb += Assume(~ResetSignal())
        codes, loaded = self._load(m, dut)
        m.d.comb += [
            dut.commands.valid.eq(self.command & loaded), dut.commands.payload.row_blocks.eq(self.row_blocks),
            dut.commands.payload.chunks.eq(self.chunks),
            dut.commands.payload.activation_chunk.eq(self.activation_chunk),
            dut.weights.valid.eq(self.word_valid), dut.weights.payload.eq(self.word),
            Assume(kept(m, dut.commands)), Assume(kept(m, dut.weights)),
            Assume((self.row_blocks != 0) & (self.chunks != 0) & (self.activation_chunk + self.chunks <= CHUNKS)),
            *(Assume(trit.nonzero | ~trit.negative) for trit in self.word),
        ]

        # The command that is under way, and where in it the next word is.
        active, row_block, chunk = Signal(), Signal(2), Signal(2)
        row_blocks, chunks, activation_chunk = Signal(2), Signal(2), Signal(1)
        accepted = dut.weights.valid & dut.weights.ready
        last = chunk == chunks - 1
        with m.If(accepted):
            m.d.sync += chunk.eq(Mux(last, 0, chunk + 1))
            with m.If(last):
                m.d.sync += [row_block.eq(row_block + 1), active.eq(row_block != row_blocks - 1)]
        with m.If(dut.commands.valid & dut.commands.ready):
            m.d.sync += [
                active.eq(1), row_block.eq(0), chunk.eq(0), row_blocks.eq(self.row_blocks), chunks.eq(self.chunks),
                activation_chunk.eq(self.activation_chunk),
            ]
        m.d.comb += [
            Assert(dut.active == (active if wrong != "active" else active | dut.commands.valid)),
            Assert(active & (wrong != "ready") | ~dut.weights.ready),
            Assert(~(active & dut.weights.valid) | (dut.weights.ready ^ (dut.pacing & (wrong != "pacing")))),
        ]

        # Its sums, and the one that is watched.
        sums = [Signal(signed(8), name=f"sum_{lane}") for lane in range(LANES)]
        code = codes[activation_chunk + chunk]
        after = [Mux(chunk == 0, 0, total) + Mux(trit.nonzero, Mux(trit.negative, -code, code), 0)
                 for total, trit in zip(sums, self.word, strict=True)]
        produced, taken = Signal(8), Signal(8)  # beats, before this cycle
        watching, number, expected, place = Signal(), Signal(8), Signal(signed(8)), Signal(range(LANES))
        finished = accepted & last
        with m.If(accepted):
            m.d.sync += [total.eq(value) for total, value in zip(sums, after, strict=True)]
        with m.If(finished):
            m.d.sync += produced.eq(produced + beats + (wrong == "count"))
        with m.If(finished & self.watch & ~watching):
            lane = self.lane ^ (wrong == "order")
            m.d.sync += [watching.eq(1), number.eq(produced + self.lane // width), place.eq(self.lane % width),
                         expected.eq(Array(after)[lane])]
        with m.If(dut.results.valid):
            m.d.sync += taken.eq(taken + 1)

        owed = delayed(m, produced, dut.latency - 1 - (wrong == "latency")) != taken
        m.d.comb += [
            Assert(dut.weights.ready == delayed(m, dut.ready_ahead, 1 + (wrong == "ahead"))),
            Assert(~dut.results.valid | (produced != taken)),
            Assert(dut.results.valid | ~owed),
        ]
        with m.If(watching & (number == taken) & dut.results.valid):
            m.d.comb += Assert(Array(dut.results.payload)[place] == expected)
        return m

    def _load(self, m, dut):
        """The codes that are written from cycle 1 on; and 1 when all are."""
        cycle = Signal(range(CHUNKS + 3))
        loaded = cycle == CHUNKS + 2
        codes = Array(Signal(signed(4), name=f"code_{index}") for index in range(CHUNKS))
        m.d.comb += [
            dut.start.eq(cycle == 0), dut.bytes.valid.eq((cycle != 0) & (cycle <= CHUNKS)),
            dut.bytes.payload.eq(self.byte),
        ]
        with m.If(~loaded):
            m.d.sync += cycle.eq(cycle + 1)
        with m.If(dut.bytes.valid):
            m.d.sync += codes[cycle - 1].eq(self.byte[:4].as_signed())
        return codes, loaded


@pytest.mark.parametrize("result_width", [1, 2])
def test_results(result_width):
    assert bounded(AdderArraySpecification(result_width), depth=17) is Verdict.PROVED


@pytest.mark.parametrize("wrong", ["count", "latency", "order", "ahead", "active", "ready", "pacing"])
def test_wrong_specification(wrong):
    assert bounded(AdderArraySpecification(1, wrong), depth=17) is Verdict.REFUTED
