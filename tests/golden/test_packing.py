import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.golden.packing import PACKINGS, Packing, gray_walk

# The walk of three digits, written out by hand; digit 0 stands first.
WALK_3 = [
    (0, 0, 0), (1, 0, 0),
    (1, -1, 0), (0, -1, 0), (-1, -1, 0),
    (-1, -1, 1), (0, -1, 1), (1, -1, 1), (1, 0, 1), (0, 0, 1), (-1, 0, 1), (-1, 1, 1), (0, 1, 1), (1, 1, 1),
]  # fmt: skip


def test_gray_walk_of_three():
    assert list(map(tuple, gray_walk(3).tolist())) == WALK_3


@pytest.mark.parametrize("n", range(1, 7))
def test_gray_walk_contract(n):
    walk = gray_walk(n).astype(int)
    assert walk.shape == ((3**n + 1) // 2, n)
    assert not walk[0].any()
    assert walk[-1].tolist() == [1] * n
    steps = np.diff(walk, axis=0)
    assert (np.abs(steps).sum(axis=1) == 1).all()
    rows = {tuple(row) for row in walk}
    negated = {tuple(-row) for row in walk}
    assert rows & negated == {(0,) * n}
    assert rows | negated == set(itertools.product((-1, 0, 1), repeat=n))


def test_gray_walk_lower_half_is_its_negation():
    """Antisymmetry, from the definition: the code of 3 digits built digit by digit, in full."""
    full: list[tuple[int, ...]] = [()]
    for _ in range(3):
        full = [(*row, -1) for row in full] + [(*row, 0) for row in reversed(full)] + [(*row, 1) for row in full]
    assert full[0] == (-1, -1, -1)
    assert full[13:] == WALK_3
    assert [tuple(-digit for digit in row) for row in full[13::-1]] == WALK_3


@pytest.mark.parametrize("n", [0, 13])
def test_gray_walk_wrong_n(n):
    with pytest.raises(ValueError, match=f"not {n}"):
        gray_walk(n)


def test_names():
    assert {name: packing.name for name, packing in PACKINGS.items()} == {
        "bit1": "bit1", "trit2": "trit2", "trit3x5": "trit3x5", "trit5x8": "trit5x8",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "trits", "bits", "density", "has_zero", "codes"),
    [
        ("bit1", 1, 1, 1.0, False, [0, 1]),
        ("trit2", 1, 2, 2.0, True, [0b00, 0b01, 0b11]),
        ("trit3x5", 3, 5, 5 / 3, True, [*range(14), *range(17, 30)]),
        ("trit5x8", 5, 8, 1.6, True, [*range(122), *range(129, 250)]),
    ],
)
def test_properties(name, trits, bits, density, has_zero, codes):
    packing = PACKINGS[name]
    assert (packing.trits_per_code, packing.bits_per_code) == (trits, bits)
    assert packing.bits_per_trit == density
    assert packing.has_zero is has_zero
    assert packing.codes == tuple(codes)


def test_init_wrong_bits():
    with pytest.raises(ValueError, match="wide: a code has 1 to 8 bits, not 9"):
        Packing("wide", 5, 9)


def test_init_wrong_trits():
    with pytest.raises(ValueError, match="none: a code holds at least one trit, not 0"):
        Packing("none", 0, 2)


def test_init_too_many_trits():
    with pytest.raises(ValueError, match="tight: 6 trits do not fit in 8 bits"):
        Packing("tight", 6, 8)


def test_bit1_is_the_sign():
    assert PACKINGS["bit1"].encode(np.array([[1], [-1]], np.int8)).tolist() == [0, 1]


def test_trit2_is_nonzero_and_negative():
    assert PACKINGS["trit2"].encode(np.array([[0], [1], [-1]], np.int8)).tolist() == [0b00, 0b01, 0b11]


def test_trit3x5_numbering():
    encode = PACKINGS["trit3x5"].encode
    for index, trits in enumerate(WALK_3):
        assert encode(np.array(trits, np.int8)) == index
        if index:
            assert encode(-np.array(trits, np.int8)) == 0b10000 | index


