"""Models larger than the device: what is streamed through it, and what becomes of that when something goes wrong."""

from dataclasses import replace

import numpy as np
import pytest

from tests.host.noise import Noise, NoisyTransport
from trine.firmware import traffic
from trine.firmware.compiler import compile_classifier
from trine.firmware.cycles import FRAME_BYTES, LinkUse, request_bytes, token_bytes, token_cycles
from trine.firmware.image_file import read_image, save_image
from trine.firmware.machine import Machine
from trine.firmware.traffic import exchanges
from trine.golden.accumulate import accumulate
from trine.golden.bitlinear import BitLinear
from trine.golden.classifier import Classifier, ClassifierConfig
from trine.host.device import Device
from trine.host.errors import DeviceError, UsageError
from trine.host.runner import Runner
from trine.host.transport import GoldenTransport

SIZES = {"first": (22, 30), "second": (30, 22), "third": (5, 30)}
QUESTIONS = LinkUse(2 * FRAME_BYTES, 2 * FRAME_BYTES + 2 * 64)
"""Two COUNTERS, around each exchange."""
INFO = LinkUse(FRAME_BYTES, FRAME_BYTES + 32)


@pytest.fixture(scope="module")
def model():
    random = np.random.default_rng(9)
    return Classifier(ClassifierConfig(SIZES, False), {
        name: BitLinear(random.integers(-1, 2, shape, np.int8), np.float32(2.0)) for name, shape in SIZES.items()})


@pytest.fixture(params=["nothing", "some"])
def stays(request):
    return request.param


@pytest.fixture
def configuration(small, stays):
    """72 words, in memories of 12, or of 48, with room for the codes of two chunks."""
    return replace(small, weight_words=12 if stays == "nothing" else 48, activation_chunks=2)


@pytest.fixture
def image(model, configuration, stays):
    found = compile_classifier(model, configuration, "big")
    assert len(found.loads) > 3
    assert (found.loads[0].words > 0) == (stays == "some")
    return found


@pytest.fixture
def line(transport, configuration):
    """The transport, in front of such a device, that counts what passes."""
    transport.inner = GoldenTransport(Machine(configuration))
    transport.bytes = [0, 0]
    write, read = transport.write, transport.read_exact

    def counted_write(data):
        transport.bytes[0] += len(data)
        write(data)

    def counted_read(n, timeout):
        transport.bytes[1] += n
        return read(n, timeout)

    transport.write, transport.read_exact = counted_write, counted_read
    return transport


@pytest.fixture
def device(line, configuration):
    return Device(line, configuration)


def vectors(model, count=1):
    """Codes of each layer."""
    random = np.random.default_rng(1)
    return {name: random.integers(-128, 128, (count, k)).astype(np.int8) for name, (_, k) in SIZES.items()}


def one_pass(device, model):
    """All requests once, each result golden's."""
    for name, (codes,) in vectors(model).items():
        (found,) = device.run_request(device.image.request((name,)), codes)
        assert np.array_equal(found, accumulate(model.linears[name].weights, codes)), name


def test_every_integer_and_cycle(device, image, model, configuration):
    runner = Runner(device, image, model)
    for x in np.random.default_rng(2).normal(size=(3, 30)).astype(np.float32):
        assert np.array_equal(model.logits(x, runner.multiply), model.logits(x))
    assert runner.passes == 3
    one = token_cycles(image, configuration)
    assert runner.counters == one + one + one
    assert one.busy == image.words == 72
    assert runner.weights == sum(n * k for n, k in SIZES.values())
    rates, use = runner.rates(), token_bytes(image, configuration)
    assert rates.offload_s_per_token == pytest.approx(
        one.cycles / 1e6 + use.total / 300_000 + use.round_trips * 0.001)


def test_what_crosses_the_link(device, image, model, configuration, line):
    """To the byte what the cycle model says, but for the host's own questions."""
    device.load(image)
    for _ in range(2):
        before, done = list(line.bytes), device.exchanges
        one_pass(device, model)
        use, total = token_bytes(image, configuration), LinkUse()
        for request in image.requests:
            total += request_bytes(request, configuration, image.loads)
            for tiles in exchanges(request, image.loads, configuration):
                total += QUESTIONS + INFO * (image.loads[0].words > 0 and tiles[0].load > 0)
        assert [now - then for now, then in zip(line.bytes, before, strict=True)] == [total.to_device,
                                                                                      total.from_device]
        assert device.exchanges - done == use.round_trips == 3 + (image.loads[0].words > 0)
        assert use.to_device > 8 * (image.words - image.loads[0].words)


