import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.gguf_builder import pack_i2s
from trine.golden.i2s import count_bytes, unpack_i2s


def data(content):
    return np.frombuffer(content, np.uint8)


@pytest.mark.parametrize(("layout", "quarter"), [("x86", 32), ("arm", 16)])
def test_by_hand(layout, quarter):
    """One block of zeros but for the second element of each quarter: -1, 0, +1, +1, and the last of all: -1."""
    content = bytearray(b"\x55" * quarter + struct.pack("<f", 0.75))
    content[1] = 0b00_01_10_10
    content[quarter - 1] = 0b01_01_01_00
    weights, scale = unpack_i2s(data(bytes(content)), (4, quarter), layout)
    expected = np.zeros((4, quarter), np.int8)
    expected[:, 1] = [-1, 0, 1, 1]
    expected[3, -1] = -1
    assert np.array_equal(weights, expected)
    assert scale == np.float32(0.75)


@settings(derandomize=True, max_examples=20, deadline=None)
@given(st.sampled_from(["x86", "arm"]), st.integers(1, 6), st.integers(1, 3), st.integers(0, 99))
def test_back_from_the_quantiser(layout, n, blocks, seed):
    """Rows of half a block too, so that blocks span rows."""
    shape = (2 * n, blocks * 64)
    expected = np.random.default_rng(seed).integers(-1, 2, shape, dtype=np.int8)
    weights, scale = unpack_i2s(data(pack_i2s(expected, 1.25, layout))[: count_bytes(expected.size)], shape, layout)
    assert np.array_equal(weights, expected)
    assert scale == np.float32(1.25)


def test_layouts_differ():
    """Nothing tells one from the other: both give weights."""
    expected = np.random.default_rng(1).integers(-1, 2, (2, 64), dtype=np.int8)
    weights, _ = unpack_i2s(data(pack_i2s(expected, 1, "x86"))[: count_bytes(128)], (2, 64), "arm")
    assert not np.array_equal(weights, expected)


def test_code_3():
    content = bytearray(b"\x55" * 64 + struct.pack("<f", 1))
    content[32 + 5] |= 0b00_00_11_00
    with pytest.raises(ValueError, match=r"code 3 at row and column \(1, 69\) is no weight"):
        unpack_i2s(data(bytes(content)), (2, 128), "x86")


def test_wrong_size():
    with pytest.raises(ValueError, match="2 x 32 weights are no whole number of the x86 layout's blocks of 128"):
        unpack_i2s(data(bytes(20)), (2, 32), "x86")
    with pytest.raises(ValueError, match="2 x 32 weights take 20 bytes of I2_S, not 19"):
        unpack_i2s(data(bytes(19)), (2, 32), "arm")
    with pytest.raises(ValueError, match="I2_S data must be uint8, not int8"):
        unpack_i2s(np.zeros(20, np.int8), (2, 32), "arm")
