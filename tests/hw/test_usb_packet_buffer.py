"""hw.usb.packet_buffer: packets cross between clocks, whole and in order, however both sides hesitate."""

import random

import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from trine.hw.usb.packet_buffer import PacketBuffer

STEPS = 200_000


@pytest.mark.parametrize("packet_bytes", [0, 3, 12])
def test_init_wrong_packet_bytes(packet_bytes):
    with pytest.raises(ValueError, match=rf"^packet_bytes must be a power of two, not {packet_bytes}$"):
        PacketBuffer(packet_bytes, writes="sync", reads="usb")


def simulate(writer, reader, write_mhz=12.0, read_mhz=17.3, packet_bytes=8):
    dut = PacketBuffer(packet_bytes, writes="writes", reads="reads")
    module = Module()
    module.submodules.dut = dut
    for domain in ("writes", "reads"):
        module.domains += ClockDomain(domain)
    simulator = Simulator(module)
    simulator.add_clock(1e-6 / write_mhz, domain="writes")
    simulator.add_clock(1e-6 / read_mhz, domain="reads")
    for side in (writer, reader):
        async def testbench(ctx, side=side):
            await side(ctx, dut)

        simulator.add_testbench(testbench)
    for _ in range(STEPS):
        if not simulator.advance():
            return
    raise TimeoutError(f"not done after {STEPS} steps")


async def wait(ctx, signal, domain):
    while not ctx.get(signal):
        await ctx.tick(domain)


async def pulse(ctx, signal, domain):
    ctx.set(signal, 1)
    await ctx.tick(domain)
    ctx.set(signal, 0)


@pytest.mark.parametrize(("write_mhz", "read_mhz"), [(12, 17.3), (60, 11), (12, 12)])
def test_packets(write_mhz, read_mhz):
    """Packets of every length, some begun again by the writer, some read twice by the reader."""
    chance = random.Random(1)
    packets = [chance.randbytes(chance.randrange(9)) for _ in range(40)]
    received = []

    async def write(ctx, dut):
        for packet in packets:
            await wait(ctx, dut.room, "writes")
            for attempt in range(chance.choice((1, 1, 2))):
                if attempt:
                    await pulse(ctx, dut.drop, "writes")
                for byte in packet:
                    if chance.random() < 0.2:
                        await ctx.tick("writes")
                    ctx.set(dut.data, byte)
                    await pulse(ctx, dut.put, "writes")
                assert ctx.get(dut.count) == len(packet)
            await pulse(ctx, dut.commit, "writes")

    async def read(ctx, dut):
        for _ in packets:
            await wait(ctx, dut.available, "reads")
            for attempt in range(chance.choice((1, 2))):
                if attempt:
                    await pulse(ctx, dut.rewind, "reads")
                packet = bytearray()
                last = ctx.get(dut.empty)
                while not last:
                    packet.append(ctx.get(dut.byte))
                    last = ctx.get(dut.last)
                    await pulse(ctx, dut.advance, "reads")
                    if chance.random() < 0.2:
                        await ctx.tick("reads")
            received.append(bytes(packet))
            await pulse(ctx, dut.release, "reads")

    simulate(write, read, write_mhz, read_mhz)
    assert received == packets


def test_two_packets_fit():
    """And a third when the first was released."""
    async def write(ctx, dut):
        for _ in range(2):
            assert ctx.get(dut.room)
            await pulse(ctx, dut.commit, "writes")
        await ctx.tick("writes").repeat(20)
        assert not ctx.get(dut.room)
        order.append("full")
        await wait(ctx, dut.room, "writes")
        order.append("room")

    async def read(ctx, dut):
        await ctx.tick("reads").repeat(60)
        assert ctx.get(dut.available)
        order.append("release")
        await pulse(ctx, dut.release, "reads")

    order = []
    simulate(write, read)
    assert order == ["full", "release", "room"]


def test_latency():
    """As the docstring says, and a byte a cycle."""
    async def cycles_until(ctx, signal, domain):
        count = 0
        while not ctx.get(signal):
            await ctx.tick(domain)
            count += 1
        return count

    async def test(ctx, dut):
        for _ in range(2):
            for byte in range(8):
                ctx.set(dut.data, byte)
                await pulse(ctx, dut.put, "writes")
            await pulse(ctx, dut.commit, "writes")
            if not ctx.get(dut.available):
                assert await cycles_until(ctx, dut.available, "reads") == 3
        await ctx.tick("reads").repeat(5)
        assert not ctx.get(dut.room)
        for _ in range(2):
            ctx.set(dut.advance, 1)
            for byte in range(8):
                assert (ctx.get(dut.byte), ctx.get(dut.last)) == (byte, byte == 7)
                ctx.set(dut.release, byte == 7)
                await ctx.tick("reads")
            ctx.set(dut.advance, 0)
            ctx.set(dut.release, 0)
            await ctx.tick("reads")  # the pause between packets
        assert ctx.get(dut.room)

    async def nothing(ctx, dut):
        pass

    simulate(test, nothing, 12, 12)
