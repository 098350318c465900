"""hw.usb.utmi_accelerator: the link's frames, through the bus, to the accelerator and back."""

import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from tests.hw.configurations import small
from tests.hw.streams import parse_responses
from tests.hw.usb_host import UsbHost
from tests.hw.usb_wires import UtmiWire
from trine.firmware.link import RESPONSE_BIT, Frame, Request
from trine.firmware.presets import find_preset
from trine.firmware.usb import ENDPOINT_IN, ENDPOINT_OUT
from trine.hw.usb.utmi_accelerator import UtmiAccelerator


def test_init_wrong_speed():
    with pytest.raises(ValueError, match=r"^speed must be full or high, not 'super'$"):
        UtmiAccelerator(small(), "super")


def test_init_wrong_configuration():
    with pytest.raises(ValueError, match=r"^array_25f_384 is a bare array"):
        UtmiAccelerator(find_preset("array_25f_384"), "full")


def test_echo():
    """Two requests in one transfer, two responses."""
    dut = UtmiAccelerator(small(), "full")
    module = Module()
    module.submodules.dut = dut
    for domain in ("sync", "usb"):
        module.domains += ClockDomain(domain)
    payload = bytes(range(100, 160))
    received = bytearray()

    async def test(ctx):
        host = UsbHost(UtmiWire(ctx, dut))
        await host.wire.idle(4)
        await host.enumerate()
        await host.write(ENDPOINT_OUT, Frame(Request.HELLO, 1).encode() + Frame(Request.ECHO, 2, payload).encode())
        while not received.endswith(payload + received[-4:]) or len(received) < 80:
            received.extend(await host.read_packet(ENDPOINT_IN))

    simulator = Simulator(module)
    simulator.add_clock(1e-6 / 16, domain="sync")
    simulator.add_clock(1e-6 / 12, domain="usb")
    simulator.add_testbench(test)
    for _ in range(30_000):
        if not simulator.advance():
            break
    hello, echo = parse_responses(bytes(received))
    assert (hello.opcode, hello.sequence) == (Request.HELLO | RESPONSE_BIT, 1)
    assert (echo.opcode, echo.sequence, echo.payload) == (Request.ECHO | RESPONSE_BIT, 2, payload)
