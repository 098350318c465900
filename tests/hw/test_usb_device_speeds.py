"""hw.usb.device at high speed, and at full speed through the transceiver in gateware, bit by bit."""

import random
import types

from amaranth.hdl import ClockDomain, ClockSignal, Module, Signal
from amaranth.sim import Simulator
from luna.gateware.usb.usb2.reset import USBResetSequencer

from tests.hw.usb_bench import UsbBench, echo
from tests.hw.usb_host import UsbHost
from tests.hw.usb_wires import SE0, J, K, PinWire
from trine.firmware.usb import ENDPOINT_IN, ENDPOINT_OUT
from trine.hw.usb.device import UsbDevice


def test_high_speed(monkeypatch):
    """After the handshake of chirps (7.1.7.5) packets have 512 bytes; after one without an answer, 64."""
    for name, cycles in (("2_MILLISECONDS", 60), ("2P5_MILLISECONDS", 400), ("2P5_MICROSECONDS", 8),
                         ("5_MICROSECONDS", 20), ("3_MILLISECONDS", 900), ("200_MICROSECONDS", 20)):
        monkeypatch.setattr(USBResetSequencer, f"_CYCLES_{name}", cycles)
    bench = UsbBench(512)

    async def reset(host, chirp):
        ctx, utmi = bench.ctx, bench.utmi
        ctx.set(utmi.line_state, SE0)
        for _ in range(1000):
            if ctx.get(utmi.tx_valid):
                break
            await host.wire.idle(1)
        assert (ctx.get(utmi.op_mode), ctx.get(utmi.xcvr_select)) == (2, 0), "no chirp of the device's"
        await host.wire.idle(100)
        for _ in range(3 if chirp else 0):
            for state in (K, J):
                ctx.set(utmi.line_state, state)
                await host.wire.idle(12)
        ctx.set(utmi.line_state, SE0)
        await host.wire.idle(20 if chirp else 600)
        host.wire.between = SE0 if chirp else J
        ctx.set(utmi.line_state, host.wire.between)
        await host.wire.idle(4)
        assert ctx.get(utmi.xcvr_select) == (0 if chirp else 1)
        host.packet = 512 if chirp else 64

    async def test(host):
        for chirp in (True, False):
            await reset(host, chirp)
            await host.enumerate()
            other, own = (64, 512) if chirp else (512, 64)
            for kind, packet in ((2, own), (7, other)):
                descriptor = await host.descriptor(kind)
                assert descriptor[1] == kind
                assert [int.from_bytes(descriptor[at : at + 2], "little") for at in (22, 29)] == [packet, packet]
            data = random.Random(4).randbytes(own + 5)
            assert await echo(host, data) == data

    bench.run(test, enumerate_first=False)


def test_pins():
    """A host on D+ and D-, and LUNA's transceiver in gateware."""
    pins = types.SimpleNamespace(**{
        name: types.SimpleNamespace(**{part: Signal(name=f"{name}_{part}") for part in ("i", "o", "oe")})
        for name in ("d_p", "d_n", "pullup")
    })
    module = Module()
    module.submodules.device = device = UsbDevice(pins, 64)
    for name in ("usb", "usb_io", "sync"):
        module.domains += ClockDomain(name)
    divider = Signal(2)
    module.d.usb_io += divider.eq(divider + 1)
    module.d.comb += [
        ClockSignal("usb").eq(divider[1]), ClockSignal("sync").eq(ClockSignal("usb_io")),
        device.i.payload.eq(device.o.payload), device.i.valid.eq(device.o.valid), device.o.ready.eq(device.i.ready),
    ]

    async def test(ctx):
        wire = PinWire(ctx, pins)
        host = UsbHost(wire)
        await wire.idle(10)
        assert ctx.get(pins.pullup.o), "the device does not show that it is there"
        await host.enumerate()
        data = b"\xff\xff\x7f\x00"  # with bits that are stuffed, and without changes
        await host.write(ENDPOINT_OUT, data)
        assert await host.read_packet(ENDPOINT_IN) == data
        assert max(wire.answered) < 16  # bit times, after which a host gives up (USB 2.0, 7.1.19.1)

    simulator = Simulator(module)
    simulator.add_clock(1 / 48e6, domain="usb_io")
    simulator.add_testbench(test)
    for _ in range(100_000):
        if not simulator.advance():
            return
    raise TimeoutError("not done after 100,000 steps")
