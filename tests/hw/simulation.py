"""Helpers for tests on Amaranth's simulator: run a testbench, put and get beats of a stream."""

import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from amaranth.sim import Simulator

CYCLE_LIMIT = 200_000
"""A testbench that waits for longer than this has hung."""


def simulate(dut: Any, *testbenches: Callable[[Any], Awaitable[None]]) -> None:
    """Runs the testbenches against `dut`, clocked on `sync`, until all have returned."""
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.run()


async def put(ctx: Any, stream: Any, payload: Any) -> None:
    """Offers one beat until it is taken."""
    ctx.set(stream.payload, payload)
    ctx.set(stream.valid, 1)
    for _ in range(CYCLE_LIMIT):
        _, _, ready = await ctx.tick().sample(stream.ready)
        if ready:
            ctx.set(stream.valid, 0)
            return
    raise TimeoutError("the stream took nothing")


async def get(ctx: Any, stream: Any) -> Any:
    """Waits for one beat and takes it."""
    ctx.set(stream.ready, 1)
    for _ in range(CYCLE_LIMIT):
        _, _, valid, payload = await ctx.tick().sample(stream.valid, stream.payload)
        if valid:
            ctx.set(stream.ready, 0)
            return payload
    raise TimeoutError("the stream gave nothing")


async def put_all(ctx: Any, stream: Any, payloads: Iterable[Any], pause: float = 0, seed: int = 0) -> None:
    """Puts beat after beat; before each it pauses with probability `pause`, again and again."""
    chance = random.Random(seed)
    for payload in payloads:
        while chance.random() < pause:
            await ctx.tick()
        await put(ctx, stream, payload)


async def get_all(ctx: Any, stream: Any, count: int, pause: float = 0, seed: int = 0) -> list[Any]:
    """Gets `count` beats; before each it pauses with probability `pause`, again and again."""
    chance = random.Random(seed)
    beats = []
    for _ in range(count):
        while chance.random() < pause:
            await ctx.tick()
        beats.append(await get(ctx, stream))
    return beats