def test_bounded_exchanges(device, image, model, configuration, monkeypatch):
    """What a request streams is divided among exchanges of whole loads."""
    monkeypatch.setattr(traffic, "EXCHANGE_BYTES", 1)
    device.load(image)
    before = device.exchanges
    one_pass(device, model)
    assert device.exchanges - before == token_bytes(image, configuration).round_trips > 3


def test_a_single_load_is_not_written_again(device, image, model, configuration, line):
    """If it is all that a request streams, and nothing else was written since."""
    request = next(request for request in image.requests if len({tile.load for tile in request.tiles} - {0}) == 1)
    device.load(image)
    (codes,) = vectors(model)[request.layers[0]]
    first = device.execute(request, codes).results
    before = line.bytes[0]
    again = device.execute(request, codes).results
    assert np.array_equal(first, again)
    questions = QUESTIONS.to_device * len(exchanges(request, image.loads, configuration))
    assert line.bytes[0] - before == request_bytes(request, configuration).to_device + questions


def test_many_vectors_share_the_loads(device, image, model, configuration, line):
    device.load(image)
    layer = "second"
    x = vectors(model, 5)[layer]
    expected = accumulate(model.linears[layer].weights, x)
    before = line.bytes[0]
    assert np.array_equal(device.linear(layer, x.reshape(5, 1, 22)), expected.reshape(5, 1, 30))
    request = image.request((layer,))
    weights = request_bytes(request, configuration, image.loads).to_device - request_bytes(
        request, configuration).to_device
    tiles = 5 * request_bytes(request, configuration).to_device
    assert line.bytes[0] - before < weights + tiles + len(request.tiles) * (5 + 2) * FRAME_BYTES
    assert device.linear(layer, x[:0]).shape == (0, 30)


def test_many_vectors_are_compared(device, image, model):
    """Each request, and the cycles of each."""
    runner = Runner(device, image, model)
    device.linear("second", vectors(model, 5)["second"])
    assert runner.tally.requests == 5
    assert runner.tally.integers == 5 * sum(
        output.rows for tile in image.request(("second",)).tiles for output in tile.outputs)


def test_follow(device, image, model):
    device.load(image)
    told: list[float] = []
    device.follow(told.append)
    one_pass(device, model)
    assert told == sorted(told)
    assert told[-1] == 1.0
    device.follow(None)
    one_pass(device, model)
    assert len(told) < 5


def test_the_device_says_which_load_it_holds(device, image, model, configuration, line):
    """Another program that opens the device believes only that load 0 is there, if that was written last."""
    device.load(image)
    assert image.load_of(device.info().image_id) == 0
    Device(line, configuration).load(image)
    before = line.bytes[0]
    Device(line, configuration).load(image)
    assert line.bytes[0] - before == 3 * FRAME_BYTES, "HELLO, INFO, INFO, and nothing to write"
    one_pass(device, model)
    assert image.load_of(device.info().image_id) == len(image.loads) - 1
    other = Device(line, configuration)
    other.load(image)
    assert image.load_of(other.info().image_id) == 0
    one_pass(other, model)


def test_loads_of_another_image(device, image, model, configuration):
    """Two images in turns: what the device holds of one is not taken for the other's."""
    other = compile_classifier(Classifier(model.config, {
        name: BitLinear(-linear.weights, linear.weight_scale) for name, linear in model.linears.items()}),
        configuration, "other")
    for _ in range(2):
        device.load(image)
        one_pass(device, model)
        device.load(other)
        for name, (codes,) in vectors(model).items():
            assert np.array_equal(device.linear(name, codes), accumulate(-model.linears[name].weights, codes))


def test_a_fault_anywhere(device, image, model, line):
    """Each frame of a pass is damaged once: whatever was written by then, the exchange begins with what it needs."""
    line.paced = True
    device.load(image)
    before = line.writes
    one_pass(device, model)
    frames = line.writes - before
    assert frames >= 30
    for number in range(0, frames, 2):
        at = line.writes + 1 + number
        line.to_device = lambda data, at=at: data[:-3] if line.writes == at else data
        faults = device.link_faults
        one_pass(device, model)
        assert device.link_faults > faults


