"""A USB device on Amaranth's simulator, whose byte streams are joined: what the host writes, it can read."""

from collections.abc import Awaitable, Callable
from typing import Any

from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.sim import Simulator
from luna.gateware.interface.utmi import UTMIInterface

from tests.hw.usb_host import UsbHost
from tests.hw.usb_wires import UtmiWire
from trine.firmware.usb import ENDPOINT_IN, ENDPOINT_OUT
from trine.hw.usb.device import UsbDevice

USB_MHZ, SYNC_MHZ = 12, 17.3
"""Clocks that have nothing to do with each other."""
CYCLE_LIMIT = 40_000
"""A testbench that takes longer has hung."""

Test = Callable[[UsbHost], Awaitable[None]]


class UsbBench:
    """A device of `packet` bytes a packet, elaborated once; every run starts from reset.

    paused: bytes are held back on their way through `sync`. pausing: they are held back every now and then. apart: the
    streams are not joined; what the host writes is dropped, and it can read 0, 1, 2, ..., 255, 0, ... without end.
    """

    def __init__(self, packet: int, serial: str = "0123456789") -> None:
        self.packet = packet
        self.utmi = UTMIInterface()
        self.paused, self.pausing, self.apart = Signal(), Signal(), Signal()
        module = Module()
        for name in ("sync", "usb"):
            module.domains += ClockDomain(name)
        module.submodules.device = device = UsbDevice(self.utmi, packet, serial)
        chance = Signal(16, init=1)
        module.d.sync += chance.eq(chance << 1 | (chance[15] ^ chance[13] ^ chance[12] ^ chance[10]))
        flowing = Signal()
        module.d.comb += [
            flowing.eq(~self.paused & ~(self.pausing & chance[0])),
            device.i.payload.eq(device.o.payload), device.i.valid.eq(device.o.valid & flowing),
            device.o.ready.eq(device.i.ready & flowing),
        ]
        number = Signal(8)
        with module.If(self.apart):
            module.d.comb += [device.i.payload.eq(number), device.i.valid.eq(1), device.o.ready.eq(1)]
            module.d.sync += number.eq(number + device.i.ready)
        self._simulator = Simulator(module)
        self._simulator.add_clock(1e-6 / SYNC_MHZ, domain="sync")
        self._simulator.add_clock(1e-6 / USB_MHZ, domain="usb")
        self._simulator.add_testbench(self._testbench)
        self._current: Callable[[Any], Awaitable[None]] | None = None
        self.ctx: Any = None

    def run(self, test: Test, enumerate_first: bool = True) -> None:
        """Runs a test with a host, by which the device is enumerated unless the test does it."""
        async def testbench(ctx: Any) -> None:
            self.ctx = ctx
            host = UsbHost(UtmiWire(ctx, self.utmi), self.packet)
            await host.wire.idle(4)
            if enumerate_first:
                await host.enumerate()
            await test(host)

        if self._current is not None:
            self._simulator.reset()
        self._current = testbench
        for _ in range(CYCLE_LIMIT * 5):
            if not self._simulator.advance():
                return
        raise TimeoutError(f"not done after {CYCLE_LIMIT} cycles")

    async def _testbench(self, ctx: Any) -> None:
        assert self._current is not None
        await self._current(ctx)


async def echo(host, data):
    """Writes `data` in one transfer, and reads until as much has come, however it is cut."""
    received = b""
    for start in range(0, max(1, len(data)), host.packet):
        await host.write_packet(ENDPOINT_OUT, data[start : start + host.packet])
        received += await host.poll(ENDPOINT_IN) or b""
    while len(received) < len(data):
        received += await host.read_packet(ENDPOINT_IN)
    return received


async def nothing_left(host):
    """Whether the endpoint has nothing to give but the empty packet that may end a burst."""
    await host.wire.idle(100)
    return not await host.poll(ENDPOINT_IN) and await host.poll(ENDPOINT_IN) is None