@pytest.mark.parametrize("name", PACKINGS)
def test_every_group_of_trits(name):
    packing = PACKINGS[name]
    digits = (-1, 0, 1) if packing.has_zero else (-1, 1)
    trits = np.array(list(itertools.product(digits, repeat=packing.trits_per_code)), np.int8)
    codes = packing.encode(trits)
    assert codes.dtype == np.uint8
    assert sorted(codes.tolist()) == list(packing.codes)
    assert np.array_equal(packing.decode(codes), trits)
    assert packing.decode(codes).dtype == np.int8


@pytest.mark.parametrize("name", ["trit3x5", "trit5x8"])
@given(st.data())
def test_code_addresses_its_partial_sum(name, data):
    """What the numbering is for: the sums met on the walk, read at the index and negated by the sign."""
    packing = PACKINGS[name]
    n = packing.trits_per_code
    activations = data.draw(st.lists(st.integers(-127, 127), min_size=n, max_size=n))
    trits = data.draw(st.lists(st.integers(-1, 1), min_size=n, max_size=n))
    table = [0]
    for before, after in itertools.pairwise(gray_walk(n).tolist()):
        (changed,) = (i for i in range(n) if before[i] != after[i])
        table.append(table[-1] + (after[changed] - before[changed]) * activations[changed])
    code = int(packing.encode(np.array(trits, np.int8)))
    index, negative = code % 2 ** (packing.bits_per_code - 1), code >> (packing.bits_per_code - 1)
    expected = sum(a * t for a, t in zip(activations, trits, strict=True))
    assert (-table[index] if negative else table[index]) == expected


@pytest.mark.parametrize("name", PACKINGS)
def test_decode_refuses_every_other_byte(name):
    packing = PACKINGS[name]
    valid = np.full((2, 3), packing.codes[-1], np.uint8)
    for code in set(range(256)) - set(packing.codes):
        codes = valid.copy()
        codes[1, 2] = code
        with pytest.raises(ValueError, match=rf"{name}: code {code:#b} at index \[1, 2\] is not in use"):
            packing.decode(codes)


@pytest.mark.parametrize(("name", "minus_zero"), [("trit2", 0b10), ("trit3x5", 0b10000), ("trit5x8", 0x80)])
def test_decode_refuses_minus_zero(name, minus_zero):
    with pytest.raises(ValueError, match=f"code {minus_zero:#b}"):
        PACKINGS[name].decode(np.array(minus_zero, np.uint8))


@pytest.mark.parametrize("name", PACKINGS)
def test_shapes(name):
    packing = PACKINGS[name]
    trits = np.ones((2, 0, 4, packing.trits_per_code), np.int8)
    assert packing.encode(trits).shape == (2, 0, 4)
    assert packing.decode(packing.encode(trits)).shape == trits.shape


def test_encode_wrong_shape():
    with pytest.raises(ValueError, match=r"trit3x5: trits must be \(..., 3\), not \(2, 4\)"):
        PACKINGS["trit3x5"].encode(np.zeros((2, 4), np.int8))


def test_encode_wrong_dtype():
    with pytest.raises(ValueError, match="trits must be int8, not int64"):
        PACKINGS["trit3x5"].encode(np.zeros((2, 3), np.int64))


@pytest.mark.parametrize("value", [-2, 2])
def test_encode_wrong_value(value):
    with pytest.raises(ValueError, match=rf"trits\[1, 0\] is {value}"):
        PACKINGS["trit3x5"].encode(np.array([[0, 0, 0], [value, 0, 0]], np.int8))


def test_encode_bit1_refuses_zero():
    with pytest.raises(ValueError, match=r"bit1 has no zero, but trits\[1, 0\] is 0"):
        PACKINGS["bit1"].encode(np.array([[1], [0]], np.int8))


def test_decode_wrong_dtype():
    with pytest.raises(ValueError, match="codes must be uint8, not int8"):
        PACKINGS["trit2"].decode(np.zeros(3, np.int8))
