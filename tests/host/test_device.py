from dataclasses import replace

import numpy as np
import pytest

from trine.firmware.compiler import compile_layer
from trine.firmware.counters import Counters
from trine.firmware.cycles import request_cycles
from trine.firmware.link import Request
from trine.firmware.machine import Machine
from trine.golden.accumulate import accumulate
from trine.host.device import VECTORS_AT_ONCE, Device
from trine.host.errors import DeviceError, UsageError
from trine.host.transport import GoldenTransport


@pytest.fixture
def loaded(device, image):
    device.load(image)
    return device


def test_info(device, small):
    found = device.info()
    assert (found.lanes, found.depth, found.maximum_payload, found.clock_khz) == (4, 6, 64, 1000)
    assert found.configuration_hash == small.configuration_hash
    assert found.image_id == 0


def test_init_wrong_configuration(small):
    transport = GoldenTransport(Machine(replace(small, lanes=8)))
    with pytest.raises(DeviceError, match=r"the device has 8 lanes x 6 columns, and another configuration"):
        Device(transport, small)


def test_init_silent(small, transport):
    transport.to_device = lambda data: b""
    with pytest.raises(DeviceError, match=r"no answer to HELLO: 8 bytes were expected, 0 came"):
        Device(transport, small)
    assert transport.gone, "it must let go of what it could not open"


def test_init_wrong_protocol(small, transport, monkeypatch):
    monkeypatch.setattr("trine.host.info.PROTOCOL_VERSION", 9)
    with pytest.raises(DeviceError, match=r"version 1 of the protocol, not 9"):
        Device(transport, small)


def test_load(device, image, transport):
    progress: list[float] = []
    device.load(image, progress.append)
    assert device.info().image_id == image.image_id
    assert device.image is image
    assert progress == sorted(progress)
    assert progress[-1] == 1.0


def test_load_again_only_by_force(loaded, image, transport):
    before = transport.writes
    loaded.load(image)
    assert transport.writes == before + 1
    loaded.load(image, force=True)
    assert transport.writes == before + 3, "counters before, then one round trip of weights"


def test_load_survives_a_fault(device, image, transport):
    transport.to_device = lambda data: data[:40] + data[41:] if transport.writes == 5 else data
    device.load(image)
    assert device.link_faults == 1
    assert device.info().image_id == image.image_id


def test_load_other_configuration(device, image):
    with pytest.raises(UsageError, match=r"the image is for another configuration \(small\) than this device's"):
        device.load(replace(image, configuration_hash=1))


def test_no_image(device, image, codes):
    with pytest.raises(UsageError, match=r"no image is loaded"):
        device.execute(image.requests[0], codes)


def test_failed_load_leaves_no_image(loaded, image, transport):
    transport.to_device = lambda data: b""
    with pytest.raises(DeviceError):
        loaded.load(image, force=True)
    with pytest.raises(UsageError, match=r"no image is loaded"):
        _ = loaded.image


def test_execute(loaded, image, classifier, codes, small):
    plan = image.requests[0]
    assert len(plan.tiles) == 2, "the test wants column tiles"
    execution = loaded.execute(plan, codes)
    assert (execution.results[0] == accumulate(classifier.linears["first"].weights, codes)).all()
    assert execution.results[0].dtype == np.int32
    assert execution.counters.engine == request_cycles(plan, small)
    assert [run.tile for run in execution.runs] == list(plan.tiles)
    assert execution.runs[0].cycle < execution.runs[1].cycle


def test_execute_with_a_fault_counts_once(loaded, image, codes, small, transport):
    before = transport.writes
    transport.to_device = lambda data: data[:-20] if transport.writes == before + 1 else data
    execution = loaded.execute(image.requests[0], codes)
    assert loaded.link_faults == 1
    assert execution.counters.engine == request_cycles(image.requests[0], small)


