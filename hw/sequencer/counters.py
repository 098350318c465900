"""Where the cycles go: one counter for all of them and one for each cause (firmware.counters).

Eight counters of 64 bits, a byte of which is read at a time, are 512 flip-flops, as many adder cells and a multiplexer
of 512 to 8: 950 LUT4 of an ECP5, a third of all that is not array. Here the counters lie in a memory of 64 bytes, and
one adder goes through it again and again; what a counter gains between two visits waits in seven bits of its own.
"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from trine.firmware.counters import COUNTER_NAMES
from trine.hw.memory.loader import NO_COLLISIONS

BYTES = 8
"""Of a counter."""
PASS = BYTES * len(COUNTER_NAMES)
"""Cycles in which every counter is visited once: a byte a cycle."""


class CycleCounters(wiring.Component):
    """Counts each cycle once in `cycles` and once in the cause that comes first in this order.

    busy: a weight word is accepted. While a program runs, then: drain, if the array is pacing or done with the
    program's last word; table_build, if a word waits for a table; else weight_stall. Otherwise: link_stall or idle. The
    cause activation_stall stays 0: every array holds all activations of an instruction.

    The counters can be read while they are held, from `settled` on: within 2 * PASS + 4 cycles. They are 64 bits wide
    and wrap. A reset clears them; the memory need not be initialised.

    Members
    -------
    word: In, the array accepts a word. pacing, building: In, the array's. array_idle: In, it has no command.
    running, ending: In, the sequencer's. linked: In, a frame is under way. hold: In, this cycle is not counted.
    cycles: Out, the first counter as it is; a cycle shows in it two cycles later.
    settled: Out, 1 when everything counted is in the memory, until `hold` ends.
    address: In, the byte to read: those of COUNTERS_FORMAT in their order. read: In, read it; only while settled.
    byte: Out, the byte that was read last.
    """

    word: In(1)
    pacing: In(1)
    building: In(1)
    array_idle: In(1)
    running: In(1)
    ending: In(1)
    linked: In(1)
    hold: In(1)
    cycles: Out(64)
    settled: Out(1)
    address: In(range(PASS))
    read: In(1)
    byte: Out(8)

    def __init__(self):
        self._bytes = memory.MemoryData(shape=8, depth=PASS, init=[])
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        counted = self._causes(m)
        with m.If(counted["cycles"]):
            m.d.sync += self.cycles.eq(self.cycles + 1)

        m.submodules.store = store = memory.Memory(self._bytes, attrs=NO_COLLISIONS)
        read, write = store.read_port(), store.write_port()
        position = Signal(range(PASS))  # the byte that is read
        place = Signal(range(PASS))  # the byte that was read, and is written
        visiting = Signal()
        ends = visiting & (place == PASS - 1)
        first = Signal(init=1)  # pass since the reset
        quiet = Signal()  # since this pass began, nothing was counted that it does not see
        held = Signal(2)  # for so many cycles; what was counted before is pending after two
        m.d.sync += [
            held.eq(Cat(self.hold, self.hold & held[0])), place.eq(position), visiting.eq(~self.settled),
        ]
        with m.If(self.settled):
            m.d.sync += position.eq(0)
        with m.Else():
            m.d.sync += position.eq(position + 1)
        with m.If(ends):
            m.d.sync += [first.eq(0), quiet.eq(held.all()), self.settled.eq(quiet)]
            with m.If(quiet):
                m.d.sync += [position.eq(0), visiting.eq(0)]
        with m.If(~self.hold):
            m.d.sync += [quiet.eq(0), self.settled.eq(0)]

        lowest = place % BYTES == 0
        pending = self._pending(m, counted, visiting & lowest, place // BYTES)
        carry, total = Signal(), Signal(9)
        m.d.comb += [
            read.en.eq(~self.settled | self.read),
            read.addr.eq(Mux(self.settled, self.address, position)),
            total.eq(Mux(first, 0, read.data) + Mux(lowest, pending, carry)),
            write.en.eq(visiting), write.addr.eq(place), write.data.eq(total),
            self.byte.eq(read.data),
        ]
        m.d.sync += carry.eq(total[8])
        return m

    def _causes(self, m):
        """Whether the cycle before counts, by counter."""
        counted = {name: Signal(name=name) for name in COUNTER_NAMES}
        m.d.sync += [flag.eq(0) for flag in counted.values()]
        m.d.sync += counted["cycles"].eq(~self.hold)
        with m.If(self.hold):
            pass
        with m.Elif(self.word):
            m.d.sync += counted["busy"].eq(1)
        with m.Elif(self.running & (self.pacing | (self.ending & self.array_idle))):
            m.d.sync += counted["drain"].eq(1)
        with m.Elif(self.running & self.building):
            m.d.sync += counted["table_build"].eq(1)
        with m.Elif(self.running):
            m.d.sync += counted["weight_stall"].eq(1)
        with m.Elif(self.linked):
            m.d.sync += counted["link_stall"].eq(1)
        with m.Else():
            m.d.sync += counted["idle"].eq(1)
        return counted

    def _pending(self, m, counted, taken, index):
        """What counter `index` gained since it was `taken` last: at most a pass and what lies between two."""
        pending = Signal(data.ArrayLayout(unsigned((2 * PASS - 1).bit_length()), len(COUNTER_NAMES)))
        for number, (waiting, name) in enumerate(zip(pending, COUNTER_NAMES, strict=True)):
            if name == "activation_stall":
                continue  # never counted
            m.d.sync += waiting.eq(Mux(taken & (index == number), 0, waiting) + counted[name])
        return Array(pending)[index]
