"""Runs programs: fetches instructions and hands each to the units that execute it.

An instruction is split in three: which words the weight memory streams, what the array does with them, and where the
results go. Each unit takes its part when it is free, and the next instruction is fetched meanwhile, so instructions of
a few words and more follow each other without a gap.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from trine.firmware.configuration import Configuration
from trine.firmware.instructions import INSTRUCTION_BYTES, Instruction, Opcode
from trine.hw.array.command import chunk_bits, command_layout, row_block_bits
from trine.hw.memory.loader import NO_COLLISIONS, Loader
from trine.hw.memory.weight_memory import fetch_layout


class Sequencer(wiring.Component):
    """Program memory and instruction issue.

    Latency: four cycles from a run's acceptance to the first instruction's issue, four from one issue to the next.
    A run ends when END was reached, or a fault, and every result is stored.

    Members
    -------
    start, address, bytes, partial, overflow: load the program memory, in instructions (see Loader).
    runs: In, stream of entry addresses; accepted only while nothing runs. Beyond the memory, the run is a fault.
    fetches, commands, stores: Out, an instruction's three parts.
    storing: In, 1 while results are on their way into the result buffer.
    running: Out, 1 from the cycle after a run was accepted to the cycle of `done`.
    ending: Out, 1 while running and no further instruction will be issued.
    done: Out, 1 in the last cycle of a run. fault: Out, valid then: an instruction was none.
    """

    def __init__(self, configuration: Configuration):
        c = configuration
        self._words = c.program_words
        fetch = fetch_layout(c.weight_words, row_block_bits(c), chunk_bits(c))
        self._loader = Loader(self._words, banks=INSTRUCTION_BYTES // 4, bank_bytes=4)
        super().__init__({
            **self._loader.port,
            "runs": In(stream.Signature(unsigned(32))),
            "fetches": Out(stream.Signature(fetch)),
            "commands": Out(stream.Signature(command_layout(c))),
            "stores": Out(stream.Signature(range(max(c.result_beats, 2)))),
            "storing": In(1),
            "running": Out(1),
            "ending": Out(1),
            "done": Out(1),
            "fault": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.loader = loader = self._loader
        loader.serve(m, self)
        counter = Signal(range(self._words + 1))
        instruction = Signal(Instruction)
        outside = Signal()  # it was fetched from beyond the memory
        fetch = Signal()
        read_data = []
        for index in range(INSTRUCTION_BYTES // 4):
            bank = memory.Memory(shape=32, depth=self._words, init=[], attrs=NO_COLLISIONS)
            m.submodules[f"program_{index}"] = bank
            write, read = bank.write_port(), bank.read_port()
            m.d.comb += [
                write.addr.eq(loader.write_address), write.data.eq(loader.write_data),
                write.en.eq(loader.write_bank[index]),
                read.addr.eq(counter), read.en.eq(fetch),
            ]
            read_data.append(read.data)
        fetched = data.View(Instruction, Cat(*read_data))

        fetch_pending, command_pending, store_pending = Signal(), Signal(), Signal()
        m.d.comb += [
            self.fetches.valid.eq(fetch_pending), self.commands.valid.eq(command_pending),
            self.stores.valid.eq(store_pending),
            self.fetches.payload.address.eq(instruction.weight_word),
            self.fetches.payload.row_blocks.eq(instruction.row_blocks),
            self.fetches.payload.chunks.eq(instruction.chunks),
            self.commands.payload.row_blocks.eq(instruction.row_blocks),
            self.commands.payload.chunks.eq(instruction.chunks),
            self.commands.payload.activation_chunk.eq(instruction.activation_chunk),
            self.stores.payload.eq(instruction.result_beat),
        ]
        with m.If(self.fetches.ready):
            m.d.sync += fetch_pending.eq(0)
        with m.If(self.commands.ready):
            m.d.sync += command_pending.eq(0)
        with m.If(self.stores.ready):
            m.d.sync += store_pending.eq(0)
        issued = ((~fetch_pending | self.fetches.ready) & (~command_pending | self.commands.ready)
                  & (~store_pending | self.stores.ready))

        with m.FSM() as fsm:
            with m.State("IDLE"):
                m.d.comb += self.runs.ready.eq(1)
                with m.If(self.runs.valid):
                    entry = self.runs.payload
                    m.d.sync += [counter.eq(Mux(entry >= self._words, self._words, entry)), self.fault.eq(0)]
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += fetch.eq(1)
                m.next = "TAKE"
            with m.State("TAKE"):
                m.d.sync += [instruction.eq(fetched), outside.eq(counter >= self._words), counter.eq(counter + 1)]
                m.next = "DECODE"
            with m.State("DECODE"):
                invalid = (instruction.reserved != 0) | outside
                empty = (instruction.row_blocks == 0) | (instruction.chunks == 0)
                with m.If((instruction.opcode == Opcode.MATVEC) & ~empty & ~invalid):
                    m.d.sync += [fetch_pending.eq(1), command_pending.eq(1), store_pending.eq(1)]
                    m.next = "ISSUE"
                with m.Else():
                    m.d.sync += self.fault.eq((instruction.opcode != Opcode.END) | invalid)
                    m.next = "END"
            with m.State("ISSUE"):
                with m.If(issued):
                    m.next = "FETCH"
            with m.State("END"):
                m.d.comb += self.ending.eq(1)
                with m.If(~self.storing):
                    m.d.comb += self.done.eq(1)
                    m.next = "IDLE"
        m.d.comb += self.running.eq(~fsm.ongoing("IDLE"))
        return m
