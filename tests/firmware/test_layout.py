"""Weight words: exact bytes, round trips over every packing and shape, and refusal of what is no weight."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trine.firmware.layout import (
    LayoutError,
    check_words,
    count_chunks,
    count_row_blocks,
    count_words,
    decode_words,
    pack_weights,
    unpack_weights,
)
from trine.golden.packing import PACKINGS

DEPTHS = {"bit1": (1, 5, 8, 16), "trit2": (1, 3, 4, 16), "trit3x5": (3, 9, 48), "trit5x8": (5, 15, 40)}


def random_weights(seed, rows, columns, packing):
    trits = [-1, 0, 1] if PACKINGS[packing].has_zero else [-1, 1]
    return np.random.default_rng(seed).choice(np.array(trits, np.int8), (rows, columns))


def test_words_byte_by_byte(configure):
    """Two rows of three columns on 2 lanes x 2 columns: chunk after chunk, lane after lane, column 0 lowest."""
    configuration = configure(lanes=2, depth=2, result_width=1)
    weights = np.array([[1, -1, 0], [0, 1, -1]], np.int8)
    assert pack_weights(weights, configuration) == bytes([0b1101, 0b0100, 0b0000, 0b0011])


def test_word_order_is_row_block_then_chunk(configure):
    configuration = configure(lanes=1, depth=4, result_width=1)
    weights = np.zeros((3, 8), np.int8)
    weights[1, 4] = 1  # row block 1, chunk 1 of 2: word 3
    assert pack_weights(weights, configuration) == bytes([0, 0, 0, 1, 0, 0])


def test_slices_wider_than_a_byte_are_little_endian(configure):
    configuration = configure(lanes=1, depth=9, packing="trit3x5", result_width=1)
    weights = np.zeros((1, 9), np.int8)
    weights[0, 8] = -1
    code = int(PACKINGS["trit3x5"].encode(np.array([0, 0, -1], np.int8)))
    assert pack_weights(weights, configuration) == (code << 10).to_bytes(2, "little")


@pytest.mark.parametrize("packing", PACKINGS)
def test_padding_is_code_zero(configure, packing):
    configuration = configure(lanes=2, depth=15, packing=packing, result_width=1)
    words = pack_weights(np.ones((1, 1), np.int8), configuration)
    assert words[configuration.slice_bytes :] == bytes(configuration.slice_bytes)


@settings(max_examples=120, deadline=None)
@given(data=st.data(), rows=st.integers(1, 100), columns=st.integers(1, 100), lanes=st.integers(1, 9))
def test_round_trip(configure, data, rows, columns, lanes):
    packing = data.draw(st.sampled_from(sorted(PACKINGS)))
    depth = data.draw(st.sampled_from(DEPTHS[packing]))
    configuration = configure(lanes=lanes, depth=depth, packing=packing, result_width=1, maximum_payload=32768)
    weights = random_weights(rows * 101 + columns, rows, columns, packing)
    words = pack_weights(weights, configuration)
    assert len(words) == count_words(rows, columns, configuration) * configuration.weight_word_bytes
    assert count_words(rows, columns, configuration) == -(-rows // lanes) * -(-columns // depth)
    assert np.array_equal(unpack_weights(words, rows, columns, configuration), weights)


@settings(max_examples=60, deadline=None)
@given(codes=st.integers(2, 9), packing=st.sampled_from(["trit3x5", "trit5x8"]), rows=st.integers(1, 40),
       columns=st.integers(1, 100), lanes=st.integers(1, 5))
def test_round_trip_of_tables(configure, codes, packing, rows, columns, lanes):
    configuration = configure(dataflow="tables", lanes=lanes, depth=codes * PACKINGS[packing].trits_per_code,
                              packing=packing, result_width=lanes, maximum_payload=32768)
    weights = random_weights(rows * 101 + columns, rows, columns, packing)
    words = pack_weights(weights, configuration)
    assert len(words) == count_words(rows, columns, configuration) * configuration.weight_word_bytes
    check_words(words, configuration)
    assert np.array_equal(unpack_weights(words, rows, columns, configuration), weights)


def test_words_of_tables_by_hand(configure):
    """One row of 2 chunks of 4 codes of three trits: columns k, k + 4, k + 8 in code k, signs relative."""
    configuration = configure(dataflow="tables", lanes=1, depth=12, packing="trit3x5", result_width=1)
    weights = np.zeros((2, 24), np.int8)
    weights[0, [1, 3, 7]] = -1  # columns 3 and 7 are in one code
    weights[1, 12] = -1  # row block 1, chunk 1: code 0 is negative, the others are zero
    encode = PACKINGS["trit3x5"].encode
    one, two = (int(encode(np.array(trits, np.int8))) for trits in ([-1, 0, 0], [-1, -1, 0]))
    first = one << 5 | two << 15  # code 1 is relative to code 0, code 3 to code 2, both of which are zero
    last = one | 16 << 5 | 16 << 10  # codes 1 and 2 are relative to code 0
    words = [first, 0, 0, last]  # chunk after chunk, row blocks fastest
    assert pack_weights(weights, configuration) == b"".join(word.to_bytes(3, "little") for word in words)


def test_counts(small):
    assert [count_chunks(k, small) for k in (1, 6, 7)] == [1, 1, 2]
    assert [count_row_blocks(n, small) for n in (1, 4, 5)] == [1, 1, 2]


@pytest.mark.parametrize(("weights", "said"), [
    (np.zeros((2, 2), np.int32), r"int8 \(N, K\) matrix, not int32 \(2, 2\)"),
    (np.zeros((0, 2), np.int8), r"not int8 \(0, 2\)"),
    ([[1]], "not list"),
    (np.array([[0, 0], [0, 2]], np.int8), r"trit2 cannot hold weights\[1, 1\] = 2"),
    (np.array([[-128, 0]], np.int8), r"weights\[0, 0\] = -128"),
])
def test_pack_wrong_weights(small, weights, said):
    with pytest.raises(LayoutError, match=said):
        pack_weights(weights, small)


def test_pack_zero_without_zero(configure):
    with pytest.raises(LayoutError, match=r"bit1 cannot hold weights\[0, 1\] = 0"):
        pack_weights(np.array([[1, 0]], np.int8), configure(packing="bit1"))


def test_unpack_wrong_length(small):
    with pytest.raises(LayoutError, match="a 4 x 6 matrix takes 8 bytes of weight words, not 9"):
        unpack_weights(bytes(9), 4, 6, small)


def test_unused_code_is_named(small):
    words = bytearray(2 * small.weight_word_bytes)
    words[8 + 2 * 2 + 1] = 0b10  # word 1, lane 2, code 4
    with pytest.raises(LayoutError, match="weight word 1, lane 2: code 4 is 0b10, which trit2 does not use"):
        check_words(bytes(words), small)
    assert not decode_words(bytes(words), small).any()


@pytest.mark.parametrize("packing", ["trit2", "trit3x5", "trit5x8"])
def test_every_code_is_used_or_refused(configure, packing):
    codec = PACKINGS[packing]
    configuration = configure(lanes=1, depth=codec.trits_per_code, packing=packing, result_width=1)
    for code in range(1 << codec.bits_per_code):
        if code in codec.codes:
            check_words(bytes([code]), configuration)
            assert np.array_equal(decode_words(bytes([code]), configuration)[0, 0],
                                  codec.decode(np.array(code, np.uint8)))
        else:
            with pytest.raises(LayoutError, match=f"is {code:#b}"):
                check_words(bytes([code]), configuration)


def test_spare_bit(small):
    words = bytearray(8)
    words[3] = 0x10  # lane 1, bit 12 of a slice of 12 bits
    with pytest.raises(LayoutError, match="weight word 0, lane 1: a bit above the 12 in use"):
        check_words(bytes(words), small)
    assert not decode_words(bytes(words), small).any()


def test_no_whole_words(small):
    with pytest.raises(LayoutError, match="9 bytes are no whole weight words of 8 bytes"):
        check_words(bytes(9), small)


@pytest.mark.parametrize(("rows", "columns", "place"), [(3, 6, "row 3, column 5"), (4, 5, "row 0, column 5")])
def test_padding_that_is_a_weight(small, rows, columns, place):
    weights = np.zeros((4, 6), np.int8)
    weights[:, 5] = 1
    with pytest.raises(LayoutError, match=f"padding at {place}"):
        unpack_weights(pack_weights(weights, small), rows, columns, small)
