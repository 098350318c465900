"""hw.usb.device: a host enumerates it, and bytes go through it whatever happens on the bus."""

import random
import types

import pytest
from luna.gateware.interface.utmi import UTMIInterface

from tests.hw.usb_bench import UsbBench, echo, nothing_left
from tests.hw.usb_host import ADDRESS, Pid, Silent, Stalled, data_packet, token_packet
from trine.firmware.usb import ENDPOINT_IN, ENDPOINT_OUT
from trine.hw.usb import device as device_module
from trine.hw.usb import in_endpoint as in_endpoint_module
from trine.hw.usb.device import UsbDevice


@pytest.fixture(scope="module")
def bench():
    return UsbBench(64)


@pytest.fixture(scope="module")
def small():
    """A device whose packets have 8 bytes, so that many lengths take little time."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (device_module, in_endpoint_module):
            patch.setattr(module, "FULL_SPEED_PACKET", 8)
        return UsbBench(8)


def test_init_wrong_packet_bytes():
    with pytest.raises(ValueError, match=r"^packet_bytes must be 64 or 512, not 32$"):
        UsbDevice(UTMIInterface(), 32)


def test_init_high_speed_on_pins():
    with pytest.raises(ValueError, match=r"^packet_bytes must be 64 on pins without a transceiver, not 512$"):
        UsbDevice(types.SimpleNamespace(d_p=None, d_n=None), 512)


@pytest.mark.parametrize("serial", ["", "x" * 31, "é", "a\n"])
def test_init_wrong_serial(serial):
    with pytest.raises(ValueError, match=r"^serial must be 1 to 30 printable ASCII characters, not "):
        UsbDevice(UTMIInterface(), 64, serial)


def test_every_length(small):
    """0 to 3 packets and a byte, in both directions."""
    async def test(host):
        chance = random.Random(1)
        for length in range(26):
            data = chance.randbytes(length)
            assert await echo(host, data) == data
        assert await nothing_left(host)

    small.run(test)


def test_lengths_around_packets(bench):
    async def test(host):
        chance = random.Random(2)
        for length in (0, 1, 63, 64, 65, 127, 128, 129, 191, 192):
            data = chance.randbytes(length)
            assert await echo(host, data) == data
        assert await nothing_left(host)

    bench.run(test)


def test_pauses_in_sync(small):
    """The accelerator's side of both streams stops at random."""
    async def test(host):
        small.ctx.set(small.pausing, 1)
        data = random.Random(3).randbytes(60)
        assert await echo(host, data) == data

    small.run(test)


def test_full_packets_in_a_burst(small):
    """What comes without a pause goes in full packets, and ends with a short one, if only an empty one."""
    async def test(host):
        for length, packets in ((16, [8, 8, 0]), (11, [8, 3]), (3, [3])):
            small.ctx.set(small.paused, 1)
            await host.write(ENDPOINT_OUT, bytes(length))
            small.ctx.set(small.paused, 0)
            assert [len(await host.read_packet(ENDPOINT_IN)) for _ in packets] == packets
        assert await nothing_left(host)

    small.run(test)


def test_no_packet_is_wasted(bench):
    """As long as the accelerator keeps up, no packet is refused, here with eight times the rate of full speed."""
    async def test(host):
        bench.ctx.set(bench.apart, 1)
        await host.wire.idle(200)
        received = b"".join([await host.read_packet(ENDPOINT_IN) for _ in range(12)])
        assert received == bytes(range(256)) * 3
        for _ in range(12):
            await host.write_packet(ENDPOINT_OUT, bytes(64))
        assert host.naks == 0

    bench.run(test)


def test_nothing_to_give(bench):
    async def test(host):
        assert await host.in_(ENDPOINT_IN, 0) is None
        assert await echo(host, b"now") == b"now"

    bench.run(test)


def test_refused_while_full(small):
    """Two packets fit; the third is refused until there is room, and then is not lost."""
    async def test(host):
        small.ctx.set(small.paused, 1)
        await host.write(ENDPOINT_OUT, bytes(range(16)))
        for _ in range(3):
            assert not await host.out(ENDPOINT_OUT, bytes(range(16, 24)), 0)
        small.ctx.set(small.paused, 0)
        assert await host.read(ENDPOINT_IN, 16) == bytes(range(16))
        assert await echo(host, bytes(range(16, 40))) == bytes(range(16, 40))

    small.run(test)


def test_ping(small):
    """High speed's question whether there is room."""
    async def test(host):
        async def ping():
            await host.token(Pid.PING, ENDPOINT_OUT)
            return await host.handshake()

        small.ctx.set(small.paused, 1)
        assert await ping() == Pid.ACK
        await host.write(ENDPOINT_OUT, bytes(16))
        assert await ping() == Pid.NAK
        await host.control_out(0x02, 3, 0, ENDPOINT_OUT)
        with pytest.raises(Stalled):
            await ping()

    small.run(test)


def test_empty_packets(bench):
    """They change the toggle and nothing else."""
    async def test(host):
        for data in (b"", b"one", b"", b"", b"two"):
            await host.write(ENDPOINT_OUT, data)
        received = b""
        while len(received) < 6:
            received += await host.read_packet(ENDPOINT_IN)
        assert received == b"onetwo"
        assert await nothing_left(host)

    bench.run(test)


def test_lost_acknowledgement_of_out(bench):
    """The host did not hear the ACK: it repeats the packet, which must not count twice."""
    async def test(host):
        received = b""
        for toggle, data, times in ((0, b"one ", 2), (1, b"two ", 1), (0, b"three ", 3), (1, b"four", 2)):
            for _ in range(times):
                assert await host.out(ENDPOINT_OUT, data, toggle)
            received += await host.read_packet(ENDPOINT_IN)
        assert received == b"one two three four"
        assert await nothing_left(host)

    bench.run(test)


