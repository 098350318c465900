"""Where the cycles go: one counter for all of them and one for each cause (firmware.counters)."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from trine.firmware.counters import CAUSES, COUNTER_NAMES


class CycleCounters(wiring.Component):
    """Counts each cycle once in `cycles` and once in the cause that comes first in this order.

    busy: a weight word is accepted. While a program runs, then: drain, if the array is pacing or done with the
    program's last word; table_build, if a word waits for a table; else weight_stall. Otherwise: link_stall or idle. The
    cause activation_stall stays 0: every array holds all activations of an instruction.
    Latency: a cycle shows in the counters two cycles later.

    Members
    -------
    word: In, the array accepts a word. pacing, building: In, the array's. array_idle: In, it has no command.
    running, ending: In, the sequencer's. linked: In, a frame is under way. hold: In, this cycle is not counted.
    counters: Out, all of them, in the order of COUNTER_NAMES, 64 bits each, wrapping.
    """

    word: In(1)
    pacing: In(1)
    building: In(1)
    array_idle: In(1)
    running: In(1)
    ending: In(1)
    linked: In(1)
    hold: In(1)
    counters: Out(data.ArrayLayout(unsigned(64), len(COUNTER_NAMES)))

    def elaborate(self, platform):
        m = Module()
        cause = {name: Signal(name=name) for name in CAUSES}
        m.d.sync += [flag.eq(0) for flag in cause.values()]
        with m.If(self.hold):
            pass
        with m.Elif(self.word):
            m.d.sync += cause["busy"].eq(1)
        with m.Elif(self.running & (self.pacing | (self.ending & self.array_idle))):
            m.d.sync += cause["drain"].eq(1)
        with m.Elif(self.running & self.building):
            m.d.sync += cause["table_build"].eq(1)
        with m.Elif(self.running):
            m.d.sync += cause["weight_stall"].eq(1)
        with m.Elif(self.linked):
            m.d.sync += cause["link_stall"].eq(1)
        with m.Else():
            m.d.sync += cause["idle"].eq(1)

        counted = Signal()
        m.d.sync += counted.eq(~self.hold)
        for name, counter in zip(COUNTER_NAMES, self.counters, strict=True):
            with m.If(cause.get(name, counted)):
                m.d.sync += counter.eq(counter + 1)
        return m
