"""A board's clock, by its own cycle counter and the host's."""

import time
from collections.abc import Callable

from trine.firmware.counters import Counters

TOLERANCE = 0.01
"""Share by which a timed clock may differ from the one that the device reports: mostly the time of a round trip."""


def time_clock(counters: Callable[[], Counters], seconds: float) -> float:
    """MHz: the cycles that a device counted in about `seconds` (> 0) of the host's time, between two snapshots.

    Timed. A round trip of r seconds makes it uncertain by a share of r / seconds.
    """
    first, started = counters(), time.perf_counter()
    time.sleep(seconds)
    second, ended = counters(), time.perf_counter()
    return (second.cycles - first.cycles) / (ended - started) / 1e6
