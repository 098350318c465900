"""Ten thousand random requests, right and wrong ones, over each transport: the functional machine's answers."""

from itertools import islice

from tests.host.serial_line import SerialLine
from tests.host.usb_bus import Bus, BusDevice
from tests.hw.requests import RandomRequests
from tests.hw.streams import SILENCE, parse_responses
from trine.firmware.counters import decode_counters
from trine.firmware.link import Request
from trine.firmware.machine import Machine
from trine.host.serial_port import SerialTransport
from trine.host.simulator import open_simulator
from trine.host.usb import UsbTransport

REQUESTS = 10_000


def comparable(response):
    """All of it but the cycles that the link takes, which only a simulated device knows."""
    if response.opcode == Request.RUN | 0x80:
        return response.opcode, response.sequence, len(response.payload)
    if response.opcode == Request.COUNTERS | 0x80:
        return response.opcode, response.sequence, decode_counters(response.payload).engine
    return response


def soak(transport, configuration, at_once, seed):
    """Demands the machine's answers to everything, `at_once` requests a write."""
    requests = RandomRequests(configuration, seed)
    segments = [*requests.fill(), *requests.segments(REQUESTS, damage=0)]
    frames = iter([segment for segment in segments if segment is not SILENCE])
    machine, answered = Machine(configuration), 0
    while batch := b"".join(islice(frames, at_once)):
        expected = machine.feed(batch)
        transport.write(batch)
        found = transport.read_exact(len(expected), 60)
        assert [*map(comparable, parse_responses(found))] == [*map(comparable, parse_responses(expected))]
        answered += sum(1 for _ in parse_responses(expected))
    assert answered > REQUESTS
    transport.close()


def test_usb(small):
    soak(UsbTransport(backend=Bus(BusDevice(small))), small, 50, 1)


def test_serial(small):
    line = SerialLine(Machine(small))
    soak(SerialTransport(line.path, 3_000_000), small, 10, 2)
    line.unplug()


def test_gateware(small):
    soak(open_simulator(small), small, 50, 3)
