"""A serial line at its worst: whatever is damaged, lost, repeated or invented, nothing wrong reaches the user."""

import random
from dataclasses import replace

import pytest

from tests.host.noise import KINDS, Noise, NoisyTransport
from trine.firmware.link import Request
from trine.firmware.machine import Machine
from trine.golden.accumulate import accumulate
from trine.host.connection import Connection
from trine.host.device import Device
from trine.host.errors import DeviceError

MEGABYTES = 10
ATTEMPTS = 20


def persistently(act):
    """`act` as often as somebody would who needs it done; how often it took and what came of it."""
    for attempt in range(ATTEMPTS):
        try:
            return attempt, act()
        except DeviceError as error:
            fault = error
    raise fault


@pytest.mark.parametrize("mean_bytes", [30_000, 600_000])
def test_nothing_is_lost(small, mean_bytes):
    """10 MB there and back; of a fault every 600,000 bytes only the connection hears."""
    device = replace(small, maximum_payload=2048)
    there, back = Noise(mean_bytes, 1), Noise(mean_bytes, 4)
    transport = NoisyTransport(Machine(device), there, back)
    connection = Connection(transport, timeout=60)
    chance, noticed, passed = random.Random(3), 0, 0
    while passed < MEGABYTES * 1_000_000:
        sizes = [chance.choice((2048, 2048, chance.randint(0, 2048))) for _ in range(4)]
        sent = [(Request.ECHO, chance.randbytes(size)) for size in sizes]
        again, answers = persistently(lambda sent=sent: connection.exchange(sent))
        assert answers == [payload for _, payload in sent]
        noticed += again
        passed += sum(len(payload) for payload in answers)
    assert connection.faults > 20
    for noise in (there, back):
        assert set(noise.done) == set(KINDS)
        assert noise.done.total() > 0.5 * passed / mean_bytes
    assert (noticed > 0) == (mean_bytes < 100_000)


def test_loads_and_products(small, image, classifier, codes):
    """Every integer, with a fault every 700 bytes."""
    transport = NoisyTransport(Machine(small), Noise(700, 4), Noise(700, 5))
    _, device = persistently(lambda: Device(transport, small, timeout=60))
    expected = accumulate(classifier.linears["first"].weights, codes)
    for _ in range(30):
        persistently(lambda: device.load(image, force=True))
        for _ in range(10):
            _, execution = persistently(lambda: device.execute(image.requests[0], codes))
            assert (execution.results[0] == expected).all()
    assert device.link_faults > 100
