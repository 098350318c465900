"""A serial line in simulated time: what the chip at the other end sends and sees, with a clock of its own."""

import random
from collections.abc import Iterable
from typing import Any

FRAME_BITS = 10


def frame_bits(byte: int, stop: int = 1) -> list[int]:
    """The bits of a byte on the wire, 8N1, lowest first."""
    return [0, *((byte >> index) & 1 for index in range(8)), stop]


async def send(ctx: Any, wire: Any, data: Iterable[int], bit: float, pause: float = 0, seed: int = 0) -> None:
    """Sends bytes, each bit `bit` seconds long, with up to `pause` bits between two of them."""
    chance = random.Random(seed)
    for byte in data:
        await send_bits(ctx, wire, frame_bits(byte), bit)
        if pause:
            await ctx.delay(chance.uniform(0, pause) * bit)


async def send_bits(ctx: Any, wire: Any, bits: Iterable[int], bit: float) -> None:
    """Puts bits on the wire."""
    for value in bits:
        ctx.set(wire, value)
        await ctx.delay(bit)


async def receive(ctx: Any, wire: Any, count: int, bit: float, limit: float = 30) -> list[int | None]:
    """The next bytes on the wire, sampled in the middle of each bit; None for one without a stop bit.

    limit: bits that the wire may be idle before TimeoutError.
    """
    received: list[int | None] = []
    for _ in range(count):
        if ctx.get(wire):
            fell, _ = await ctx.negedge(wire).delay(limit * bit)
            if not fell:
                raise TimeoutError(f"the wire is idle after {len(received)} of {count} bytes")
        bits = []
        for index in range(FRAME_BITS):
            await ctx.delay(bit if index else bit / 2)
            bits.append(ctx.get(wire))
        value = sum(one << index for index, one in enumerate(bits[1:9]))
        received.append(value if bits[9] and not bits[0] else None)
    return received