def test_lost_acknowledgement_of_in(bench):
    """The device did not hear the ACK: the same packet comes with the same toggle, until it does."""
    async def test(host):
        await host.write(ENDPOINT_OUT, b"again")
        assert await host.read_packet(ENDPOINT_IN) == b"again"
        await host.write(ENDPOINT_OUT, b"and again")
        await host.wire.idle(100)
        for _ in range(3):
            assert await host.in_(ENDPOINT_IN, 1, acknowledge=False) == b"and again"
        assert await host.read_packet(ENDPOINT_IN) == b"and again"
        assert await nothing_left(host)

    bench.run(test)


def test_acknowledgement_of_another_device(bench):
    """A device hears all that the host sends; an ACK after another's token is not for it."""
    async def test(host):
        await host.write(ENDPOINT_OUT, b"mine")
        await host.wire.idle(100)
        assert await host.in_(ENDPOINT_IN, 0, acknowledge=False) == b"mine"
        await host.wire.send(token_packet(Pid.IN, (ADDRESS + 1) | 1 << 7))
        await host.wire.idle(20)
        await host.wire.send(bytes([Pid.ACK]))
        assert await host.read_packet(ENDPOINT_IN) == b"mine"

    bench.run(test)


@pytest.mark.parametrize("damage", ["token", "data", "pid", "length", "no token", "address"])
def test_damaged_out(bench, damage):
    """No answer to what arrives damaged, and the repetition counts."""
    async def test(host):
        token = bytearray(token_packet(Pid.OUT, ADDRESS | ENDPOINT_OUT << 7))
        packet = bytearray(data_packet(0, b"payload"))
        if damage == "token":
            token[2] ^= 0x80
        elif damage == "data":
            packet[3] ^= 1
        elif damage == "pid":
            packet[0] ^= 0x10
        elif damage == "length":
            packet = bytearray(data_packet(0, bytes(65)))
        elif damage == "address":
            token = bytearray(token_packet(Pid.OUT, (ADDRESS ^ 1) | ENDPOINT_OUT << 7))
        if damage == "no token":
            assert await host.out(ENDPOINT_OUT, b"before", 0)
            packet = bytearray(data_packet(1, b"stray"))
        else:
            await host.wire.send(bytes(token))
        await host.wire.send(bytes(packet))
        with pytest.raises(Silent):
            await host.wire.receive()
        if damage == "no token":
            assert await host.read_packet(ENDPOINT_IN) == b"before"
            host.toggles[ENDPOINT_OUT] = 1
        await host.write(ENDPOINT_OUT, b"payload")
        assert await host.read_packet(ENDPOINT_IN) == b"payload"

    bench.run(test)


def test_halt(bench):
    """A halted endpoint refuses; clearing the halt starts it anew at DATA0, and what was there is still there."""
    async def test(host):
        await host.write(ENDPOINT_OUT, b"kept")
        for endpoint in (ENDPOINT_OUT, ENDPOINT_IN):
            await host.control_out(0x02, 3, 0, endpoint)
            assert await host.control_in(0x82, 0, 0, endpoint, 2) == b"\1\0"
        for _ in range(2):
            with pytest.raises(Stalled):
                await host.out(ENDPOINT_OUT, b"refused", 1)
            with pytest.raises(Stalled):
                await host.in_(ENDPOINT_IN, 0)
        for endpoint in (ENDPOINT_OUT, ENDPOINT_IN):
            await host.control_out(0x02, 1, 0, endpoint)
            assert await host.control_in(0x82, 0, 0, endpoint, 2) == b"\0\0"
            host.toggles[endpoint] = 0
        assert await host.read_packet(ENDPOINT_IN) == b"kept"
        assert await echo(host, b"one more") == b"one more"
        await host.control_out(0x02, 1, 0, ENDPOINT_IN)  # not halted: the toggle starts anew all the same
        host.toggles[ENDPOINT_IN] = 0
        assert await echo(host, b"another") == b"another"

    bench.run(test)


@pytest.mark.parametrize("request_", [(0x00, 9, 1, 0), (0x01, 11, 0, 0)], ids=["SET_CONFIGURATION", "SET_INTERFACE"])
def test_toggles_start_anew(bench, request_):
    async def test(host):
        assert await echo(host, b"odd") == b"odd"
        await host.control_out(*request_)
        host.toggles = {}
        assert await echo(host, b"even") == b"even"

    bench.run(test)


@pytest.mark.parametrize("moment", ["token", "data", "in"])
def test_bus_reset_within_a_transfer(bench, moment):
    """The device forgets address, configuration and toggles, and what was to be sent, and is well after that."""
    async def test(host):
        assert await echo(host, b"odd") == b"odd"
        await host.write(ENDPOINT_OUT, b"for nobody")
        await host.wire.idle(100)
        if moment == "token":
            await host.token(Pid.OUT, ENDPOINT_OUT)
        elif moment == "data":
            await host.token(Pid.OUT, ENDPOINT_OUT)
            await host.wire.send(data_packet(0, b"broken off")[:6])
        else:
            assert await host.in_(ENDPOINT_IN, 1, acknowledge=False) == b"for nobody"
        await host.wire.reset()
        with pytest.raises(Silent):
            await host.in_(ENDPOINT_IN, 0)
        host.address = 0
        for endpoint in (ENDPOINT_IN, ENDPOINT_OUT):
            with pytest.raises(Silent):
                await (host.in_(endpoint, 0) if endpoint == ENDPOINT_IN else host.out(endpoint, b"?", 0))
        await host.enumerate()
        assert await echo(host, b"anew") == b"anew"
        assert await nothing_left(host)

    bench.run(test)
