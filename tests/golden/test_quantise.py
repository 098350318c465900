from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trine.golden.quantise import (
    binarise,
    quantise_activations,
    quantise_binary,
    quantise_binary_unsigned,
    ternarise,
)

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)
VECTORS = hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=6), elements=FLOATS)
QUANTISERS = [quantise_activations, quantise_binary, quantise_binary_unsigned]


def f32(*values):
    return np.array(values, np.float32)


def to_float32(value: Fraction) -> Fraction:
    """`value`, positive and in float32's normal range, rounded to 24 bits half to even, in integers alone."""
    exponent = 0
    while value >= 2**24:
        value, exponent = value / 2, exponent + 1
    while value < 2**23:
        value, exponent = value * 2, exponent - 1
    return Fraction(round(value)) * Fraction(2) ** exponent


# Activations


def test_activations_half_to_even():
    """A scale of 0.5: odd inputs fall between two codes."""
    codes, scale = quantise_activations(f32(254, 1, 3, 5, -1, -3, -5))
    assert codes.dtype == np.int8
    assert scale.dtype == np.float32
    assert scale.tolist() == [0.5]
    assert codes.tolist() == [127, 0, 2, 2, 0, -2, -2]


def test_activations_half_to_even_in_four_bits():
    codes, scale = quantise_activations(f32(14, 1, 3, 5, -1, -3, -14), bits=4)
    assert scale.tolist() == [0.5]
    assert codes.tolist() == [7, 0, 2, 2, 0, -2, -7]


@pytest.mark.parametrize(("bits", "top"), [(8, 127), (4, 7)])
@given(st.floats(2.0**-16, 2.0**20, width=32))
def test_activations_scale_has_two_roundings(bits, top, largest):
    _, scale = quantise_activations(f32(-largest, 0), bits)
    assert Fraction(float(scale[0])) == to_float32(top * to_float32(1 / Fraction(largest)))


def test_activations_scale_is_not_one_division():
    """127 / 3 is 11097429.33 units of 2**-18, but 127 times the float32 nearest to 1 / 3 is 11097429.66 of them."""
    assert quantise_activations(f32(3))[1].tolist() == [11097430 / 2**18]


@pytest.mark.parametrize("bits", [8, 4])
@given(VECTORS)
def test_activations_against_exact_arithmetic(bits, x):
    codes, scale = quantise_activations(x, bits)
    top = 2 ** (bits - 1) - 1
    assert codes.shape == x.shape
    assert scale.shape == (*x.shape[:-1], 1)
    assert np.abs(codes.astype(int)).max() <= top
    for index in np.ndindex(x.shape):
        product = Fraction(float(x[index])) * Fraction(float(scale[(*index[:-1], 0)]))
        # The product is rounded to float32 before it is rounded to an integer: half an ulp of at most 127.
        assert abs(int(codes[index]) - product) <= Fraction(1, 2) + Fraction(1, 2**18)


def test_activations_rows_are_independent():
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    codes, scale = quantise_activations(x)
    for i, j in np.ndindex(3, 4):
        alone_codes, alone_scale = quantise_activations(x[i, j])
        assert np.array_equal(alone_codes, codes[i, j])
        assert np.array_equal(alone_scale, scale[i, j])


def test_activations_of_zero():
    codes, scale = quantise_activations(np.zeros(3, np.float32))
    assert codes.tolist() == [0, 0, 0]
    assert scale[0] == np.float32(127) * (np.float32(1) / np.float32(1e-5))


def test_activations_below_the_floor_are_not_blown_up():
    codes, _ = quantise_activations(f32(5e-6, 0))
    assert codes.tolist() == [64, 0]  # half of the floor


# Every quantiser of activations


@pytest.mark.parametrize("quantise", QUANTISERS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(quantise, value):
    x = np.ones((2, 3), np.float32)
    x[1, 2] = value
    with pytest.raises(ValueError, match=rf"x\[1, 2\] is {value}"):
        quantise(x)


@pytest.mark.parametrize("quantise", QUANTISERS)
def test_wrong_dtype(quantise):
    with pytest.raises(ValueError, match="x must be float32, not float64"):
        quantise(np.ones(3))


@pytest.mark.parametrize("quantise", QUANTISERS)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0)])
def test_wrong_shape(quantise, shape):
    with pytest.raises(ValueError, match="K at least 1"):
        quantise(np.zeros(shape, np.float32))


@pytest.mark.parametrize("quantise", QUANTISERS)
@pytest.mark.parametrize("bits", [0, 1, 7, 16])
def test_wrong_bits(quantise, bits):
    with pytest.raises(ValueError, match=f"activation bits must be 8 or 4, not {bits}"):
        quantise(f32(1), bits)


@pytest.mark.parametrize("quantise", QUANTISERS)
def test_input_is_left_alone(quantise):
    x = f32(3, -2, 1)
    quantise(x)
    assert x.tolist() == [3, -2, 1]


# Weights


def test_ternarise_by_hand():
    """mean|w| = 2, so weights are cut at 1: exactly half of it rounds to 0, everything larger to 1."""
    ternary, scale = ternarise(np.array([[1, -1, 1.25, -1.25], [6, -4.5, 0, 1]], np.float32))
    assert scale == np.float32(0.5)
    assert isinstance(scale, np.float32)
    assert ternary.dtype == np.int8
    assert ternary.tolist() == [[0, 0, 1, -1], [1, -1, 0, 0]]


def test_ternarise_zero():
    ternary, scale = ternarise(np.zeros((2, 2), np.float32))
    assert not ternary.any()
    assert scale == np.float32(1) / np.float32(1e-5)


