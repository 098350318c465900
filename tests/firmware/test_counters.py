"""Counters: sums, differences and the payload of a snapshot."""

import struct

import pytest

from trine.firmware.counters import CAUSES, COUNTER_NAMES, COUNTERS_FORMAT, MEANING, Counters, decode_counters


def test_order():
    assert COUNTER_NAMES == ("cycles", "busy", "weight_stall", "activation_stall", "table_build", "drain",
                             "link_stall", "idle")
    assert COUNTER_NAMES[1:] == CAUSES
    assert tuple(MEANING) == COUNTER_NAMES


def test_decode():
    assert decode_counters(struct.pack("<8Q", *range(2**64 - 8, 2**64))) == Counters(*range(2**64 - 8, 2**64))
    assert struct.calcsize(COUNTERS_FORMAT) == 64
    with pytest.raises(ValueError, match="a counters payload has 64 bytes, not 63"):
        decode_counters(bytes(63))


def test_sum_and_difference():
    a, b = Counters(*range(8)), Counters(*range(10, 90, 10))
    assert a + b == Counters(10, 21, 32, 43, 54, 65, 76, 87)
    assert a + b - a == b


def test_engine_leaves_the_link_out():
    assert Counters(100, 1, 2, 3, 4, 5, 60, 25).engine == Counters(15, 1, 2, 3, 4, 5)
