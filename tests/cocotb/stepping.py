"""A simulation that goes forward cycle by cycle, with a source or a sink at each stream.

Inputs change while the clock is low, and what the next rising edge will see is read before it comes. So nothing
depends on the order in which a simulator serves what happens at the edge itself, which differs between simulators.
"""

import random
from collections.abc import Iterable, Sequence
from typing import Any

from cocotb.triggers import Timer


def stream(dut: Any, name: str) -> tuple[Any, Any, Any]:
    """Payload, valid and ready of a stream among the ports."""
    return getattr(dut, f"{name}__payload"), getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready")


class Source:
    """Puts payloads into the stream `name`, with pauses at random."""

    def __init__(self, dut: Any, name: str, pause: float = 0, seed: int = 0) -> None:
        self._payload, self._valid, self._ready = stream(dut, name)
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
        if self._offering and self._ready.value == 1:
            self._next += 1
            self._offering = False


class Sink:
    """Takes payloads from the stream `name`, with pauses at random, and demands that offers stay until they are taken.

    taken: the payloads so far. stalls: cycles in which an offer had to wait.
    """

    def __init__(self, dut: Any, name: str, pause: float = 0, seed: int = 0) -> None:
        self._payload, self._valid, self._ready = stream(dut, name)
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
        if self._valid.value != 1:
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
        self.cycle = 0

    async def reset(self) -> None:
        """A few cycles of reset."""
        self._rst.value = 1
        self._clk.value = 0
        for _ in range(3):
            await self.step([])
        self._rst.value = 0

    async def step(self, ends: Sequence[Source | Sink]) -> None:
        """One cycle."""
        for end in ends:
            end.drive()
        await Timer(1, "ns")
        for end in ends:
            end.sample()
        self._clk.value = 1
        await Timer(1, "ns")
        self._clk.value = 0
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