def test_execute_is_one_round_trip(loaded, image, codes, transport):
    before = transport.writes
    loaded.execute(image.requests[0], codes)
    assert transport.writes == before + 1


def test_execute_unknown_request(loaded, image, codes):
    with pytest.raises(UsageError, match=r"first is no request of the loaded image little"):
        loaded.execute(replace(image.requests[0], columns=9, tiles=()), codes)


@pytest.mark.parametrize(("wrong", "message"), [
    (np.zeros(9, np.int16), r"codes must be int8 \(9,\), not int16 \(9,\)"),
    (np.zeros(8, np.int8), r"codes must be int8 \(9,\), not int8 \(8,\)"),
    (np.zeros((1, 9), np.int8), r"codes must be int8 \(9,\), not int8 \(1, 9\)"),
    ([0] * 9, r"codes must be an array of int8, not list"),
])
def test_execute_wrong_codes(loaded, image, wrong, message, transport):
    before = transport.writes
    with pytest.raises(UsageError, match=message):
        loaded.execute(image.requests[0], wrong)
    assert transport.writes == before


def test_execute_code_out_of_range(small, codes):
    narrow = replace(small, name="narrow", activation_bits=4)
    device = Device(GoldenTransport(Machine(narrow)), narrow)
    image = compile_layer("a", np.ones((3, 9), np.int8), narrow)
    device.load(image)
    with pytest.raises(UsageError, match=r"codes must be -7 to 7, but codes\[0\] is -128"):
        device.execute(image.requests[0], codes)
    assert (device.linear("a", np.full(9, -7, np.int8)) == -63).all()


def test_run_request(loaded, image, classifier, codes):
    (sums,) = loaded.run_request(image.requests[0], codes)
    assert (sums == accumulate(classifier.linears["first"].weights, codes)).all()


def test_linear_codes(loaded, classifier, codes):
    both = np.stack([codes, -np.maximum(codes, -127)])
    sums = loaded.linear("first", both)
    assert sums.dtype == np.int32
    assert (sums == accumulate(classifier.linears["first"].weights, both)).all()


def test_vectors_share_a_round_trip(loaded, image, classifier, small):
    """As many as go together; each has its own counters, and is told of in its order."""
    vectors = np.random.default_rng(6).integers(-128, 128, (2 * VECTORS_AT_ONCE + 1, 9)).astype(np.int8)
    plan, before, seen, told = image.request(("first",)), loaded.exchanges, [], []
    loaded.watch(lambda _, codes, execution: seen.append((codes, execution)))
    executions = loaded.execute_all(plan, vectors, told.append)
    assert loaded.exchanges - before == 3
    for codes, execution in zip(vectors, executions, strict=True):
        assert np.array_equal(execution.results[0], accumulate(classifier.linears["first"].weights, codes))
        assert execution.counters.engine == request_cycles(plan, small)
    assert all(np.array_equal(codes, vector) for (codes, _), vector in zip(seen, vectors, strict=True))
    assert [execution for _, execution in seen] == executions
    assert told == [0.0, 16 / 33, 32 / 33, 1.0]


def test_vectors_after_a_fault(loaded, transport, classifier):
    """An exchange of several is done again whole."""
    vectors = np.random.default_rng(7).integers(-128, 128, (5, 9)).astype(np.int8)
    first, before = transport.writes + 1, loaded.exchanges
    transport.to_device = lambda data: data[:-40] if transport.writes == first else data
    assert np.array_equal(loaded.linear("first", vectors), accumulate(classifier.linears["first"].weights, vectors))
    assert (loaded.exchanges - before, loaded.link_faults) == (2, 1)


def test_linear_floats(loaded, classifier):
    x = np.random.default_rng(3).normal(size=(2, 3, 9)).astype(np.float32)
    y = loaded.linear("first", x)
    assert y.shape == (2, 3, 7)
    assert y.dtype == np.float32
    assert (y == classifier.linears["first"](x)).all()


