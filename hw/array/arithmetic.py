"""Arithmetic that the arrays share: sums with a carry input, and what makes a difference of one."""

from amaranth.hdl import Cat, Module, Signal


def add(left, right, carry):
    """left + right + carry of signed values in one adder: one bit longer at the bottom, it has a carry input that every
    synthesiser understands. Exact: a bit wider than the wider operand."""
    return (Cat(1, left).as_signed() + Cat(carry, right).as_signed()) >> 1


def complement(value, negative):
    """The one's complement of a signed value where `negative`: with it as the carry of `add`, a difference."""
    return (value.as_unsigned() ^ negative.replicate(len(value))).as_signed()


def register(m: Module, value, name: str):
    """A flip-flop per bit behind `value`; without a reset, because what it holds is only used when it is valid."""
    flip_flops = Signal(value.shape(), name=name, reset_less=True)
    m.d.sync += flip_flops.eq(value)
    return flip_flops