def test_a_reset_anywhere(device, image, model, line, configuration):
    """A device that loses its memories with a frame, and so all that it was told."""
    line.paced = True
    device.load(image)
    before = line.writes
    one_pass(device, model)
    for number in range(0, line.writes - before, 3):
        at = line.writes + 1 + number

        def lose(data, at=at):
            if line.writes != at:
                return data
            line.inner = GoldenTransport(Machine(configuration))
            return b""

        line.to_device = lose
        try:
            one_pass(device, model)
        except DeviceError:  # nothing was to be written, and a RUN was refused
            device.load(image)
        one_pass(device, model)


def test_a_reset_between_requests(device, image, model, line, configuration):
    """Nobody notices but the device, which says that it holds nothing."""
    device.load(image)
    one_pass(device, model)
    request = next(request for request in image.requests if len({tile.load for tile in request.tiles} - {0}) > 1)
    line.inner = GoldenTransport(Machine(configuration))
    (codes,) = vectors(model)[request.layers[0]]
    (found,) = device.run_request(request, codes)
    assert np.array_equal(found, accumulate(model.linears[request.layers[0]].weights, codes))
    one_pass(device, model)


@pytest.mark.parametrize("stays", ["some"], indirect=True)
def test_a_device_that_forgets_always(device, image, model, line):
    device.load(image)
    request = next(request for request in image.requests if len({tile.load for tile in request.tiles} - {0}) > 1)
    (codes,) = vectors(model)[request.layers[0]]
    machine = line.inner._machine

    def forget(data):
        machine._image_id = 0
        return data

    line.to_device = forget
    with pytest.raises(DeviceError, match=r"the device lost big 3 times; check its supply and the cable"):
        device.execute(request, codes)
    line.to_device = lambda data: data
    one_pass(device, model)


def test_noise(configuration, image, model):
    """Every integer, with a fault every 3,000 bytes."""
    transport = NoisyTransport(Machine(configuration), Noise(3000, 6), Noise(3000, 7))
    device = Device(transport, configuration, timeout=60)
    again = 0
    for _ in range(20):
        try:
            device.load(image)
            one_pass(device, model)
        except DeviceError:
            again += 1
    assert device.link_faults > 10
    assert again < 10


def test_wrong_codes_are_refused_before_anything_is_written(device, image, line):
    device.load(image)
    before = line.bytes[0]
    for codes in (np.zeros(21, np.int8), np.zeros(22, np.int32), "codes"):
        with pytest.raises(UsageError, match=r"^second: codes must be"):
            device.execute(image.request(("second",)), codes)
    with pytest.raises(UsageError, match=r"^second: codes must be int8 \(22,\), not int8 \(21,\)"):
        device.execute_all(image.request(("second",)), np.zeros((3, 21), np.int8))
    assert line.bytes[0] == before


def test_a_damaged_file(device, image, model, configuration, tmp_path):
    """A load that is damaged is not executed, and the rest of the model still is."""
    path = tmp_path / "big"
    save_image(path, image)
    data = bytearray(path.read_bytes())
    last = image.weights[-1]
    data[data.rfind(last) + len(last) // 2] ^= 1
    path.write_bytes(data)
    stored = read_image(path, configuration)
    device.load(stored)
    (codes,) = vectors(model)["third"]
    with pytest.raises(UsageError, match=rf"big: load {len(image.loads) - 1} is damaged: its checksum is wrong"):
        device.linear("third", codes)
    (codes,) = vectors(model)["first"]
    assert np.array_equal(device.linear("first", codes), accumulate(model.linears["first"].weights, codes))


def test_from_a_file(device, image, model, configuration, tmp_path):
    save_image(tmp_path / "big", image)
    runner = Runner(device, read_image(tmp_path / "big", configuration))
    x = np.ones(30, np.float32)
    assert np.array_equal(model.logits(x, runner.multiply), model.logits(x))
    assert np.array_equal(device.linear("first", x), model.linears["first"](x))


def test_questions(device, line):
    """What the tests above take them for."""
    before = list(line.bytes)
    device.counters()
    device.counters()
    device.info()
    total = QUESTIONS + INFO
    assert [now - then for now, then in zip(line.bytes, before, strict=True)] == [total.to_device, total.from_device]
