"""A bare array: array, weight memory and result buffer behind a handful of pins, for comparing arrays.

There is no link, no program and no counter, so that what is routed is the engine alone: `engine_lut` of a report
(docs/reference.md). It is the same array and WeightMemory as in an Accelerator, and can be driven: it computes.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out, connect

from trine.firmware.configuration import Configuration
from trine.hw.array.command import chunk_bits, command_layout, row_block_bits
from trine.hw.array.ternary_array import make_array
from trine.hw.memory.result_buffer import ResultBuffer
from trine.hw.memory.weight_memory import WeightMemory


class Target(enum.Enum, shape=2):
    """What the bytes on `i` are for."""

    WEIGHTS = 0
    ACTIVATIONS = 1
    COMMAND = 2
    """six bytes: row_blocks u16, chunks u16, activation_chunk u16; starts a product with the weights from word 0"""
    RESULTS = 3
    """none: `o` gives the result buffer's bytes, int32 little-endian"""


class BareArray(wiring.Component):
    """The array of a configuration with its weight memory.

    Members
    -------
    target: In, a Target. start: In, begin at the target's first word, byte or beat, with the next cycle.
    i: In, bytes to the target. o: Out, bytes of results. busy: Out, 1 while a product is under way.
    """

    target: In(Target)
    start: In(1)
    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))
    busy: Out(1)

    def __init__(self, configuration: Configuration):
        self._configuration = configuration
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        c = self._configuration
        m.submodules.weights = weights = WeightMemory(c.weight_words, c.lanes, c.slice_bits, c.weight_storage,
                                                      row_block_bits(c), chunk_bits(c))
        m.submodules.array = array = make_array(c)
        m.submodules.results = results = ResultBuffer(c.result_beats, c.result_width, c.accumulator_bits, queue=1)
        connect(m, weights.weights, array.weights)
        connect(m, array.results, results.results)
        m.d.comb += [weights.ready_ahead.eq(array.ready_ahead), results.last.eq(array.last)]

        for target, memory in ((Target.WEIGHTS, weights), (Target.ACTIVATIONS, array)):
            m.d.comb += [
                memory.start.eq(self.start & (self.target == target)),
                memory.bytes.payload.eq(self.i.payload), memory.bytes.valid.eq(self.i.valid & (self.target == target)),
            ]

        # A command goes to array, weight memory and result buffer when the one before is done with all three; to a
        # weight memory of many block RAMs, far from the array, a cycle later, from registers beside it.
        command = Signal(command_layout(c), reset_less=True)
        taken, issue = Signal(range(7)), Signal()  # bytes of a command
        complete = taken[1:].all()
        m.d.sync += issue.eq(complete & ~results.busy & ~issue)  # the other two are free then as well, and remain so
        m.d["comb" if c.weight_storage == "single-port" else "sync"] += [
            weights.fetches.payload.row_blocks.eq(command.row_blocks),
            weights.fetches.payload.chunks.eq(command.chunks), weights.fetches.valid.eq(issue),
        ]
        m.d.comb += [
            array.commands.payload.eq(command), array.commands.valid.eq(issue), results.stores.valid.eq(issue),
            self.i.ready.eq((self.target != Target.COMMAND) | ~complete),
            self.busy.eq(results.busy | complete),
        ]
        with m.If(self.start | issue):
            m.d.sync += taken.eq(0)
        with m.Elif(self.i.valid & self.i.ready & (self.target == Target.COMMAND)):
            m.d.sync += taken.eq(taken + 1)
            fields = (command.row_blocks, command.chunks, command.activation_chunk)
            for number, part in enumerate(part for field in fields for part in (field[:8], field[8:])):
                with m.If(taken == number):
                    m.d.sync += part.eq(self.i.payload)

        value, byte = Signal(range(max(c.result_width, 2))), Signal(2)
        fresh = Signal()  # the value at the address is on the read port
        m.d.comb += [
            results.value.eq(value), self.o.payload.eq(results.data.as_unsigned().word_select(byte, 8)),
            self.o.valid.eq(fresh & (self.target == Target.RESULTS)),
        ]
        m.d.sync += fresh.eq(1)
        with m.If(self.start):
            m.d.sync += [results.address.eq(0), value.eq(0), byte.eq(0), fresh.eq(0)]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += byte.eq(byte + 1)
            with m.If(byte == 3):
                m.d.sync += [value.eq(value + 1), fresh.eq(0)]
                with m.If(value == c.result_width - 1):
                    m.d.sync += [results.address.eq(results.address + 1), value.eq(0)]
        return m