@given(hnp.arrays(np.float32, (4, 5), elements=st.floats(-8, 8, width=32)))
def test_ternarise_against_exact_arithmetic(w):
    ternary, scale = ternarise(w)
    mean = max(sum(abs(Fraction(float(v))) for v in w.flat) / w.size, Fraction(float(np.float32(1e-5))))
    assert abs(Fraction(float(scale)) * mean - 1) <= Fraction(1, 2**22)
    for value, trit in zip(w.flat, ternary.flat, strict=True):
        ratio = Fraction(float(value)) / mean
        if abs(abs(ratio) - Fraction(1, 2)) > Fraction(1, 2**20):
            assert trit == (0 if abs(ratio) < Fraction(1, 2) else 1 if ratio > 0 else -1)


def test_binarise_by_hand():
    """mean 1, mean|w| 2; what equals the mean is negative."""
    binary, beta = binarise(f32(5, 1, -2, 0))
    assert binary.dtype == np.int8
    assert binary.tolist() == [1, -1, -1, -1]
    assert beta == np.float32(2)
    assert isinstance(beta, np.float32)


def test_binarise_equal_weights():
    """0.1 in float32, 999 times: the mean is that value itself, and Sign(0) is -1."""
    binary, beta = binarise(np.full(999, 0.1, np.float32))
    assert (binary == -1).all()
    assert beta == np.float32(0.1)


@pytest.mark.parametrize("quantise", [ternarise, binarise])
def test_weights_not_finite(quantise):
    with pytest.raises(ValueError, match=r"w\[1\] is nan"):
        quantise(f32(1, np.nan))


@pytest.mark.parametrize("quantise", [ternarise, binarise])
def test_weights_wrong_dtype(quantise):
    with pytest.raises(ValueError, match="w must be float32, not float64"):
        quantise(np.ones(3))


@pytest.mark.parametrize("quantise", [ternarise, binarise])
def test_weights_empty(quantise):
    with pytest.raises(ValueError, match="must have elements"):
        quantise(np.zeros((0, 3), np.float32))


# The original BitNet's activations


def test_binary_by_hand():
    """gamma 2, so codes are 64 x: 2 would be 128 and is clipped, 0.0078125 is half a code and goes to even."""
    codes, gamma = quantise_binary(f32(2, -2, 1, 0.0078125, 0.0234375, -0.0234375))
    assert gamma.tolist() == [2]
    assert gamma.dtype == np.float32
    assert codes.dtype == np.int8
    assert codes.tolist() == [127, -127, 64, 0, 2, -2]


def test_binary_four_bits():
    codes, gamma = quantise_binary(f32(2, -2, 1, 0.125, 0.375), bits=4)
    assert gamma.tolist() == [2]
    assert codes.tolist() == [7, -7, 4, 0, 2]


@given(VECTORS)
def test_binary_against_exact_arithmetic(x):
    codes, gamma = quantise_binary(x)
    assert gamma.shape == (*x.shape[:-1], 1)
    for index in np.ndindex(x.shape):
        exact = Fraction(float(x[index])) / Fraction(float(gamma[(*index[:-1], 0)])) * 128
        assert abs(int(codes[index]) - max(Fraction(-127), min(Fraction(127), exact))) <= Fraction(1, 2) + Fraction(
            1, 2**16
        )


def test_binary_of_huge_values():
    """x * 128 would be infinite; x / gamma * 128 is not."""
    codes, _ = quantise_binary(f32(3e38, 1.5e38))
    assert codes.tolist() == [127, 64]


def test_binary_of_zero():
    codes, gamma = quantise_binary(np.zeros(2, np.float32))
    assert codes.tolist() == [0, 0]
    assert gamma[0] == np.float32(1e-5)


def test_unsigned_by_hand():
    """min -1, range 4, so codes are 32 (x + 1): 3 would be 128 and is clipped."""
    codes, gamma, minimum = quantise_binary_unsigned(f32(-1, 3, 1, -0.984375, -0.953125))
    assert minimum.tolist() == [-1]
    assert gamma.tolist() == [4]
    assert codes.dtype == np.int8
    assert codes.tolist() == [0, 127, 64, 0, 2]


def test_unsigned_four_bits():
    codes, _, _ = quantise_binary_unsigned(f32(0, 4, 2), bits=4)
    assert codes.tolist() == [0, 7, 4]


@given(VECTORS)
def test_unsigned_against_exact_arithmetic(x):
    codes, gamma, minimum = quantise_binary_unsigned(x)
    assert codes.min() >= 0
    assert np.array_equal(minimum, x.min(axis=-1, keepdims=True))
    for index in np.ndindex(x.shape):
        shifted = Fraction(float(x[index])) - Fraction(float(minimum[(*index[:-1], 0)]))
        exact = shifted / Fraction(float(gamma[(*index[:-1], 0)])) * 128
        assert abs(int(codes[index]) - min(Fraction(127), exact)) <= Fraction(1, 2) + Fraction(1, 2**15)


def test_unsigned_range_overflows():
    with pytest.raises(ValueError, match=r"x - min x must be finite, but x - min x\[1\] is inf"):
        quantise_binary_unsigned(f32(-3e38, 3e38))


def test_unsigned_of_a_constant():
    codes, gamma, minimum = quantise_binary_unsigned(f32(7, 7))
    assert codes.tolist() == [0, 0]
    assert minimum.tolist() == [7]
    assert gamma[0] == np.float32(1e-5)
