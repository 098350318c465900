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
    refused: Bool = (weights + np.int8(1)).view(np.uint8) > 2
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
    codes = _encoder(codec)[_ranks(_grouped(slices, configuration))]
    if configuration.dataflow == "tables":
        codes ^= codes[..., _left_neighbours(configuration)] & _signs(configuration)
    return _join(codes, configuration).tobytes()


def unpack_weights(words: bytes, rows: int, columns: int, configuration: Configuration) -> Int8:
    """The matrix int8 (rows, columns) that `pack_weights` made `words` of.

    Raises LayoutError if the length is not that of such a matrix, for a code that is not in use (naming word, lane,
    code and its number in the slice), for a nonzero bit above a slice's codes, and for padding that is not code 0.
    """
    blocks, chunks = count_row_blocks(rows, configuration), count_chunks(columns, configuration)
    expected = blocks * chunks * configuration.weight_word_bytes
    if len(words) != expected:
        raise LayoutError(f"a {rows} x {columns} matrix takes {expected} bytes of weight words, not {len(words)}")
    codes = _checked_codes(words, configuration)
    numbers = word_number(np.arange(blocks)[:, np.newaxis], np.arange(chunks), blocks, chunks, configuration)
    trits = _decode(codes, configuration)[numbers]
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
    _checked_codes(words, configuration)


def decode_words(words: bytes, configuration: Configuration) -> Int8:
    """The trits int8 (words, lanes, depth) of whole weight words, whatever they hold.

    Codes that are not in use count as zeros and spare bits are ignored: what a device may find in a memory that was
    never loaded. `check_words` refuses both.
    """
    return _decode(_split(_slices(words, configuration), configuration), configuration)


def _checked_codes(words: bytes, configuration: Configuration) -> UInt8:
    """The codes of `words`; LayoutError as `check_words`."""
    if len(words) % configuration.weight_word_bytes:
        raise LayoutError(f"{len(words)} bytes are no whole weight words of {configuration.weight_word_bytes} bytes")
    slices = _slices(words, configuration)
    bits = 8 * np.arange(configuration.slice_bytes)[:, np.newaxis] + np.arange(8)
    mask = np.packbits(bits >= configuration.slice_bits, axis=-1, bitorder="little")[:, 0]
    spare = np.not_equal((slices & mask).max(axis=-1, initial=0), 0)
    if spare.any():
        word, lane = first(spare)
        raise LayoutError(f"weight word {word}, lane {lane}: a bit above the {configuration.slice_bits} in use is set")
    codes = _split(slices, configuration)
    unused: Bool = _unused(configuration.codec)[codes]
    if unused.any():
        word, lane, number = first(unused)
        code = int(codes[word, lane, number])
        raise LayoutError(f"weight word {word}, lane {lane}: code {number} is {code:#b}, "
                          f"which {configuration.packing} does not use")
    return codes


def _decode(codes: UInt8, configuration: Configuration) -> Int8:
    """The trits (words, lanes, depth) of codes (words, lanes, codes in a slice)."""
    trits = _decoder(configuration.codec)[codes]
    if configuration.dataflow == "tables":
        trits = trits.swapaxes(-1, -2)
    return trits.reshape(-1, configuration.lanes, configuration.depth)


def _slices(words: bytes, configuration: Configuration) -> UInt8:
    """The bytes (words, lanes, slice_bytes)."""
    return np.frombuffer(words, np.uint8).reshape(-1, configuration.lanes, configuration.slice_bytes)


def _join(codes: UInt8, configuration: Configuration) -> UInt8:
    """The bytes (words, lanes, slice_bytes) of codes (words, lanes, codes in a slice), the first in the lowest bits."""
    width = configuration.codec.bits_per_code
    if 8 % width:
        bits = np.unpackbits(codes[..., None], axis=-1, count=width, bitorder="little")
        return np.packbits(bits.reshape(*codes.shape[:2], -1), axis=-1, bitorder="little")
    slices = np.zeros((*codes.shape[:2], configuration.slice_bytes), np.uint8)
    for place in range(8 // width):
        part = codes[..., place :: 8 // width]
        slices[..., : part.shape[-1]] |= part << np.uint8(width * place)
    return slices


def _split(slices: UInt8, configuration: Configuration) -> UInt8:
    """Codes (words, lanes, codes in a slice) of bytes (words, lanes, slice_bytes), each with its own sign."""
    width, count = configuration.codec.bits_per_code, configuration.codes_per_slice
    if 8 % width:
        bits = np.unpackbits(slices, axis=-1, bitorder="little")[..., : configuration.slice_bits]
        codes = np.packbits(bits.reshape(*bits.shape[:2], count, width), axis=-1, bitorder="little")[..., 0]
    else:
        codes = np.empty((*slices.shape[:2], count), np.uint8)
        for place in range(8 // width):
            part = codes[..., place :: 8 // width]
            part[...] = slices[..., : part.shape[-1]] >> np.uint8(width * place) & np.uint8((1 << width) - 1)
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


def _ranks(groups: Int8) -> UInt8:
    """The rank of each group of trits (..., n), n <= 5, among all 3**n, the first trit counting least."""
    ranks = np.zeros(groups.shape[:-1], np.uint8)
    for place in range(groups.shape[-1]):
        ranks += (groups[..., place] + np.int8(1)).view(np.uint8) * np.uint8(3**place)
    return ranks


@functools.cache
def _encoder(codec: Packing) -> UInt8:
    """Code (256,) of each of `_ranks`, 0 where a packing has none."""
    codes = np.zeros(256, np.uint8)
    groups = codec.decode(np.array(codec.codes, np.uint8))
    codes[_ranks(groups)] = codec.codes
    return codes


@functools.cache
def _unused(codec: Packing) -> Bool:
    """Whether each of the codes (256,) is not in use."""
    unused = np.ones(256, np.bool_)
    unused[list(codec.codes)] = False
    return unused


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
