import numpy as np
import pytest

from trine.firmware.compiler import compile_layers
from trine.firmware.cycles import request_cycles
from trine.golden.accumulate import accumulate
from trine.host.errors import MismatchError, UsageError
from trine.host.layers import Layers


@pytest.fixture(scope="module")
def weights():
    random, shapes = np.random.default_rng(8), {"a": (5, 9), "b": (3, 9), "c": (4, 7)}
    return {name: random.integers(-1, 2, shape, np.int8) for name, shape in shapes.items()}


@pytest.fixture
def layers(device, small, weights):
    return Layers(device, compile_layers([("a", "b"), ("c",)], weights, small, "three"))


@pytest.fixture
def vectors():
    return np.random.default_rng(9).integers(-128, 128, (2, 3, 9), np.int8)


def test_sums(layers, weights, vectors):
    for name in ("a", "b"):
        sums = layers.sums(name, vectors)
        assert sums.dtype == np.int32
        assert np.array_equal(sums, accumulate(weights[name], vectors)), name
    assert np.array_equal(layers.sums("c", vectors[0, 0, :7]), accumulate(weights["c"], vectors[0, 0, :7]))


def test_layers_with_an_input_in_common_are_one_request(layers, vectors):
    layers.sums("a", vectors)
    assert (layers.requests, layers.shared) == (6, 0)
    layers.sums("b", vectors.copy())
    assert (layers.requests, layers.shared) == (6, 6)


def test_order_does_not_matter(layers, weights, vectors):
    assert np.array_equal(layers.sums("b", vectors), accumulate(weights["b"], vectors))
    assert np.array_equal(layers.sums("a", vectors), accumulate(weights["a"], vectors))
    assert layers.requests == 6


def test_another_input_is_executed(layers, weights, vectors):
    """By equality of the codes: the array is the same, what is in it is not."""
    layers.sums("a", vectors)
    vectors[1, 2, 8] ^= 1
    assert np.array_equal(layers.sums("b", vectors), accumulate(weights["b"], vectors))
    assert (layers.requests, layers.shared) == (12, 0)


def test_another_number_of_vectors_is_executed(layers, weights, vectors):
    layers.sums("a", vectors)
    assert np.array_equal(layers.sums("b", vectors[0]), accumulate(weights["b"], vectors[0]))
    assert layers.requests == 6 + 3


def test_a_layer_that_asks_again_is_executed_again(layers, vectors):
    layers.sums("a", vectors)
    layers.sums("a", vectors)
    assert (layers.requests, layers.shared) == (12, 0)


def test_only_the_last_request_is_kept(layers, vectors):
    layers.sums("a", vectors)
    layers.sums("c", vectors[..., :7])
    layers.sums("b", vectors)
    assert layers.requests == 18


def test_nothing_is_kept_of_a_request_that_failed(layers, transport, weights, vectors):
    layers.sums("a", vectors)
    transport.gone = True
    with pytest.raises(Exception, match="the device is gone"):
        layers.sums("a", vectors)
    transport.gone = False
    assert np.array_equal(layers.sums("b", vectors), accumulate(weights["b"], vectors))
    assert layers.shared == 0


def test_more_layers_than_the_device_holds(device, small, weights, vectors):
    """Their loads are written once for all vectors of a request, each in an exchange with the vectors."""
    weights = {**weights, "c": np.random.default_rng(3).integers(-1, 2, (64, 30), np.int8)}
    layers = Layers(device, compile_layers([("a", "b"), ("c",)], weights, small), weights)
    assert len(layers.image.loads) > 2
    for name in ("a", "b"):
        assert np.array_equal(layers.sums(name, vectors), accumulate(weights[name], vectors)), name
    many = np.random.default_rng(1).integers(-128, 128, (4, 30), np.int8)
    before = device.exchanges
    assert np.array_equal(layers.sums("c", many), accumulate(weights["c"], many))
    loads = {tile.load for tile in layers.image.request(("c",)).tiles}
    assert device.exchanges - before == len(loads)
    assert layers.requests == 6 + 4


def test_no_vectors(layers):
    assert layers.sums("a", np.zeros((0, 9), np.int8)).shape == (0, 5)
    assert layers.requests == 0


def test_counts(layers, small, vectors):
    layers.sums("a", vectors)
    plan = layers.image.request(("a", "b"))
    assert layers.counters.engine.cycles == 6 * request_cycles(plan, small).cycles
    assert layers.integers_compared == 0


def test_compared_with_golden(device, small, weights, vectors):
    image = compile_layers([("a", "b"), ("c",)], weights, small)
    layers = Layers(device, image, weights)
    layers.sums("a", vectors)
    assert layers.integers_compared == 6 * (5 + 3) * 2, "both layers, in each of two column tiles"
    wrong = {**weights, "b": -weights["b"]}
    with pytest.raises(MismatchError, match=r"^b, row "):
        Layers(device, image, wrong).sums("a", vectors)


@pytest.mark.parametrize(("name", "codes", "message"), [
    ("d", np.zeros(9, np.int8), r"three: no layer 'd'; its layers are a, b, c"),
    ("a", np.zeros(8, np.int8), r"a: codes must be int8 \(\.\.\., 9\), not int8 \(8,\)"),
    ("a", np.zeros(9, np.float32), r"a: codes must be int8 \(\.\.\., 9\), not float32 \(9,\)"),
    ("a", np.int8(3), r"a: codes must be int8 \(\.\.\., 9\), not int8"),
    ("a", [0] * 9, r"a: codes must be int8 \(\.\.\., 9\), not list"),
])
def test_wrong_arguments(layers, name, codes, message):
    with pytest.raises(UsageError, match=message):
        layers.sums(name, codes)


def test_shape(layers):
    assert layers.shape("b") == (3, 9)
    with pytest.raises(UsageError, match="no layer 'x'"):
        layers.shape("x")
