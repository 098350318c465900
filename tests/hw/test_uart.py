"""hw.uart.uart: both directions at once, the buffer, and requests over a line that loses and changes bits."""

import random

import pytest
from amaranth.hdl import Elaboratable, Module
from amaranth.lib.wiring import connect
from amaranth.sim import Simulator

from tests.hw.simulation import get_all, put_all
from tests.hw.streams import parse_responses
from tests.hw.uart_line import frame_bits, receive, send, send_bits
from trine.firmware.configuration import Configuration
from trine.firmware.link import Frame, LinkError, Request
from trine.hw.accelerator import Accelerator
from trine.hw.link.receiver import Receiver
from trine.hw.uart.uart import Uart

BIT = 4e-6
CONFIGURATION = Configuration("tiny", "iCE40UP5K-sg48", clock_mhz=24, lanes=2, depth=4, packing="trit2",
                              weight_words=16, activation_chunks=4, result_beats=16, result_width=1, program_words=4,
                              maximum_payload=64, timeout_cycles=2000)


def run(dut, *testbenches, limit):
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.run_until(limit)


def test_init_wrong_buffer():
    with pytest.raises(ValueError, match="buffer_bytes must be at least 2, not 1"):
        Uart(24e6, 6e6, 1)


def test_init_wrong_baud():
    with pytest.raises(ValueError, match=r"clock_hz must be at least 4 times the baud rate of 1\.2e\+07, not"):
        Uart(24e6, 12e6, 64)


def test_both_directions():
    """Bytes go both ways at the same time, while the accelerator's side pauses at random."""
    uart = Uart(24e6, 6e6, 16)
    there, back = random.Random(1).randbytes(40), random.Random(2).randbytes(40)
    found = {}

    async def host_sends(ctx):
        await send(ctx, uart.rx, there, BIT)

    async def host_receives(ctx):
        found["back"] = bytes(await receive(ctx, uart.tx, len(back), BIT))

    async def device_sends(ctx):
        await put_all(ctx, uart.i, back, pause=0.5, seed=3)

    async def device_receives(ctx):
        found["there"] = bytes(await get_all(ctx, uart.o, len(there), pause=0.5, seed=4))

    run(uart, host_sends, host_receives, device_sends, device_receives, limit=0.01)
    assert found == {"there": there, "back": back}


@pytest.mark.parametrize("excess", [0, 1, 5])
def test_buffer(excess):
    """As many bytes as it holds wait for as long as they have to; those that come when it is full are lost."""
    uart = Uart(24e6, 6e6, 16)
    data = bytes(range(16 + excess))
    found = []

    async def testbench(ctx):
        await send(ctx, uart.rx, data, BIT)
        await ctx.delay(20 * BIT)
        found.extend(await get_all(ctx, uart.o, 16))
        await ctx.tick().repeat(5)
        assert not ctx.get(uart.o.valid)
        await send(ctx, uart.rx, b"\x77", BIT)
        found.extend(await get_all(ctx, uart.o, 1))

    run(uart, testbench, limit=0.01)
    assert bytes(found) == data[:16] + b"\x77"


class Device(Elaboratable):
    """An accelerator behind a UART."""

    def __init__(self):
        self.uart = Uart(24e6, 6e6, 2 * CONFIGURATION.maximum_payload)

    def elaborate(self, platform):
        m = Module()
        m.submodules.uart = self.uart
        m.submodules.accelerator = accelerator = Accelerator(CONFIGURATION)
        connect(m, self.uart.o, accelerator.i)
        connect(m, accelerator.o, self.uart.i)
        return m


def test_window():
    """Requests that come while the device sends a response are served after it, as many as the buffer holds."""
    device = Device()
    requests = [Frame(Request.ECHO, number, bytes([number] * 5)) for number in range(1, 4)]
    length = len(requests[0].encode())
    found = []

    async def host_sends(ctx):
        for request in requests:
            await send(ctx, device.uart.rx, request.encode(), BIT)

    async def host_receives(ctx):
        found.extend(await receive(ctx, device.uart.tx, 3 * length, BIT, limit=1000))

    run(device, host_sends, host_receives, limit=0.01)
    assert [response.payload for response in parse_responses(bytes(found))] == [r.payload for r in requests]


class Requests(Elaboratable):
    """The link's receiver behind a UART."""

    def __init__(self):
        self.uart = Uart(24e6, 6e6, 64)
        self.receiver = Receiver(64, timeout_cycles=800)

    def elaborate(self, platform):
        m = Module()
        m.submodules.uart, m.submodules.receiver = self.uart, self.receiver
        connect(m, self.uart.o, self.receiver.i)
        return m


@pytest.mark.parametrize("seed", range(2))
def test_corruption(seed):
    """Frames with a bit changed, lost or doubled are never taken for good ones; whole ones after silence always are."""
    dut = Requests()
    chance = random.Random(seed)
    frames = [Frame(Request.ECHO, number, chance.randbytes(6)) for number in range(1, 11)]
    good = []

    async def host(ctx):
        for frame in frames:
            bits = [bit for byte in frame.encode() for bit in frame_bits(byte)]
            if frame.sequence % 2:
                at = chance.randrange(len(bits))
                bits[at : at + 1] = chance.choice([[], [1 - bits[at]], [bits[at]] * 2])
            await send_bits(ctx, dut.uart.rx, bits, BIT)
            await send_bits(ctx, dut.uart.rx, [1], 1000e-6)  # longer than the timeout

    async def serve(ctx):
        async for _, _, valid, request in ctx.tick().sample(dut.receiver.valid, dut.receiver.request):
            released = ctx.get(dut.receiver.release)
            ctx.set(dut.receiver.release, valid and not released)
            if valid and not released and not request.error:
                good.append((request.opcode, request.sequence, request.length))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(host)
    simulator.add_testbench(serve, background=True)
    simulator.run()
    assert [entry for entry in good if entry[1] % 2 == 0] == [(Request.ECHO, number, 6) for number in range(2, 11, 2)]
    assert {entry[1] for entry in good if entry[1] % 2} < {1, 3, 5, 7, 9}


def test_responses_are_whole():
    """The helper of these tests does find a damaged response."""
    with pytest.raises(LinkError):
        list(parse_responses(Frame(0x88, 1, b"ab").encode()[:-1] + b"\0"))
