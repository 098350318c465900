"""A simulation that goes forward cycle by cycle, with a source or a sink at each stream.

The clock is the simulator's. When it falls, the streams' last rising edge is looked at, which the design keeps, and
inputs change. So nothing depends on the order in which a simulator serves what happens at the rising edge itself, which
differs between simulators; and Python, which takes most of the time, is called once a cycle.
"""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import cocotb.clock
from cocotb.triggers import Timer

PERIOD = 2
"""Of the clock, in ns."""


class Source:
    """Puts payloads into the stream `name`, with pauses at random."""

    def __init__(self, dut: Any, name: str, pause: float = 0, seed: int = 0) -> None:
        self._payload, self._valid = getattr(dut, f"{name}__payload"), getattr(dut, f"{name}__valid")
        self._ready = getattr(dut, f"{name}_seen__ready")
        self._pause, self._chance = pause, random.Random(seed)
        self._items: list[int] = []
        self._next = 0
        self._offering = False  # the item at _next
        self._shown = False  # what `valid` is
        self._valid.value = 0

    def give(self, payloads: Iterable[int]) -> None:
        """Adds payloads to those that wait."""
        self._items += payloads

    @property
    def empty(self) -> bool:
        """Whether all were taken."""
        return self._next == len(self._items)

    def drive(self) -> None:
        if self._offering:
            return
        offer = not self.empty and self._chance.random() >= self._pause
        if offer:
            self._payload.value = self._items[self._next]
        if offer != self._shown:
            self._valid.value = int(offer)
        self._offering = self._shown = offer

    def sample(self) -> None:
        if self._offering and self._ready.value:
            self._next += 1
            self._offering = False


class Sink:
    """Takes payloads from the stream `name`, with pauses at random, and demands that offers stay until they are taken.

    taken: the payloads so far. stalls: cycles in which an offer had to wait.
    """

    def __init__(self, dut: Any, name: str, pause: float = 0, seed: int = 0) -> None:
        self._payload, self._valid = getattr(dut, f"{name}_seen__payload"), getattr(dut, f"{name}_seen__valid")
        self._ready = getattr(dut, f"{name}__ready")
        self._pause, self._chance = pause, random.Random(seed)
        self._willing = False
        self._waiting: int | None = None
        self.taken: list[int] = []
        self.stalls = 0
        self._ready.value = 0

    def drive(self) -> None:
        willing = self._chance.random() >= self._pause
        if willing != self._willing:
            self._ready.value = int(willing)
        self._willing = willing

    def sample(self) -> None:
        if not self._valid.value:
            assert self._waiting is None, "an offer was withdrawn"
            return
        payload = self._payload.value.to_unsigned()
        assert self._waiting in (None, payload), "an offer changed before it was taken"
        self._waiting = None if self._willing else payload
        if self._willing:
            self.taken.append(payload)
        else:
            self.stalls += 1


class Clock:
    """The clock of a design, `prefix` before the names of its clock and reset."""

    def __init__(self, dut: Any, prefix: str = "") -> None:
        self._clk, self._rst = getattr(dut, f"{prefix}clk"), getattr(dut, f"{prefix}rst")
        self._period = Timer(PERIOD, "ns")
        self.cycle = 0

    async def reset(self) -> None:
        """Starts the clock, low, with a few cycles of reset."""
        self._rst.value = 1
        cocotb.clock.Clock(self._clk, PERIOD, "ns").start(start_high=False)
        for _ in range(3):
            await self.step([])
        self._rst.value = 0

    async def step(self, ends: Sequence[Source | Sink]) -> None:
        """One cycle."""
        for end in ends:
            end.drive()
        await self._period
        for end in ends:
            end.sample()
        self.cycle += 1

    async def run(self, ends: Sequence[Source | Sink], sink: Sink, count: int, limit: int) -> None:
        """Goes on until `sink` has taken `count` payloads, and a few cycles more; fails after `limit` cycles."""
        end = self.cycle + limit
        while len(sink.taken) < count:
            assert self.cycle < end, f"{len(sink.taken)} of {count} payloads after {limit} cycles"
            await self.step(ends)
        for _ in range(20):
            await self.step(ends)
        assert len(sink.taken) == count, f"{len(sink.taken)} payloads, not {count}"
