import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.golden.accumulate import LARGEST_K, AccumulatorMode, accumulate, static_bound


def brute_force(weights, codes, mode):
    """The definition in Python's integers, one row, one step, one column at a time."""
    sums = []
    for row in weights.tolist():
        if mode.group_accumulator_bits is None:
            sums.append(sum(w * q for w, q in zip(row, codes.tolist(), strict=True)))
            continue
        low, high = -(2 ** (mode.group_accumulator_bits - 1)), 2 ** (mode.group_accumulator_bits - 1) - 1
        columns = list(zip(row, codes.tolist(), strict=True))
        while len(columns) % mode.depth:
            columns.append((0, 0))
        wide = group = 0
        for step in range(len(columns) // mode.depth):
            for w, q in columns[step * mode.depth : (step + 1) * mode.depth]:
                group += w * q
            group = min(max(group, low), high)
            if mode.group is not None and (step + 1) * mode.depth % mode.group == 0:
                wide, group = wide + group, 0
        sums.append(wide + group)
    return sums


@st.composite
def modes(draw):
    depth = draw(st.integers(1, 5))
    bits = draw(st.none() | st.integers(2, 12))
    group = None if bits is None else draw(st.none() | st.integers(1, 4).map(lambda steps: steps * depth))
    return AccumulatorMode(draw(st.sampled_from((4, 8))), group, bits, depth)


@given(modes(), st.integers(1, 40), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_against_brute_force(mode, k, n, seed):
    rng = np.random.default_rng(seed)
    weights = rng.integers(-1, 2, (n, k), dtype=np.int8)
    low, high = mode.code_range
    codes = rng.integers(low, high, k, dtype=np.int8, endpoint=True)
    sums = accumulate(weights, codes, mode)
    assert sums.dtype == np.int32
    assert sums.tolist() == brute_force(weights, codes, mode)


@given(modes(), st.integers(0, 2**32 - 1))
def test_many_vectors_each_as_if_alone(mode, seed):
    rng = np.random.default_rng(seed)
    weights = rng.integers(-1, 2, (3, 11), dtype=np.int8)
    codes = rng.integers(-7, 8, (2, 3, 11), dtype=np.int8)
    sums = accumulate(weights, codes, mode)
    assert sums.shape == (2, 3, 3)
    for i, j in np.ndindex(2, 3):
        assert np.array_equal(sums[i, j], accumulate(weights, codes[i, j], mode))


def test_exact_is_the_default():
    weights, codes = np.ones((1, 300), np.int8), np.full(300, 127, np.int8)
    assert accumulate(weights, codes).tolist() == [38100]


def test_saturates_after_every_step_not_at_the_end():
    """100 + 100 saturates at 127, then 100 less is 27; the exact sum is 100."""
    weights, codes = np.array([[1, 1, -1]], np.int8), np.array([100, 100, 100], np.int8)
    assert accumulate(weights, codes, AccumulatorMode(group_accumulator_bits=8)).tolist() == [27]


def test_saturates_to_the_signed_range():
    weights, codes = np.array([[1, 1], [-1, -1]], np.int8), np.array([127, 127], np.int8)
    assert accumulate(weights, codes, AccumulatorMode(group_accumulator_bits=8)).tolist() == [127, -128]


def test_a_step_is_exact_within():
    """In one step of three columns, 200 - 100 never passes through the accumulator."""
    weights, codes = np.array([[1, 1, -1]], np.int8), np.array([100, 100, 100], np.int8)
    assert accumulate(weights, codes, AccumulatorMode(group_accumulator_bits=8, depth=3)).tolist() == [100]


def test_groups_start_again_from_zero_and_add_up_exactly():
    weights, codes = np.ones((1, 5), np.int8), np.full(5, 100, np.int8)
    mode = AccumulatorMode(group=2, group_accumulator_bits=8)
    assert accumulate(weights, codes, mode).tolist() == [127 + 127 + 100]


def test_four_bits_in_groups_of_sixteen_never_saturate():
    rng = np.random.default_rng(0)
    weights = np.concatenate([np.ones((1, 160), np.int8), rng.integers(-1, 2, (7, 160), dtype=np.int8)])
    codes = np.full(160, 7, np.int8)
    mode = AccumulatorMode(activation_bits=4, group=16, group_accumulator_bits=8)
    assert np.array_equal(accumulate(weights, codes, mode), accumulate(weights, codes))


def test_the_largest_sum_of_a_wide_layer():
    """6912 columns, as in the down_proj of the 2B-4T model."""
    weights = np.stack([np.ones(6912, np.int8), -np.ones(6912, np.int8)])
    assert accumulate(weights, np.full(6912, -128, np.int8)).tolist() == [-884736, 884736]


def test_exact_beyond_float32():
    """132,104 columns of 127 and one of 9 make 2**24 + 1, which is no float32."""
    codes = np.array([127] * 132104 + [9], np.int8)
    assert accumulate(np.ones((1, codes.size), np.int8), codes).tolist() == [16777217]


def test_exact_admits_minus_128():
    assert accumulate(np.array([[-1]], np.int8), np.array([-128], np.int8)).tolist() == [128]


@pytest.mark.parametrize(
    ("mode", "code", "admitted"),
    [
        (AccumulatorMode(group_accumulator_bits=8), -128, r"-127\.\.127"),
        (AccumulatorMode(4), 8, r"-7\.\.7"),
        (AccumulatorMode(4), -8, r"-7\.\.7"),
        (AccumulatorMode(4, 16, 8), -8, r"-7\.\.7"),
    ],
)
def test_codes_out_of_range(mode, code, admitted):
    with pytest.raises(ValueError, match=rf"codes must be in {admitted}, but codes\[1\] is {code}"):
        accumulate(np.ones((1, 2), np.int8), np.array([0, code], np.int8), mode)


def test_codes_wrong_dtype():
    with pytest.raises(ValueError, match="codes must be int8, not int32"):
        accumulate(np.ones((1, 2), np.int8), np.zeros(2, np.int32))


@pytest.mark.parametrize("shape", [(3,), (2, 1), ()])
def test_codes_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"codes must be \(..., 2\) for weights \(1, 2\)"):
        accumulate(np.ones((1, 2), np.int8), np.zeros(shape, np.int8))


def test_weights_wrong_value():
    with pytest.raises(ValueError, match=r"weights\[0, 1\] is -2"):
        accumulate(np.array([[0, -2]], np.int8), np.zeros(2, np.int8))


def test_k_too_large():
    with pytest.raises(ValueError, match=f"K must be at most {LARGEST_K}"):
        accumulate(np.zeros((1, LARGEST_K + 1), np.int8), np.zeros(LARGEST_K + 1, np.int8))


def test_mode_defaults():
    mode = AccumulatorMode()
    assert (mode.activation_bits, mode.group, mode.group_accumulator_bits, mode.depth) == (8, None, None, 1)
    assert mode.exact
    assert not AccumulatorMode(group_accumulator_bits=8).exact


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation_bits": 7}, "activation_bits must be 8 or 4, not 7"),
        ({"depth": 0}, "depth must be at least 1, not 0"),
        ({"group": 4}, "group 4 needs group_accumulator_bits"),
        ({"group": 6, "group_accumulator_bits": 8, "depth": 4}, "multiple of the depth 4, not 6"),
        ({"group": 0, "group_accumulator_bits": 8}, "positive multiple of the depth 1, not 0"),
        ({"group": -4, "group_accumulator_bits": 8, "depth": 4}, "positive multiple of the depth 4, not -4"),
        ({"group_accumulator_bits": 1}, "group_accumulator_bits must be 2 to 31, not 1"),
        ({"group_accumulator_bits": 32}, "group_accumulator_bits must be 2 to 31, not 32"),
    ],
)
def test_mode_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        AccumulatorMode(**arguments)


WEIGHTS = np.array([[0, 0, 0], [1, 0, -1], [-1, -1, 1]], np.int8)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((), [0, 254, 381]), ((8, True), [0, 256, 384]), ((4,), [0, 14, 21])],
)
def test_static_bound(arguments, expected):
    bound = static_bound(WEIGHTS, *arguments)
    assert bound.dtype == np.int64
    assert bound.tolist() == expected


def test_static_bound_is_reached():
    codes = np.array([-127, -127, 127], np.int8)
    assert accumulate(WEIGHTS, codes)[2] == static_bound(WEIGHTS)[2]


def test_static_bound_wrong_bits():
    with pytest.raises(ValueError, match="activation_bits must be 8 or 4, not 5"):
        static_bound(WEIGHTS, 5)


def test_static_bound_wrong_minimum():
    with pytest.raises(ValueError, match="admit_minimum needs activation_bits 8, not 4"):
        static_bound(WEIGHTS, 4, True)
