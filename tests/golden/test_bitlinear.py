import numpy as np
import pytest

from trine.golden.accumulate import AccumulatorMode
from trine.golden.bitlinear import BinaryLinear, BitLinear, call_multiply

TERNARY = np.array([[1, 0, -1], [1, 1, 1]], np.int8)
BINARY = np.array([[1, -1, -1], [1, 1, 1]], np.int8)


def f32(*values):
    return np.array(values, np.float32)


def test_bitlinear_by_hand():
    """max|x| = 254: scale 0.5, codes 127, 4, -3; sums 130 and 128; divided by 0.5 * 4."""
    layer = BitLinear(TERNARY, np.float32(4))
    x = f32(254, 8, -6)
    codes, scale = layer.quantise(x)
    assert codes.tolist() == [127, 4, -3]
    assert scale.tolist() == [0.5]
    sums = layer.accumulate(codes)
    assert sums.dtype == np.int32
    assert sums.tolist() == [130, 128]
    assert layer.rescale(sums, scale).tolist() == [65, 64]
    assert layer.rescale(sums, scale).dtype == np.float32
    assert layer(x).tolist() == [65, 64]


def test_autobitlinear_multiplies():
    assert BitLinear(TERNARY, np.float32(4), "autobitlinear")(f32(254, 8, -6)).tolist() == [1040, 1024]


def test_bitlinear_divides_once():
    """float32's 0.7 is 11744051 / 2**24; three times it is rounded, to 8808038 / 2**22, before it divides.

    Dividing by one scale and then by the other gives another float32.
    """
    layer = BitLinear(np.ones((1, 1), np.int8), np.float32(3))
    output = layer.rescale(np.array([5], np.int32), f32(0.7))
    assert output[0] == np.float32(5) / np.float32(8808038 / 2**22)
    assert output[0] != np.float32(5) / np.float32(3) / np.float32(0.7)


def test_bitlinear_four_bits():
    codes, scale = BitLinear(TERNARY, np.float32(1)).quantise(f32(14, 4, -6), bits=4)
    assert codes.tolist() == [7, 2, -3]
    assert scale.tolist() == [0.5]


def test_accumulate_takes_a_mode():
    layer = BitLinear(np.ones((1, 2), np.int8), np.float32(1))
    mode = AccumulatorMode(group_accumulator_bits=8)
    assert layer.accumulate(np.array([127, 127], np.int8), mode).tolist() == [127]


def test_many_vectors():
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    layers = (BitLinear(TERNARY, np.float32(3)), BinaryLinear(BINARY, np.float32(0.3), unsigned=True))
    for layer in layers:
        y = layer(x)
        assert y.shape == (2, 5, 2)
        for i, j in np.ndindex(2, 5):
            assert np.array_equal(y[i, j], layer(x[i, j]))


def test_binary_by_hand():
    """gamma 2: codes 127, 32, -64; sums 159 and 95; times 0.5 * 2 / 128."""
    layer = BinaryLinear(BINARY, np.float32(0.5))
    codes, gamma, minimum = layer.quantise(f32(2, 0.5, -1))
    assert codes.tolist() == [127, 32, -64]
    assert (gamma.tolist(), minimum.tolist()) == ([2], [0])
    assert layer.accumulate(codes).tolist() == [159, 95]
    assert layer(f32(2, 0.5, -1)).tolist() == [159 / 128, 95 / 128]


def test_binary_unsigned_by_hand():
    """minimum -1, range 4: codes 0, 127, 64; sums -191 and 191; times 0.5 * 4 / 128; the rows sum to -1 and 3."""
    layer = BinaryLinear(BINARY, np.float32(0.5), unsigned=True)
    x = f32(-1, 3, 1)
    codes, gamma, minimum = layer.quantise(x)
    assert codes.tolist() == [0, 127, 64]
    assert (gamma.tolist(), minimum.tolist()) == ([4], [-1])
    assert layer(x).tolist() == [-191 / 64 + 0.5, 191 / 64 - 1.5]


@pytest.mark.parametrize("unsigned", [False, True])
@pytest.mark.parametrize("bits", [8, 4])
def test_binary_is_near_the_real_product(unsigned, bits):
    """Each input value is within one code of the truth, and so is each output within K of them."""
    rng = np.random.default_rng(0)
    weights = rng.choice(np.array([-1, 1], np.int8), (5, 20))
    layer = BinaryLinear(weights, np.float32(0.25), unsigned)
    x = rng.normal(1, 2, 20).astype(np.float32)
    codes, gamma, minimum = layer.quantise(x, bits)
    y = layer.rescale(layer.accumulate(codes), gamma, minimum, bits=bits)
    code = float(gamma[0]) / 2 ** (bits - 1)
    assert np.abs(y - 0.25 * weights @ x.astype(np.float64)).max() <= 0.25 * 20 * code
    assert np.abs(y - 0.25 * weights @ x.astype(np.float64)).max() > 0


@pytest.mark.parametrize("kind", [BitLinear, BinaryLinear])
@pytest.mark.parametrize("scale", [0, -1, np.nan, np.inf])
def test_init_wrong_scale(kind, scale):
    with pytest.raises(ValueError, match=f"(weight_scale|beta) must be positive and finite, not {float(scale)}"):
        kind(BINARY, np.float32(scale))


def test_init_wrong_scale_type():
    with pytest.raises(ValueError, match="weight_scale must be a float32, not float"):
        BitLinear(TERNARY, 1.0)  # type: ignore[arg-type]


def test_init_wrong_weights():
    with pytest.raises(ValueError, match=r"weights\[0, 0\] is 3"):
        BitLinear(np.array([[3]], np.int8), np.float32(1))


def test_init_wrong_class():
    with pytest.raises(ValueError, match="linear_class must be one of bitlinear, autobitlinear, not 'linear'"):
        BitLinear(TERNARY, np.float32(1), "linear")


def test_init_binary_zero():
    with pytest.raises(ValueError, match=r"binary weights have no zero, but weights\[0, 1\] is 0"):
        BinaryLinear(TERNARY, np.float32(1))


LAYERS: dict[str, BitLinear | BinaryLinear] = {
    "a": BitLinear(TERNARY, np.float32(1)),
    "b": BinaryLinear(BINARY[:1], np.float32(1)),
}
CODES = np.zeros(3, np.int8)


def test_call_multiply():
    results = [np.array([1, 2], np.int32), np.array([3], np.int32)]
    assert call_multiply(lambda names, codes: results, LAYERS, ("a", "b"), CODES) is results


def test_call_multiply_wrong_count():
    with pytest.raises(ValueError, match="must return 2 results for a, b, not 1"):
        call_multiply(lambda names, codes: [np.zeros(2, np.int32)], LAYERS, ("a", "b"), CODES)


@pytest.mark.parametrize(
    ("result", "what"),
    [
        (np.zeros(1, np.int32), r"int32 \(1,\)"),
        (np.zeros((1, 2), np.int32), r"int32 \(1, 2\)"),
        (np.zeros(2, np.int64), r"int64 \(2,\)"),
    ],
)
def test_call_multiply_wrong_result(result, what):
    with pytest.raises(ValueError, match=rf"must return int32 \(2,\) for a, not {what}"):
        call_multiply(lambda names, codes: [result], LAYERS, ("a",), CODES)
