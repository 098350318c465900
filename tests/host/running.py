"""A functional machine for which time passes: its clock counts on between runs, at a rate of one's choice."""

import struct
import time

from trine.firmware.configuration import Configuration
from trine.firmware.counters import CAUSES, COUNTERS_FORMAT
from trine.firmware.machine import Machine


class RunningMachine(Machine):
    """mhz: its clock; the configuration's says it is clock_mhz."""

    def __init__(self, configuration: Configuration, mhz: float, build_id: int = 0) -> None:
        super().__init__(configuration, build_id)
        self._mhz = mhz
        self._started = time.perf_counter()

    def _read_counters(self, payload: bytes) -> bytes:
        idle = round((time.perf_counter() - self._started) * 1e6 * self._mhz)
        causes = [getattr(self.counters, cause) for cause in CAUSES[:-1]]
        return struct.pack(COUNTERS_FORMAT, self.counters.cycles + idle, *causes, idle)
