"""What carries packets between tests.hw.usb_host and a device under test on Amaranth's simulator."""

from typing import Any

from tests.hw.usb_host import Silent

TURNAROUND = 40
"""Cycles within which a device has to begin its answer."""
RESET_CYCLES = 700
"""Cycles with both lines low that every device takes for a reset of the bus (a real one takes 10 ms and more)."""
SE0, J = 0b00, 0b01


class UtmiWire:
    """A transceiver's digital side: a byte takes a cycle of the domain `usb`, and nothing is lost on the way."""

    def __init__(self, ctx: Any, utmi: Any) -> None:
        self._ctx, self._utmi = ctx, utmi
        ctx.set(utmi.line_state, J)

    async def idle(self, cycles: int) -> None:
        await self._ctx.tick("usb").repeat(cycles)

    async def reset(self) -> None:
        """A reset of the bus."""
        self._ctx.set(self._utmi.line_state, SE0)
        await self.idle(RESET_CYCLES)
        self._ctx.set(self._utmi.line_state, J)
        await self.idle(10)

    async def send(self, packet: bytes) -> None:
        ctx, utmi = self._ctx, self._utmi
        ctx.set(utmi.rx_active, 1)
        await ctx.tick("usb")
        ctx.set(utmi.rx_valid, 1)
        for byte in packet:
            ctx.set(utmi.rx_data, byte)
            await ctx.tick("usb")
        ctx.set(utmi.rx_valid, 0)
        ctx.set(utmi.rx_active, 0)
        await self.idle(4)

    async def receive(self) -> bytes:
        ctx, utmi = self._ctx, self._utmi
        received = bytearray()
        ctx.set(utmi.tx_ready, 1)
        for _ in range(TURNAROUND):
            _, _, valid, byte = await ctx.tick("usb").sample(utmi.tx_valid, utmi.tx_data)
            if valid:
                break
        else:
            ctx.set(utmi.tx_ready, 0)
            raise Silent
        while valid:
            received.append(byte)
            _, _, valid, byte = await ctx.tick("usb").sample(utmi.tx_valid, utmi.tx_data)
        ctx.set(utmi.tx_ready, 0)
        await self.idle(2)
        return bytes(received)
