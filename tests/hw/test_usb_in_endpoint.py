"""hw.usb.in_endpoint: how bytes are cut into packets (what the bus makes of them is in test_usb_device)."""

import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from trine.hw.usb.in_endpoint import QUIET_CYCLES, InEndpoint

HIGH, FULL = 0, 1
"""LUNA's numbers of the speeds."""


@pytest.mark.parametrize("number", [0, 16])
def test_init_wrong_number(number):
    with pytest.raises(ValueError, match=rf"^number must be 1 to 15, not {number}$"):
        InEndpoint(number, 64)


def test_init_wrong_packet_bytes():
    with pytest.raises(ValueError, match=r"^packet_bytes must be a power of two of at least 64, not 32$"):
        InEndpoint(1, 32)


def packets_of(bursts, speed=FULL, packet_bytes=64, pause=0):
    """The lengths of the packets that come of `bursts` (lengths too), with `pause` cycles before each byte."""
    dut = InEndpoint(1, packet_bytes)
    module = Module()
    module.submodules.dut = dut
    for domain in ("sync", "usb"):
        module.domains += ClockDomain(domain)
    total = sum(bursts)
    lengths, received = [], bytearray()

    async def give(ctx):
        ctx.set(dut.interface.speed, speed)
        ctx.set(dut.configured, 1)
        await ctx.tick().repeat(8)
        value = 0
        for burst in bursts:
            for _ in range(burst):
                if pause:
                    await ctx.tick().repeat(pause)
                ctx.set(dut.i.valid, 1)
                ctx.set(dut.i.payload, value & 0xFF)
                await ctx.tick().until(dut.i.ready)
                ctx.set(dut.i.valid, 0)
                value += 1
            await ctx.tick().repeat(3 * QUIET_CYCLES)

    async def take(ctx):
        interface = dut.interface
        ctx.set(interface.tokenizer.endpoint, 1)
        ctx.set(interface.tokenizer.is_in, 1)
        ctx.set(interface.tx.ready, 1)
        await ctx.tick("usb")
        silent = 0
        while len(received) < total or silent < 20:
            ctx.set(interface.tokenizer.ready_for_response, 1)
            nak = ctx.get(interface.handshakes_out.nak)
            await ctx.tick("usb")
            ctx.set(interface.tokenizer.ready_for_response, 0)
            silent = silent + 1 if nak else 0
            if nak:
                continue
            length, last = 0, False
            while not last:
                first, last, byte = (ctx.get(value) for value in (interface.tx.first, interface.tx.last,
                                                                  interface.tx.payload))
                await ctx.tick("usb")
                if first:  # nothing is first in an empty packet
                    length += 1
                    received.append(byte)
            lengths.append(length)
            ctx.set(interface.handshakes_in.ack, 1)
            await ctx.tick("usb")
            ctx.set(interface.handshakes_in.ack, 0)
            await ctx.tick("usb").repeat(2)

    simulator = Simulator(module)
    simulator.add_clock(1e-6, domain="sync")
    simulator.add_clock(0.7e-6, domain="usb")
    simulator.add_testbench(give)
    simulator.add_testbench(take)
    for _ in range(60_000):
        if not simulator.advance():
            assert received == bytes(value & 0xFF for value in range(total))
            return lengths
    raise TimeoutError("not done after 60,000 steps")


def test_bursts():
    """A burst ends in a short packet, or an empty one behind a full one."""
    assert packets_of([1, 63, 64, 65, 128, 5]) == [1, 63, 64, 0, 64, 1, 64, 64, 0, 5]


@pytest.mark.parametrize(("pause", "lengths"), [(QUIET_CYCLES - 1, [20]), (QUIET_CYCLES + 1, [1] * 20)])
def test_quiet(pause, lengths):
    """The pause that ends a burst is QUIET_CYCLES long."""
    assert packets_of([20], pause=pause) == lengths


@pytest.mark.parametrize(("speed", "lengths"), [(HIGH, [128, 128, 44]), (FULL, [64, 64, 64, 64, 44])])
def test_speeds(speed, lengths):
    assert packets_of([300], speed, packet_bytes=128) == lengths
