"""The counters, defined once: gateware, cycle model, host and documentation read this file.

Each cycle is counted in `cycles` and in exactly one cause, so the causes always sum to `cycles`. All are 64 bits wide,
start at zero with the device and are never cleared. The cycles in which a COUNTERS request is answered are not counted
at all, which makes every reading one consistent snapshot and keeps reading from disturbing what is read.
"""

import struct
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Counters:
    """One snapshot, or the difference of two (cycles)."""

    cycles: int = 0
    busy: int = 0
    weight_stall: int = 0
    activation_stall: int = 0
    table_build: int = 0
    drain: int = 0
    link_stall: int = 0
    idle: int = 0

    def __sub__(self, earlier: "Counters") -> "Counters":
        return Counters(*(getattr(self, name) - getattr(earlier, name) for name in COUNTER_NAMES))

    def __add__(self, other: "Counters") -> "Counters":
        return Counters(*(getattr(self, name) + getattr(other, name) for name in COUNTER_NAMES))

    @property
    def engine(self) -> "Counters":
        """The same without link time and idleness: what the cycle model predicts."""
        causes = {name: getattr(self, name) for name in CAUSES if name not in ("link_stall", "idle")}
        return Counters(cycles=sum(causes.values()), **causes)


COUNTER_NAMES: tuple[str, ...] = tuple(field.name for field in fields(Counters))
CAUSES: tuple[str, ...] = COUNTER_NAMES[1:]
COUNTERS_FORMAT = f"<{len(COUNTER_NAMES)}Q"

MEANING: dict[str, str] = {
    "cycles": "all cycles counted",
    "busy": "the array accepted a weight word",
    "weight_stall": "a program runs and the array has no weight word: instruction fetch and memory latency",
    "activation_stall": "a program runs and the array waits for activations",
    "table_build": "a program runs and the array builds tables of partial sums",
    "drain": "a program runs and the array waits for results to leave",
    "link_stall": "no program runs; a frame is being received, executed or sent",
    "idle": "nothing happens",
}
"""A line for each counter, for the documentation table."""


def decode_counters(payload: bytes) -> Counters:
    """The snapshot in a COUNTERS response; raises ValueError if the length is wrong."""
    if len(payload) != struct.calcsize(COUNTERS_FORMAT):
        raise ValueError(f"a counters payload has {struct.calcsize(COUNTERS_FORMAT)} bytes, not {len(payload)}")
    return Counters(*struct.unpack(COUNTERS_FORMAT, payload))
