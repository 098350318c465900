"""hw.usb.control_endpoint, as a host meets them on the bus."""

import struct

import pytest

from tests.hw.usb_bench import UsbBench
from tests.hw.usb_descriptors import parse_configuration, parse_device, parse_string
from tests.hw.usb_host import Pid, Silent, Stalled
from trine.hw.usb.control_endpoint import ControlEndpoint
from trine.hw.usb.descriptors import MICROSOFT_REQUEST, descriptors, microsoft_compatible_id

SERIAL = "0123456789"


@pytest.fixture(scope="module")
def bench():
    return UsbBench(64, SERIAL)


def test_init_wrong_serial():
    with pytest.raises(ValueError, match=r"^serial must be 1 to 30 printable ASCII characters, not 'x{31}'$"):
        ControlEndpoint(False, 31 * "x")


def test_descriptors(bench):
    """Every one, whole, and as much as is asked for; the others are refused, and harm nothing."""
    async def test(host):
        for (kind, index), (answer, _) in descriptors(False, SERIAL).items():
            assert await host.descriptor(kind, index) == answer
            for length in (1, len(answer) - 1):
                assert await host.descriptor(kind, index, length) == answer[:length]
        for kind, index in ((6, 0), (7, 0), (3, 5), (1, 1), (2, 1), (15, 0), (0, 0)):
            with pytest.raises(Stalled):
                await host.descriptor(kind, index)
        assert parse_device(await host.descriptor(1)).configurations == 1
        assert parse_configuration(await host.descriptor(2)).value == 1
        assert parse_string(await host.descriptor(3, 3)) == SERIAL

    bench.run(test)


def test_microsoft(bench):
    async def test(host):
        expected = microsoft_compatible_id()
        assert await host.control_in(0xC0, MICROSOFT_REQUEST, 0, 4, 16) == expected[:16]
        assert await host.control_in(0xC0, MICROSOFT_REQUEST, 0, 4, 40) == expected
        with pytest.raises(Stalled):
            await host.control_in(0xC0, MICROSOFT_REQUEST, 0, 5, 40)

    bench.run(test)


def test_configuration(bench):
    """0 and 1 can be set, and be asked for; without one the bulk endpoints are silent."""
    async def test(host):
        assert await host.control_in(0x80, 8, 0, 0, 1) == b"\1"
        with pytest.raises(Stalled):
            await host.control_out(0x00, 9, 2)
        assert await host.control_in(0x80, 8, 0, 0, 1) == b"\1"
        await host.control_out(0x00, 9, 0)
        assert await host.control_in(0x80, 8, 0, 0, 1) == b"\0"
        with pytest.raises(Silent):
            await host.in_(0x81, 0)
        await host.configure()
        assert await host.in_(0x81, 0) is None

    bench.run(test)


def test_status_and_interface(bench):
    async def test(host):
        for kind, index in ((0x80, 0), (0x81, 0), (0x82, 0), (0x82, 0x80), (0x82, 0x01), (0x82, 0x81)):
            assert await host.control_in(kind, 0, 0, index, 2) == b"\0\0"
        assert await host.control_in(0x81, 10, 0, 0, 1) == b"\0"
        await host.control_out(0x01, 11, 0, 0)

    bench.run(test)


@pytest.mark.parametrize(("kind", "request_", "value", "index"), [
    (0x00, 3, 1, 0),  # remote wakeup
    (0x00, 1, 1, 0),
    (0x02, 3, 0, 0x02),  # no such endpoint
    (0x02, 3, 1, 0x01),  # no such feature of an endpoint
    (0x02, 1, 1, 0x81),
    (0x01, 11, 1, 0),  # no such setting
    (0x01, 11, 0, 1),  # no such interface
    (0x40, 0x77, 0, 0),
], ids=lambda value: f"{value:#x}")
def test_refused(bench, kind, request_, value, index):
    """A request that is none of ours is refused, and the next one is served, and the endpoints still run."""
    async def test(host):
        for _ in range(2):
            with pytest.raises(Stalled):
                await host.control_out(kind, request_, value, index)
        assert len(await host.descriptor(1)) == 18
        await host.write(0x01, b"well")
        assert await host.read_packet(0x81) == b"well"

    bench.run(test)


@pytest.mark.parametrize(("kind", "request_", "index"), [
    (0x82, 0, 0x02), (0x81, 0, 1), (0x81, 10, 1), (0x82, 12, 0x81), (0xC0, 0x77, 0), (0xA1, 0, 0),
], ids=lambda value: f"{value:#x}")
def test_refused_with_data(bench, kind, request_, index):
    async def test(host):
        with pytest.raises(Stalled):
            await host.control_in(kind, request_, 0, index, 2)
        with pytest.raises(Stalled):  # and for as long as the host asks
            await host.in_(0, 1)
        assert len(await host.descriptor(1)) == 18

    bench.run(test)


def test_data_of_the_host_is_refused(bench):
    """No request of ours has any; SET_DESCRIPTOR for one."""
    async def test(host):
        await host.setup(0x00, 7, 0x0100, 0, 18)
        with pytest.raises(Stalled):
            await host.out(0, bytes(18), 1)
        assert len(await host.descriptor(1)) == 18

    bench.run(test)


@pytest.mark.parametrize("stage", ["setup", "data", "status"])
def test_abandoned_request(bench, stage):
    """A host may begin anew at any time; nothing of the old request remains."""
    async def test(host):
        await host.setup(0x80, 6, 0x0200, 0, 255)
        if stage != "setup":
            assert await host.in_(0, 1, acknowledge=stage == "status")
        await host.setup(0x00, 5, 99, 0, 0)
        await host.setup(0x00, 9, 1, 0, 0)
        assert await host.in_(0, 1) == b""
        assert len(await host.descriptor(1)) == 18  # at the old address

    bench.run(test)


def test_lost_acknowledgements(bench):
    """Data and status come again until they are acknowledged, and only then does a request take effect."""
    async def test(host):
        await host.setup(0x80, 6, 0x0100, 0, 18)
        for acknowledge in (False, False, True):
            assert len(await host.in_(0, 1, acknowledge)) == 18
        assert await host.out(0, b"", 1)
        assert await host.out(0, b"", 1)  # the device's ACK was lost
        await host.setup(0x00, 5, 99, 0, 0)
        for acknowledge in (False, False, True):
            assert await host.in_(0, 1, acknowledge) == b""
        host.address = 99
        assert len(await host.descriptor(1)) == 18

    bench.run(test)


def test_wrong_setup(bench):
    """A SETUP packet has eight bytes; any other gets no answer."""
    async def test(host):
        for packet in (struct.pack("<BBHH", 0, 9, 0, 0), struct.pack("<BBHHHB", 0, 9, 0, 0, 0, 0)):
            with pytest.raises(Silent):
                await host.out(0, packet, 0, Pid.SETUP)
        assert await host.control_in(0x80, 8, 0, 0, 1) == b"\1"

    bench.run(test)
