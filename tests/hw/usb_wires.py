"""What carries packets between tests.hw.usb_host and a device under test on Amaranth's simulator."""

from typing import Any

from tests.hw.usb_host import Silent

TURNAROUND = 40
"""Cycles within which a device has to begin its answer."""
RESET_CYCLES = 700
"""Cycles with both lines low that every device takes for a reset of the bus (a real one takes 10 ms and more)."""
SE0, J, K = 0b00, 0b01, 0b10
"""States of the lines as a transceiver tells them; between packets of high speed there is none (SE0)."""


class UtmiWire:
    """A transceiver's digital side: a byte takes a cycle of the domain `usb`, and nothing is lost on the way.

    between: the state of the lines between packets.
    """

    def __init__(self, ctx: Any, utmi: Any) -> None:
        self._ctx, self._utmi = ctx, utmi
        self.between = J
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
        ctx.set(utmi.line_state, K)
        await ctx.tick("usb")
        ctx.set(utmi.rx_valid, 1)
        for byte in packet:
            ctx.set(utmi.rx_data, byte)
            await ctx.tick("usb")
        ctx.set(utmi.rx_valid, 0)
        ctx.set(utmi.rx_active, 0)
        ctx.set(utmi.line_state, self.between)
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


class PinWire:
    """D+ and D- themselves, bit by bit (USB 2.0, 7.1): NRZI, stuffed bits, the pattern in front and the end behind.

    `pins` has d_p.i, d_p.o, d_p.oe and so on, as LUNA's transceiver in gateware takes them; `clocks` cycles of `domain`
    are a bit. answered: bit times from the end of the host's last packet to the beginning of the device's answer.
    """

    def __init__(self, ctx: Any, pins: Any, domain: str = "usb_io", clocks: int = 4) -> None:
        self._ctx, self._pins, self._domain, self._clocks = ctx, pins, domain, clocks
        self.answered: list[float] = []
        self._drive(J_LINES)

    def _drive(self, lines: tuple[int, int]) -> None:
        for pin, level in zip((self._pins.d_p, self._pins.d_n), lines, strict=True):
            self._ctx.set(pin.i, level)

    async def idle(self, cycles: int) -> None:
        await self._ctx.tick(self._domain).repeat(cycles * self._clocks)

    async def reset(self) -> None:
        """A reset of the bus."""
        self._drive(SE0_LINES)
        await self.idle(RESET_CYCLES)
        self._drive(J_LINES)
        await self.idle(10)

    async def send(self, packet: bytes) -> None:
        lines = J_LINES
        for bit in stuff(SYNC + bits_of(packet)):
            if not bit:
                lines = lines[::-1]
            self._drive(lines)
            await self.idle(1)
        self._drive(SE0_LINES)
        await self.idle(2)
        self._drive(J_LINES)

    async def receive(self) -> bytes:
        ctx, pins = self._ctx, self._pins
        waited = 0
        while not ctx.get(pins.d_p.oe):
            if waited == TURNAROUND * self._clocks:
                raise Silent
            waited += 1
            await ctx.tick(self._domain)
        self.answered.append(waited / self._clocks)
        await ctx.tick(self._domain).repeat(self._clocks // 2)
        last, levels = J_LINES, []
        while (lines := (ctx.get(pins.d_p.o), ctx.get(pins.d_n.o))) != SE0_LINES:
            assert ctx.get(pins.d_p.oe), "the device ends a packet without SE0"
            assert lines in (J_LINES, J_LINES[::-1])
            levels.append(int(lines == last))
            last = lines
            await self.idle(1)
        await self.idle(1)
        assert (ctx.get(pins.d_p.o), ctx.get(pins.d_n.o)) == SE0_LINES, "SE0 is two bits long"
        await self.idle(1)
        assert not ctx.get(pins.d_p.oe) or (ctx.get(pins.d_p.o), ctx.get(pins.d_n.o)) == J_LINES, "J ends a packet"
        await self.idle(3)
        bits = unstuff(levels)
        assert bits[: len(SYNC)] == SYNC, f"a packet begins with {bits[: len(SYNC)]}"
        return bytes_of(bits[len(SYNC) :])


J_LINES, SE0_LINES = (1, 0), (0, 0)
SYNC = [0, 0, 0, 0, 0, 0, 0, 1]
STUFFED = 6
"""After as many ones a zero is stuffed (USB 2.0, 7.1.9)."""


def bits_of(data: bytes) -> list[int]:
    """The bits as they are sent, the lowest of a byte first."""
    return [byte >> position & 1 for byte in data for position in range(8)]


def bytes_of(bits: list[int]) -> bytes:
    """The other way; the bits must be whole bytes."""
    assert len(bits) % 8 == 0, f"{len(bits)} bits are no bytes"
    return bytes(sum(bit << position for position, bit in enumerate(bits[start : start + 8]))
                 for start in range(0, len(bits), 8))


def stuff(bits: list[int]) -> list[int]:
    """With a zero after every six ones."""
    stuffed, ones = [], 0
    for bit in bits:
        stuffed.append(bit)
        ones = ones + 1 if bit else 0
        if ones == STUFFED:
            stuffed.append(0)
            ones = 0
    return stuffed


def unstuff(bits: list[int]) -> list[int]:
    """Without them; what is not stuffed as it should be is refused."""
    plain, ones = [], 0
    for bit in bits:
        if ones == STUFFED:
            assert bit == 0, "seven ones in a row"
            ones = 0
            continue
        plain.append(bit)
        ones = ones + 1 if bit else 0
    return plain
