"""hw.sequencer.sequencer: each instruction's three parts leave once, in order, whichever unit makes it wait.

Bounded: the program is loaded first, and no port shows what an induction would have to know about it then.
"""

import pytest
from amaranth.hdl import Array, Assert, Assume, Cat, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from tests.formal.proof import Verdict, bounded, kept
from tests.hw.configurations import small
from trine.firmware.instructions import INSTRUCTION_BYTES, Instruction, Opcode
from trine.hw.sequencer.sequencer import Sequencer

LATENCY = 4
"""Cycles from a run, or from an issue, to the next issue."""


class SequencerSpecification(wiring.Component):
    """Loads a program, then runs it from any entry in it or beyond, as often as there is time.

    Instruction `number` of a run is at entry + number. LATENCY cycles after the run was accepted, and after the last
    part of the instruction before was taken, its parts are offered, all at once and each until it is taken; or, if it
    is none, beyond the memory, or END, the run is ending. It is done when nothing is being stored.
    """

    byte: In(8)
    run: In(1)
    entry: In(4)
    fetches_ready: In(1)
    commands_ready: In(1)
    stores_ready: In(1)
    storing: In(1)

    def __init__(self, words, wrong=None):
        self._words, self._wrong = words, wrong
        self._dut = Sequencer(small(program_words=words))
        super().__init__()

    @property
    def depth(self):
        """Cycles: until everything is loaded, and 14, in which two instructions can be issued and the run end."""
        return INSTRUCTION_BYTES * self._words + 2 + 14

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        wrong = self._wrong
        content, loaded = self._load(m, dut)
        m.d.comb += [
            dut.runs.valid.eq(self.run & loaded), dut.runs.payload.eq(self.entry), dut.storing.eq(self.storing),
            dut.fetches.ready.eq(self.fetches_ready), dut.commands.ready.eq(self.commands_ready),
            dut.stores.ready.eq(self.stores_ready),
            Assume(~ResetSignal()), Assume(kept(m, dut.runs)),
        ]

        running, position, age = Signal(), Signal(5), Signal(range(LATENCY + 1))
        due = running & (age == LATENCY - (wrong == "latency"))
        instruction = Signal(Instruction)
        m.d.comb += instruction.eq(content[position + (wrong == "order")])
        inside = position < self._words
        valid = inside & ((instruction.reserved == 0) | (wrong == "reserved"))
        empty = (instruction.row_blocks == 0) | (instruction.chunks == 0)
        issue = valid & (instruction.opcode == Opcode.MATVEC) & ~empty
        issued = due & issue
        fault = ~valid | (instruction.opcode != Opcode.END)
        parts = {
            "fetches": {"address": instruction.weight_word, "row_blocks": instruction.row_blocks,
                        "chunks": instruction.chunks},
            "commands": {"row_blocks": instruction.row_blocks, "chunks": instruction.chunks,
                         "activation_chunk": instruction.activation_chunk},
            "stores": {None: instruction.result_beat},
        }
        all_taken, flags = 1, []
        for name, fields in parts.items():
            offered, taken = getattr(dut, name), Signal(name=f"{name}_taken")
            with m.If(offered.valid & offered.ready):
                m.d.sync += taken.eq(wrong != "once")
            all_taken &= taken | offered.ready
            m.d.comb += [Assert(kept(m, offered)), Assert(offered.valid == (issued & ~taken))]
            with m.If(offered.valid):
                for field, value in fields.items():
                    target = offered.payload if field is None else offered.payload[field]
                    m.d.comb += Assert(target == value[: len(target)])
            flags.append(taken)
        with m.If(age != LATENCY):
            m.d.sync += age.eq(age + 1)
        with m.If(issued & all_taken):
            m.d.sync += [position.eq(position + 1), age.eq(1), *(taken.eq(0) for taken in flags)]
        ending = due & ~issue
        done = ending & (~self.storing | (wrong == "done"))
        with m.If(done):
            m.d.sync += running.eq(0)
        with m.If(dut.runs.valid & dut.runs.ready):
            m.d.sync += [running.eq(1), position.eq(self.entry), age.eq(1)]
        m.d.comb += [
            Assert(dut.running == running), Assert(dut.runs.ready == ~running), Assert(dut.ending == ending),
            Assert(dut.done == done), Assert(Mux(done, dut.fault == fault, 1)),
        ]
        return m

    def _load(self, m, dut):
        """The instructions that are written from cycle 1 on; and 1 when all are."""
        count = INSTRUCTION_BYTES * self._words
        content = Signal(8 * count)
        cycle = Signal(range(count + 3))
        loaded = cycle == count + 2
        m.d.comb += [
            dut.start.eq(cycle == 0), dut.bytes.valid.eq((cycle != 0) & (cycle <= count)),
            dut.bytes.payload.eq(self.byte),
        ]
        with m.If(~loaded):
            m.d.sync += cycle.eq(cycle + 1)
        with m.If(dut.bytes.valid):
            m.d.sync += content.eq(Cat(content, self.byte)[8:])
        width = 8 * INSTRUCTION_BYTES
        return Array(content.word_select(index, width) for index in range(self._words)), loaded


@pytest.mark.parametrize("words", [1, 2])
def test_instructions(words):
    specification = SequencerSpecification(words)
    assert bounded(specification, specification.depth) is Verdict.PROVED


@pytest.mark.parametrize("wrong", ["latency", "order", "once", "reserved", "done"])
def test_wrong_specification(wrong):
    specification = SequencerSpecification(1, wrong)
    assert bounded(specification, specification.depth) is Verdict.REFUTED
