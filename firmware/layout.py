"""Weight words: how a ternary matrix lies in the weight memory, and how it travels on the link.

A *row block* is `lanes` rows, a *chunk* `depth` columns, and each weight word holds the trits of one row block and one
chunk. In a word come `lanes` slices of `slice_bytes`, lane 0 first; a slice is its codes, the first in the lowest bits,
little-endian, with zero bits on top up to a whole byte. The rest is as the dataflow needs it:

- adders: row block after row block, chunks fastest, so word `row_block * chunks + chunk`. A slice is the codes of its
  `depth` columns in their order.
- tables: chunk after chunk, row blocks fastest, so word `chunk * row_blocks + row_block`. Code k of a slice, of G,
  holds columns k, k + G, k + 2G ... of the chunk, so that a memory word has one activation for each code. Its sign bit
  is stored XORed with that of code k & (k - 1) (k with its lowest set bit cleared; code 0 keeps its own): each node of
  the adder tree finds there whether to add or to subtract (hw.array.signed_tree).

Rows beyond the last and columns beyond the last are code 0. That is trit 0 in every packing but `bit1`, where it is +1:
there the padding activations are 0, and the padding rows are results that nobody reads.
"""

import functools

import numpy as np

from trine.firmware.configuration import Configuration
from trine.golden.arrays import Bool, Int8, UInt8, first
from trine.golden.packing import Packing

Index = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


class LayoutError(ValueError):
    """Weights that cannot be packed, or bytes that are not weight words; the message names the place."""


