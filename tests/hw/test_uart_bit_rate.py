"""hw.uart.bit_rate: fractions of a clock, their errors, and bits that stay in step."""

from fractions import Fraction

import pytest

from tests.hw.simulation import Record, simulate
from trine.hw.uart.bit_rate import BitTimer, baud_error, bit_rate


@pytest.mark.parametrize(("clock_hz", "baud", "rate"), [
    (24e6, 6e6, Fraction(1, 4)), (75e6, 3e6, Fraction(1, 25)), (50e6, 3e6, Fraction(3, 50)),
    (48e6, 240e3, Fraction(1, 200)),
])
def test_exact(clock_hz, baud, rate):
    assert bit_rate(clock_hz, baud) == rate
    assert baud_error(rate, clock_hz, baud) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("clock_hz", [12.7e6, 33.333e6, 61.9e6, 74.917e6, 99.1e6])
def test_nearly(clock_hz):
    """A clock that has nothing to do with the baud rate costs little."""
    assert abs(baud_error(bit_rate(clock_hz, 3e6), clock_hz, 3e6)) < 2e-3


def test_sign_of_the_error():
    assert baud_error(Fraction(1, 10), 102, 10) == pytest.approx(0.02)


@pytest.mark.parametrize(("clock_hz", "baud"), [(24e6, 6.1e6), (24e6, 0), (24e6, -1), (0, 3e6)])
def test_clock_too_slow(clock_hz, baud):
    with pytest.raises(ValueError, match="clock_hz must be at least 4 times the baud rate of"):
        bit_rate(clock_hz, baud)


def test_rate_that_is_missed():
    """One bit in 300 cycles: the nearest fraction is 1/255."""
    with pytest.raises(ValueError, match="baud must be one that a clock of 3e\\+07 Hz reaches to 2%, not 100000"):
        bit_rate(30e6, 100e3)


@pytest.mark.parametrize("rate", [Fraction(0), Fraction(3, 5), Fraction(-1, 4)])
def test_init_wrong_rate(rate):
    with pytest.raises(ValueError, match="rate must be above 0 and at most 1/2 bits a cycle"):
        BitTimer(rate)


@pytest.mark.parametrize("rate", [Fraction(1, 4), Fraction(1, 25), Fraction(3, 50), Fraction(61, 255)], ids=str)
@pytest.mark.parametrize("half", [0, 1])
def test_ticks(rate, half):
    """The ticks are where the bits end, to less than a cycle, however many there were."""
    timer = BitTimer(rate)
    cycles = round(40 / rate)
    ticks = Record(timer.tick)

    async def testbench(ctx):
        ctx.set(timer.half, half)
        ctx.set(timer.start, 1)
        await ctx.tick()
        ctx.set(timer.start, 0)
        await ctx.tick().repeat(cycles)

    simulate(timer, testbench, monitors=[ticks])
    first = 0.5 if half else 1
    found = [cycle for cycle in ticks.cycles() if cycle]
    assert len(found) >= 39
    for number, cycle in enumerate(found):  # the bit begins in cycle 1, so it ends with cycle (number + first) / rate
        assert abs(cycle - (number + first) / rate) < 1
