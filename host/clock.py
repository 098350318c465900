"""A board's clock, by its own cycle counter and the host's time."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from trine.firmware.counters import Counters

TOLERANCE = 0.001
"""Share by which a good clock may differ from its name, and the host's from the time."""


@dataclass(frozen=True)
class TimedClock:
    """MHz, timed: at least `low` and at most `high`, for nobody knows when in a round trip the cycles were counted."""

    low: float
    high: float

    @property
    def mhz(self) -> float:
        """The middle of the two."""
        return (self.low + self.high) / 2

    def agrees(self, mhz: float) -> bool:
        """Whether the clock may be `mhz`."""
        return self.low * (1 - TOLERANCE) <= mhz <= self.high * (1 + TOLERANCE)

    def __str__(self) -> str:
        return f"{self.mhz:.3f} +- {(self.high - self.low) / 2:.3f}"


def time_clock(counters: Callable[[], Counters], seconds: float) -> TimedClock:
    """The clock of a device that counts on by itself, from two snapshots about `seconds` (> 0) apart."""
    started = time.perf_counter()
    first = counters()
    begun = time.perf_counter()
    time.sleep(seconds)
    ended = time.perf_counter()
    second = counters()
    stopped = time.perf_counter()
    millions = (second.cycles - first.cycles) / 1e6
    return TimedClock(millions / (stopped - started), millions / (ended - begun))