def count_chunks(columns: int, configuration: Configuration) -> int:
    """Chunks that `columns` columns (>= 1) take, the last one padded."""
    return -(-columns // configuration.depth)


def count_row_blocks(rows: int, configuration: Configuration) -> int:
    """Row blocks that `rows` rows (>= 1) take, the last one padded."""
    return -(-rows // configuration.lanes)


def count_words(rows: int, columns: int, configuration: Configuration) -> int:
    """Weight words that a (rows, columns) matrix takes, padding included."""
    return count_row_blocks(rows, configuration) * count_chunks(columns, configuration)


def pack_weights(weights: Int8, configuration: Configuration) -> bytes:
    """The weight words of `weights` int8 (N, K) in {-1, 0, +1}: count_words(N, K) * weight_word_bytes bytes.

    Raises LayoutError for another type or shape, a trit outside {-1, 0, +1}, and 0 in a packing without a zero.
    """
    codec = configuration.codec
    if not isinstance(weights, np.ndarray) or weights.dtype != np.int8 or weights.ndim != 2 or weights.size == 0:
        found = f"{weights.dtype} {weights.shape}" if isinstance(weights, np.ndarray) else type(weights).__name__
        raise LayoutError(f"weights must be a non-empty int8 (N, K) matrix, not {found}")
    refused: Bool = (weights < -1) | (weights > 1)
    if not codec.has_zero:
        refused |= weights == 0
    if refused.any():
        row, column = first(refused)
        raise LayoutError(f"{codec.name} cannot hold weights[{row}, {column}] = {weights[row, column]}")
    rows, columns = weights.shape
    blocks, chunks = count_row_blocks(rows, configuration), count_chunks(columns, configuration)
    padded = np.full((blocks * configuration.lanes, chunks * configuration.depth), _padding(codec), np.int8)
    padded[:rows, :columns] = weights
    matrix = padded.reshape(blocks, configuration.lanes, chunks, configuration.depth)
    words = matrix.transpose(2, 0, 1, 3) if configuration.dataflow == "tables" else matrix.swapaxes(1, 2)
    slices = words.reshape(-1, configuration.lanes, configuration.depth)
    codes = codec.encode(np.ascontiguousarray(_grouped(slices, configuration)))
    if configuration.dataflow == "tables":
        codes ^= codes[..., _left_neighbours(configuration)] & _signs(configuration)
    bits = np.unpackbits(codes[..., None], axis=-1, count=codec.bits_per_code, bitorder="little")
    return np.packbits(bits.reshape(*codes.shape[:2], -1), axis=-1, bitorder="little").tobytes()


def unpack_weights(words: bytes, rows: int, columns: int, configuration: Configuration) -> Int8:
    """The matrix int8 (rows, columns) that `pack_weights` made `words` of.

    Raises LayoutError if the length is not that of such a matrix, for a code that is not in use (naming word, lane,
    code and its number in the slice), for a nonzero bit above a slice's codes, and for padding that is not code 0.
    """
    blocks, chunks = count_row_blocks(rows, configuration), count_chunks(columns, configuration)
    expected = blocks * chunks * configuration.weight_word_bytes
    if len(words) != expected:
        raise LayoutError(f"a {rows} x {columns} matrix takes {expected} bytes of weight words, not {len(words)}")
    check_words(words, configuration)
    numbers = word_number(np.arange(blocks)[:, np.newaxis], np.arange(chunks), blocks, chunks, configuration)
    trits = decode_words(words, configuration)[numbers]
    matrix = trits.swapaxes(1, 2).reshape(blocks * configuration.lanes, chunks * configuration.depth)
    wrong = matrix != _padding(configuration.codec)
    wrong[:rows, :columns] = False
    if wrong.any():
        row, column = first(wrong)
        raise LayoutError(f"padding at row {row}, column {column} of a {rows} x {columns} matrix is not code 0")
    return np.ascontiguousarray(matrix[:rows, :columns])


def word_number(row_block: Index, chunk: Index, row_blocks: int, chunks: int, configuration: Configuration) -> Index:
    """Which word of a product, counted from 0, holds a row block and a chunk; arrays are broadcast."""
    if configuration.dataflow == "tables":
        return chunk * row_blocks + row_block
    return row_block * chunks + chunk


def check_words(words: bytes, configuration: Configuration) -> None:
    """Raises LayoutError unless `words` is whole weight words, every code in use and every spare bit zero."""
    if len(words) % configuration.weight_word_bytes:
        raise LayoutError(f"{len(words)} bytes are no whole weight words of {configuration.weight_word_bytes} bytes")
    bits = _bits(words, configuration)
    spare = np.not_equal(bits[..., configuration.slice_bits :].max(axis=-1, initial=0), 0)
    if spare.any():
        word, lane = first(spare)
        raise LayoutError(f"weight word {word}, lane {lane}: a bit above the {configuration.slice_bits} in use is set")
    codes = _codes(bits, configuration)
    unused: Bool = np.isin(codes, configuration.codec.codes, invert=True)
    if unused.any():
        word, lane, number = first(unused)
        code = int(codes[word, lane, number])
        raise LayoutError(f"weight word {word}, lane {lane}: code {number} is {code:#b}, "
                          f"which {configuration.packing} does not use")


def decode_words(words: bytes, configuration: Configuration) -> Int8:
    """The trits int8 (words, lanes, depth) of whole weight words, whatever they hold.

    Codes that are not in use count as zeros and spare bits are ignored: what a device may find in a memory that was
    never loaded. `check_words` refuses both.
    """
    codes = _codes(_bits(words, configuration), configuration)
    trits = _decoder(configuration.codec)[codes]
    if configuration.dataflow == "tables":
        trits = trits.swapaxes(-1, -2)
    return trits.reshape(-1, configuration.lanes, configuration.depth)


def _bits(words: bytes, configuration: Configuration) -> UInt8:
    """Bits (words, lanes, 8 * slice_bytes), lowest first."""
    slices = np.frombuffer(words, np.uint8).reshape(-1, configuration.lanes, configuration.slice_bytes)
    return np.unpackbits(slices, axis=-1, bitorder="little")


def _codes(bits: UInt8, configuration: Configuration) -> UInt8:
    """Codes (words, lanes, codes in a slice) of `_bits`, each with its own sign."""
    width = configuration.codec.bits_per_code
    stored = bits[..., : configuration.slice_bits].reshape(*bits.shape[:2], configuration.slice_bits // width, width)
    codes = np.packbits(stored, axis=-1, bitorder="little")[..., 0]
    if configuration.dataflow == "tables":
        for number, left in enumerate(_left_neighbours(configuration)[1:], start=1):  # ascending: left is done
            codes[..., number] ^= codes[..., left] & _signs(configuration)[number]
    return codes


def _grouped(slices: Int8, configuration: Configuration) -> Int8:
    """The trits (words, lanes, codes, trits in a code) of slices (words, lanes, depth)."""
    count, size = configuration.codes_per_slice, configuration.codec.trits_per_code
    if configuration.dataflow == "tables":
        return slices.reshape(*slices.shape[:2], size, count).swapaxes(-1, -2)
    return slices.reshape(*slices.shape[:2], count, size)


def _left_neighbours(configuration: Configuration) -> Index:
    """k & (k - 1) of each code k of a slice."""
    numbers = np.arange(configuration.codes_per_slice)
    return numbers & np.maximum(numbers - 1, 0)


def _signs(configuration: Configuration) -> UInt8:
    """The sign bit of each code of a slice, but of the first, whose sign is stored as it is."""
    signs = np.full(configuration.codes_per_slice, 1 << (configuration.codec.bits_per_code - 1), np.uint8)
    signs[0] = 0
    return signs


@functools.cache
def _decoder(codec: Packing) -> Int8:
    """Trits (256, trits_per_code) of each code, zeros where it is not in use."""
    trits = np.zeros((256, codec.trits_per_code), np.int8)
    codes = np.array(codec.codes, np.uint8)
    trits[codes] = codec.decode(codes)
    return trits


def _padding(codec: Packing) -> int:
    """The trit of code 0."""
    return int(_decoder(codec)[0, 0])