@pytest.mark.parametrize(("x", "message"), [
    (np.zeros(9), r"first: x must be an array of int8 codes or of float32, not float64"),
    ([0.0] * 9, r"first: x must be an array of int8 codes or of float32, not list"),
    (np.zeros(10, np.float32), r"first: x must be \(\.\.\., 9\), not \(10,\)"),
    (np.float32(1), r"not float32"),
    (np.array([0, np.nan] + [0] * 7, np.float32), r"x must be finite, but x\[1\] is nan"),
    (np.array([[0] * 8 + [np.inf]], np.float32), r"x must be finite, but x\[0, 8\] is inf"),
])
def test_linear_wrong_input(loaded, x, message):
    with pytest.raises(UsageError, match=message):
        loaded.linear("first", x)


def test_linear_unknown_layer(loaded):
    with pytest.raises(UsageError, match=r"little: no layer 'third'; its layers are first, second"):
        loaded.linear("third", np.zeros(9, np.int8))


def test_linear_of_a_bare_layer_has_no_scales(device, small):
    image = compile_layer("alone", np.ones((3, 9), np.int8), small)
    device.load(image)
    assert (device.linear("alone", np.ones(9, np.int8)) == 9).all()
    with pytest.raises(UsageError, match=r"alone: an image of bare layers has no scales; give int8 codes"):
        device.linear("alone", np.ones(9, np.float32))


def test_linear_follows_the_loaded_image(loaded, image, small):
    loaded.linear("first", np.ones(9, np.float32))
    other = compile_layer("alone", np.ones((3, 9), np.int8), small)
    loaded.load(other)
    with pytest.raises(UsageError, match=r"no scales"):
        loaded.linear("alone", np.ones(9, np.float32))


def test_watch_until_the_next_load(loaded, image, codes):
    seen = []
    loaded.watch(lambda plan, given, execution: seen.append((plan, given, execution.results[0])))
    (sums,) = loaded.run_request(image.requests[0], codes)
    assert seen[0][0] is image.requests[0]
    assert (seen[0][1] == codes).all()
    assert (seen[0][2] == sums).all()
    loaded.load(image)
    loaded.run_request(image.requests[0], codes)
    assert len(seen) == 1


def test_device_that_forgot_its_image(loaded, image, codes, transport, small):
    transport.inner = GoldenTransport(Machine(small))
    with pytest.raises(DeviceError, match=r"refuses RUN: NOT_COMMITTED"):
        loaded.execute(image.requests[0], codes)


def test_wrong_response_lengths(loaded, image, codes, transport):
    serve = transport.inner._machine._serve
    serve[Request.READ] = lambda payload: bytes(4)
    with pytest.raises(DeviceError, match=r"a wrong response: first: 4 bytes of results came"):
        loaded.execute(image.requests[0], codes)
    serve[Request.COUNTERS] = lambda payload: b""
    with pytest.raises(DeviceError, match=r"a wrong response: a counters payload"):
        loaded.counters()


def test_counters(loaded, image, codes):
    assert loaded.counters() == Counters()
    loaded.run_request(image.requests[0], codes)
    assert loaded.counters().busy > 0


def test_echo(device, small):
    assert device.echo(b"there and back") == b"there and back"
    with pytest.raises(UsageError, match=r"an echo has at most 64 bytes, not 65"):
        device.echo(bytes(65))


def test_close(device, transport):
    with device:
        pass
    assert transport.gone
    device.close()


def test_requests_of_ones_own(loaded):
    """What they did to the image nobody knows."""
    assert loaded.request([(Request.ECHO, b"a"), (Request.ECHO, b"b")]) == [b"a", b"b"]
    with pytest.raises(UsageError, match=r"no image is loaded"):
        _ = loaded.image
    with pytest.raises(DeviceError, match=r"the device refuses READ: BAD_LENGTH"):
        loaded.request([(Request.READ, b"")])
