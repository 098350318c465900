import time

from trine.firmware.counters import Counters
from trine.host.clock import TimedClock, time_clock


def test_time_clock():
    """Slow round trips widen the answer, and the clock is in it."""
    started = time.perf_counter()

    def counters():
        time.sleep(0.01)
        cycles = round(48e6 * (time.perf_counter() - started))
        time.sleep(0.01)
        return Counters(cycles=cycles)

    found = time_clock(counters, 0.1)
    assert found.low < 48 < found.high
    assert found.high / found.low > 1.3
    assert found.agrees(48)
    assert not found.agrees(48 * 2)


def test_agrees():
    clock = TimedClock(74.0, 76.0)
    assert clock.mhz == 75
    assert str(clock) == "75.000 +- 1.000"
    assert [clock.agrees(mhz) for mhz in (73.9, 73.95, 76.05, 76.1)] == [False, True, True, False]
