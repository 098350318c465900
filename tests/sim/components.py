"""Small components with two byte streams, for the simulators to agree about."""

import operator
from collections.abc import Callable
from typing import Any

from amaranth.hdl import Array, Cat, Const, EnableInserter, Module, Mux, Signal, signed
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

TABLE = [(value * 73 + 41) % 256 for value in range(16)]
PEEK, POKE = 0xFE, 0xFD


class Averager(wiring.Component):
    """A signed value that follows `value` slowly."""

    value: In(8)
    average: Out(signed(12))

    def elaborate(self, platform):
        m = Module()
        difference = Signal(signed(13))
        m.d.comb += difference.eq((self.value.as_signed() << 3) - self.average)
        m.d.sync += self.average.eq(self.average + (difference >> 2))
        return m


class Mixer(wiring.Component):
    """Answers every byte with one byte, which depends on all bytes before it, but not on when they came.

    It has what simulators may disagree about: a memory that is written in halves and read transparently, a table, a
    memory without content, submodules that are equal, with enables, signed arithmetic, a register without a reset, and
    a processing time of 1 to 8 cycles. PEEK and an address are answered with what the memory without
    content has there, POKE and a byte change the memory at the last address that was peeked at.
    """

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        m.submodules.history = history = memory.Memory(shape=8, depth=16, init=[])
        m.submodules.table = table = memory.Memory(shape=8, depth=16, init=TABLE)
        m.submodules.blank = blank = memory.Memory(shape=8, depth=256, init=[])
        fast, slow = Averager(), Averager()
        fast_enable, slow_enable = Signal(), Signal()
        m.submodules.fast = EnableInserter(fast_enable)(fast)
        m.submodules.slow = EnableInserter(slow_enable)(slow)
        write = history.write_port(granularity=4)
        read = history.read_port(transparent_for=(write,))
        look_up = table.read_port(domain="comb")
        poke, peek = blank.write_port(), blank.read_port()

        byte = Signal(8)
        command, count = Signal(8), Signal(8)  # a tuple leaves its signals without names
        wait = Signal(3)
        lost = Signal(8, reset_less=True)
        address = Signal(8)
        m.d.comb += [
            fast.value.eq(byte), fast_enable.eq(self.i.valid & self.i.ready),
            slow.value.eq(byte ^ 0x55), slow_enable.eq(fast_enable & count[0]),
            write.addr.eq(count[:4]), write.data.eq(Cat(byte[4:], byte[:4])), read.addr.eq(byte[:4]), read.en.eq(1),
            look_up.addr.eq(byte[2:6]),
            peek.addr.eq(address), peek.en.eq(1), poke.addr.eq(address), poke.data.eq(byte),
        ]
        with m.FSM(name="state"):
            with m.State("take"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [byte.eq(self.i.payload), count.eq(count + 1), wait.eq(self.i.payload[:3] ^ count[:3])]
                    with m.If(command == PEEK):
                        m.d.sync += address.eq(self.i.payload)
                    m.next = "wait"
            with m.State("wait"):
                m.d.sync += wait.eq(wait - 1)
                with m.Switch(byte):
                    with m.Case("0---1---", "-1-----0"):
                        m.d.comb += write.en.eq(0b01)
                    with m.Case(0, 255):
                        m.d.comb += write.en.eq(0b10)
                    with m.Default():
                        m.d.comb += write.en.eq(0b11)
                m.d.comb += poke.en.eq(command == POKE)
                with m.If(wait == 0):
                    m.next = "give"
            with m.State("give"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += command.eq(Mux((command == PEEK) | (command == POKE), 0, byte))
                    m.d.sync += lost.eq(lost + 1)
                    m.next = "take"
        mixed = (read.data ^ look_up.data) + fast.average[2:10] - slow.average[1:9] + Mux(byte[7], lost, count)
        m.d.comb += self.o.payload.eq(Mux(command == PEEK, peek.data, mixed))
        return m


def expressions(a: Any, b: Any, sa: Any, sb: Any) -> list[Any]:
    """Operations on two 12-bit signals, given also as signed ones, in many widths; results have at most 32 bits."""
    pairs: list[Callable[[Any, Any], Any]] = [
        operator.add, operator.sub, operator.mul, operator.and_, operator.or_, operator.xor,
        operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
    ]
    results = []
    for operation in pairs:
        results += [operation(a, b), operation(sa, sb), operation(sa, b), operation(a[:5], sb), operation(sa[3:7], 9)]
    results += [operation(value) for operation in (operator.neg, operator.inv) for value in (a, sa, a[:1])]
    results += [value for x in (a, b[:3], Const(0, 0)) for value in (x.any(), x.all(), x.xor(), x.bool())]
    results += [
        a << b[:4], sa << b[:3], a >> b[:4], sa >> b[:4], sa >> b, a << 3, sa >> 2,
        a // b, a % b, a[:6] // b[:2], a % 7,
        Mux(a[0], b, a), Mux(a[1], sa, sb), Mux(a > b, 5, 0), Mux(b[0], 0, a), Mux(a[2], a[3], b[3]),
        a.bit_select(b[:4], 3), a.word_select(b[:2], 3), sa.bit_select(b[:3], 6), Array([a, b, a + b, 7])[a[:2]],
        Cat(b[3:7], a[::-1], Const(5, 4)), a.rotate_left(5), sa.replicate(2), abs(sa), a.matches("1-0---------", 77),
    ]
    return results


class Calculator(wiring.Component):
    """Takes three bytes, two 12-bit numbers, and answers with every expression's result, four bytes each."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        numbers = Signal(24)
        # Signals of their own: Amaranth's simulator extends no sign when it takes a part of an `as_signed()`.
        signed_a, signed_b = Signal(signed(12)), Signal(signed(12))
        m.d.comb += [signed_a.eq(numbers[:12]), signed_b.eq(numbers[12:])]
        results = expressions(numbers[:12], numbers[12:], signed_a, signed_b)
        taken, given = Signal(2), Signal(range(4 * len(results)))
        word = Signal(signed(32))
        with m.Switch(given[2:]):
            for index, result in enumerate(results):
                with m.Case(index):
                    m.d.comb += word.eq(result)
        m.d.comb += [
            self.i.ready.eq(taken != 3), self.o.valid.eq(taken == 3), self.o.payload.eq(word.word_select(given[:2], 8)),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [numbers.eq(Cat(numbers[8:], self.i.payload)), taken.eq(taken + 1)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += given.eq(given + 1)
            with m.If(given == 4 * len(results) - 1):
                m.d.sync += [given.eq(0), taken.eq(0)]
        return m

    @staticmethod
    def answer_bytes() -> int:
        """Bytes of one answer."""
        return 4 * len(expressions(Signal(12), Signal(12), Signal(signed(12)), Signal(signed(12))))
