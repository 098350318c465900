"""Helpers for tests on Amaranth's simulator: run testbenches, put and get beats of a stream, watch what happens."""

import functools
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from amaranth.hdl import Value
from amaranth.sim import Simulator

Testbench = Callable[[Any], Awaitable[None]]

CYCLE_LIMIT = 10_000
"""A testbench that waits for longer than this for one beat has hung."""
RUN_LIMIT = 60_000
"""So has one that has not returned after as many cycles."""


class Simulation:
    """A component on the simulator, elaborated once; every run starts from reset."""

    def __init__(self, dut: Any, slots: int = 6, clocked: bool = True) -> None:
        self.dut = dut
        self._simulator = Simulator(dut)
        if clocked:
            self._simulator.add_clock(1e-6)
        self._testbenches: tuple[Testbench, ...] = ()
        self._monitors: tuple[Testbench, ...] = ()
        self._used = False
        self._slots = slots
        for slot in range(slots):
            self._simulator.add_testbench(functools.partial(self._testbench, slot))
            self._simulator.add_testbench(functools.partial(self._monitor, slot), background=True)

    def run(self, *testbenches: Testbench, monitors: Iterable[Testbench] = ()) -> None:
        """Runs the testbenches until all have returned; the monitors (Watch, Record) run for as long."""
        self._testbenches, self._monitors = testbenches, tuple(monitors)
        if max(len(self._testbenches), len(self._monitors)) > self._slots:
            raise ValueError(f"there is room for {self._slots} testbenches and as many monitors")
        if self._used:
            self._simulator.reset()
        self._used = True
        for _ in range(2 * RUN_LIMIT):  # a step is half a cycle
            if not self._simulator.advance():
                return
        raise TimeoutError(f"not done after {RUN_LIMIT} cycles")

    async def _testbench(self, slot: int, ctx: Any) -> None:
        if slot < len(self._testbenches):
            await self._testbenches[slot](ctx)

    async def _monitor(self, slot: int, ctx: Any) -> None:
        if slot < len(self._monitors):
            await self._monitors[slot](ctx)


def simulate(dut: Any, *testbenches: Testbench, monitors: Iterable[Testbench] = (), clocked: bool = True) -> None:
    """Runs the testbenches against `dut`, clocked on `sync` unless it has no clock, until all have returned."""
    Simulation(dut, clocked=clocked).run(*testbenches, monitors=monitors)


class Watch:
    """Records the beats of a stream and demands its rules: what is offered stays, unchanged, until it is taken.

    cycles[i], payloads[i]: the cycle in which beat i was taken, and its payload as an unsigned integer.
    offered[i]: the cycle in which beat i was offered first.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.cycles: list[int] = []
        self.payloads: list[int] = []
        self.offered: list[int] = []

    async def __call__(self, ctx: Any) -> None:
        stalled = None
        cycle = 0
        stream = self._stream
        async for _, _, valid, ready, payload in ctx.tick().sample(stream.valid, stream.ready,
                                                                   Value.cast(stream.payload)):
            if stalled is not None:
                assert valid, f"cycle {cycle}: an offer was withdrawn"
                assert payload == stalled, f"cycle {cycle}: an offer changed from {stalled:#x} to {payload:#x}"
            elif valid:
                self.offered.append(cycle)
            stalled = payload if valid and not ready else None
            if valid and ready:
                self.cycles.append(cycle)
                self.payloads.append(payload)
            cycle += 1


class Record:
    """Records signals: values[cycle] is their values in that cycle, a tuple if there are several."""

    def __init__(self, *signals: Any) -> None:
        self._signals = signals
        self.values: list[Any] = []

    async def __call__(self, ctx: Any) -> None:
        async for _, _, *values in ctx.tick().sample(*self._signals):
            self.values.append(tuple(values) if len(values) > 1 else values[0])

    def cycles(self, value: Any = 1) -> list[int]:
        """The cycles in which the signals had that value."""
        return [cycle for cycle, found in enumerate(self.values) if found == value]


def drive(ctx: Any, signal: Any, value: int) -> None:
    """Sets a signal if it has another value: the simulator settles the design each time that one is set."""
    if ctx.get(signal) != value:
        ctx.set(signal, value)


async def put(ctx: Any, stream: Any, payload: Any) -> None:
    """Offers one beat until it is taken."""
    await put_all(ctx, stream, [payload])


async def get(ctx: Any, stream: Any) -> Any:
    """Waits for one beat and takes it."""
    (beat,) = await get_all(ctx, stream, 1)
    return beat


async def put_all(ctx: Any, stream: Any, payloads: Iterable[Any], pause: float = 0, seed: int = 0) -> None:
    """Puts beat after beat; before each it pauses with probability `pause`, again and again."""
    chance = random.Random(seed)
    tick = ctx.tick().sample(stream.ready)
    for payload in payloads:
        while chance.random() < pause:
            drive(ctx, stream.valid, 0)
            await tick
        ctx.set(stream.payload, payload)
        drive(ctx, stream.valid, 1)
        for _ in range(CYCLE_LIMIT):
            _, _, ready = await tick
            if ready:
                break
        else:
            raise TimeoutError("the stream took nothing")
    drive(ctx, stream.valid, 0)


async def get_all(ctx: Any, stream: Any, count: int, pause: float = 0, seed: int = 0) -> list[Any]:
    """Gets `count` beats; before each it pauses with probability `pause`, again and again."""
    chance = random.Random(seed)
    tick = ctx.tick().sample(stream.valid, stream.payload)
    beats = []
    for _ in range(count):
        while chance.random() < pause:
            drive(ctx, stream.ready, 0)
            await tick
        drive(ctx, stream.ready, 1)
        for _ in range(CYCLE_LIMIT):
            _, _, valid, payload = await tick
            if valid:
                beats.append(payload)
                break
        else:
            raise TimeoutError("the stream gave nothing")
    drive(ctx, stream.ready, 0)
    return beats


async def pulse(ctx: Any, signal: Any) -> None:
    """Sets `signal` for one cycle."""
    ctx.set(signal, 1)
    await ctx.tick()
    ctx.set(signal, 0)


async def load(ctx: Any, port: Any, address: int, data: bytes, pause: float = 0, seed: int = 0) -> None:
    """Loads `data` from word `address` on through a component's load port (hw.memory.loader)."""
    ctx.set(port.address, address)
    await pulse(ctx, port.start)
    await put_all(ctx, port.bytes, data, pause, seed)
    await ctx.tick()  # the last word is written in the cycle after its last byte
