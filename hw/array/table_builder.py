"""Builds the tables of partial sums of one chunk after another.

For each group of activations one adder walks the upper half of the reflected ternary Gray code (golden.packing), from
zero, one activation more or less at each step, so that entry i of a table is the sum that code i stands for. All groups
walk at the same time. The activations come from a memory that gives one activation of every group at once, so that
choosing the next one is an address and costs no multiplexer.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from trine.firmware.configuration import Configuration
from trine.golden.packing import gray_walk
from trine.hw.array.arithmetic import add, complement
from trine.hw.array.command import command_layout, row_block_bits
from trine.hw.last_of import LastOf


def table_layout(configuration: Configuration) -> data.StructLayout:
    """A chunk whose tables are ready: how many row blocks are to be looked up, whether it is its product's first or
    last chunk."""
    return data.StructLayout({"row_blocks": row_block_bits(configuration), "first": 1, "last": 1})


class _Stage(data.Struct):
    """What a stage of the pipeline holds: a step of the walk, or its start, a zero that is not written."""

    step: unsigned(1)
    start: unsigned(1)


class TableBuilder(wiring.Component):
    """Writes the tables of the chunks of commands, in order.

    Formula: entry i of group g = gray_walk[i] . activations of the group, i = 1 .. steps; entry 0 is not written.
    Latency: the first entry is written `latency` cycles after a command was accepted, if tables are free; throughput:
    an entry of every table a cycle, chunk after chunk with one cycle between them, in which nothing is written.
    A table is written only while it is free: at most `banks` are built or looked up at the same time. The pipeline is
    filled beforehand, so that the first entry is written in the very cycle in which its table has become free.

    Members
    -------
    commands: In, stream of commands; one is accepted after the last tables of the one before were taken.
    address, enable: Out, activation memory: the chunk in the low bits, the digit of each group above them.
    codes: In, the activations at the address of the enabled cycle before: one of each group.
    write, write_address, entries: Out, see TableLane.
    tables: Out, stream of `table_layout`: offered so early that words may be taken from the cycle after on, if they are
        looked up in the cycle after they are taken, or, with two banks, in the same. What is offered stays for as long
        as the tables before it are in use; with two banks it has to be taken within steps // 2 - 6 cycles from then.
    release: In, 1 in the cycle in which the word of the last lookup in a table is taken.
    active: Out, 1 while tables of a command are still to be taken.
    """

    def __init__(self, configuration: Configuration):
        self._configuration = configuration
        codec = configuration.codec
        self._walk = gray_walk(codec.trits_per_code)
        self._digits = codec.trits_per_code
        self._banks = configuration.table_banks
        self._index_bits = codec.bits_per_code - 1
        groups = configuration.codes_per_slice
        self._entries = data.ArrayLayout(signed((128 * self._digits).bit_length() + 1), groups)
        super().__init__({
            "commands": In(stream.Signature(command_layout(configuration))),
            "address": Out(unsigned(configuration.activation_chunk_bits + (self._digits - 1).bit_length())),
            "enable": Out(1),
            "codes": In(data.ArrayLayout(signed(8), groups)),
            "write": Out(1),
            "write_address": Out(unsigned(self._index_bits + self._banks - 1)),
            "entries": Out(self._entries),
            "tables": Out(stream.Signature(table_layout(configuration))),
            "release": In(1),
            "active": Out(1),
        })

    @property
    def latency(self) -> int:
        """Cycles from a command to the first entry that is written."""
        return 6

    @property
    def steps(self) -> int:
        """Entries that are written for a chunk."""
        return len(self._walk) - 1

    def elaborate(self, platform):
        m = Module()
        # The same twice, for the pipeline with its hundreds of flip-flops and for what counts in front of it; one is
        # inverted, lest they be made one again. An iCE40's pipeline is short.
        advance, waits = Signal(init=1), Signal()
        proceed = ~waits if self._banks == 1 else advance
        m.d.comb += self.enable.eq(advance)
        step, stage, chunk = self._sequence(m, proceed)

        # Stage by stage: the move is known, its codes are read, its codes are there, its entries are written.
        moves = [0, *(self._move(index) for index in range(1, self.steps + 1))]
        m.submodules.moves = walk = memory.Memory(shape=1 + (self._digits - 1).bit_length(),
                                                  depth=1 << self.steps.bit_length(), init=moves,
                                                  attrs={"ram_style": "block"} if self.steps > 16 else {})
        move = walk.read_port()
        known, read, there, written = (Signal(_Stage, name=name) for name in ("known", "read", "there", "written"))
        read_negative, negative = Signal(reset_less=True), Signal(reset_less=True)
        addends = Signal(self.codes.shape(), reset_less=True)
        entries = Signal(self._entries, reset_less=True)
        m.d.comb += [
            move.addr.eq(step), move.en.eq(advance),
            self.address.eq(Cat(chunk, move.data[1:])), self.entries.eq(entries),
        ]
        # A difference adds the code's complement, and one. Where the complement is made depends on what the part gives
        # for nothing: an ECP5 in its carry cells, and a register behind its block RAM; an iCE40 in front of a register.
        early = self._banks > 1  # as in TableLane
        with m.If(advance):
            m.d.sync += [known.eq(stage), read.eq(known), there.eq(read), written.eq(there)]
            m.d.sync += [read_negative.eq(move.data[0]), negative.eq(read_negative)]
            for code, addend, entry in zip(self.codes, addends, entries, strict=True):
                m.d.sync += addend.eq(complement(code, read_negative) if early else code)
                operand = addend if early else complement(addend, negative)
                m.d.sync += entry.eq(add(entry, operand, negative))
        with m.If(there.start):  # which is never held back, so that a flip-flop's own reset will do
            m.d.sync += [entry.eq(0) for entry in entries]

        # Which tables are free, which are ready. Whether the pipeline advances and whether it writes is decided a cycle
        # ahead: both go to every table.
        first = Signal()  # the first entry of a table is at `written`
        built = Signal(range(self._banks + 1))  # tables written and not free again
        index, bank = Signal(self._index_bits), Signal(init=1)
        ready = written.step & (index == self.steps - 3 + self._banks)  # see `tables`
        following_built, following_first, following_step = Signal.like(built), Signal(), Signal()
        proceeds = Signal()  # in the next cycle
        m.d.comb += [
            following_built.eq(built + ready - self.release),
            following_first.eq(Mux(advance, written.start, first)),
            following_step.eq(Mux(advance, there.step, written.step)),
            proceeds.eq(~following_first | (following_built != self._banks)),
            self.write_address.eq(Cat(index, bank) if self._banks > 1 else index),
        ]
        m.d.sync += [
            built.eq(following_built), first.eq(following_first), advance.eq(proceeds), waits.eq(~proceeds),
            self.write.eq(following_step & proceeds),
        ]
        with m.If(advance):
            m.d.sync += index.eq(index + 1)
        with m.If(there.start):
            m.d.sync += [index.eq(0), bank.eq(~bank)]
        with m.If(ready):
            m.d.sync += self.tables.valid.eq(1)
        with m.Elif(self.tables.ready):
            m.d.sync += self.tables.valid.eq(0)
        return m

    def _move(self, index: int) -> int:
        """Step `index` of the walk: bit 0 negative, above it the digit that changes."""
        change = self._walk[index] - self._walk[index - 1]
        digit = int(abs(change).argmax())
        return digit << 1 | int(change[digit] < 0)

    def _sequence(self, m, proceed):
        """Counts steps and chunks: the number of the step that enters the pipeline, its stage, and the chunk of the
        step before it, whose move is known."""
        step, stage = Signal(range(self.steps + 1)), Signal(_Stage)
        running = Signal()
        layout = command_layout(self._configuration)
        m.submodules.chunks = chunks = LastOf(layout["chunks"].width)
        chunk, chunk_first = Signal(layout["activation_chunk"].shape, reset_less=True), Signal(reset_less=True)
        row_blocks = Signal(layout["row_blocks"].shape, reset_less=True)
        table = self.tables.payload
        taken = self.tables.valid & self.tables.ready & table.last
        begin = self.commands.valid & self.commands.ready
        ends = Signal()  # the last step of a chunk is taken
        m.d.comb += [
            self.commands.ready.eq(~self.active),
            stage.start.eq(running & (step == 0)), stage.step.eq(running & (step != 0)),
            table.row_blocks.eq(row_blocks),
        ]
        if self._banks > 1:
            m.d.comb += [
                ends.eq(running & proceed & (step == self.steps)),
                chunks.begin.eq(begin), chunks.count.eq(self.commands.payload.chunks), chunks.step.eq(ends),
            ]
        else:  # The last step is told a cycle ahead, and the counter of chunks hears of everything a cycle late.
            step_last, ended, begun = Signal(), Signal(), Signal()
            count = Signal(layout["chunks"].shape, reset_less=True)
            m.d.comb += [
                ends.eq(running & proceed & step_last),
                chunks.begin.eq(begun), chunks.count.eq(count), chunks.step.eq(ended),
            ]
            m.d.sync += [begun.eq(begin), ended.eq(ends)]
            with m.If(running & proceed):
                m.d.sync += step_last.eq(step == self.steps - 1)
            with m.If(begin):
                m.d.sync += count.eq(self.commands.payload.chunks)
        with m.If(taken):
            m.d.sync += self.active.eq(0)
        with m.If(running & proceed):
            m.d.sync += step.eq(step + 1)
            with m.If(ends):
                m.d.sync += [step.eq(0), chunk_first.eq(0), running.eq(~chunks.last)]
            with m.If((step == 0) & ~chunk_first):  # now the last step's move is known, which still needed the old one
                m.d.sync += chunk.eq(chunk + 1)
            # Late enough for the tables before to be taken, and in time for these.
            with m.If(step == self.steps // 2):
                m.d.sync += [table.first.eq(chunk_first), table.last.eq(chunks.last)]
        with m.If(begin):
            new = self.commands.payload
            m.d.sync += [
                self.active.eq(1), running.eq(1), chunk.eq(new.activation_chunk), row_blocks.eq(new.row_blocks),
                chunk_first.eq(1),
            ]
        return step, stage, chunk

