"""Every trit of a device's weight memory, written, and seen again through products.

The link does not read weights back, and need not: a product with the activations 1, 3, 9, 27, 81 in five columns, and 0
in all others, is five trits as one number in balanced ternary. So with one chunk of columns to a row, each result tells
five trits of one lane of one weight word, and ceil(depth / 5) runs over the whole memory tell all of them.

What is written differs from word to word, at random, and all of it is written before any of it is read: words that are
mixed up, mirrored or not written at all show. It is written once for each value that a trit has, and each trit has them
all in turn.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from trine.firmware.assembler import End, Matvec, encode
from trine.firmware.configuration import Configuration
from trine.firmware.layout import pack_weights
from trine.firmware.link import MAXIMUM_READ_BYTES, READ_FORMAT, Region, Request
from trine.firmware.tiling import result_row_blocks
from trine.firmware.traffic import Message, write_messages
from trine.golden.accumulate import accumulate
from trine.golden.arrays import Int8
from trine.host.device import Device
from trine.host.errors import MismatchError, bad_input
from trine.host.loads import FRAMES_AT_ONCE


@dataclass(frozen=True)
class WeightCheck:
    """What was found equal. trits: how many there are. patterns: how often each was written. results: integers."""

    trits: int
    patterns: int
    results: int


def check_weight_memory(device: Device, seed: int, progress: Callable[[float], None]) -> WeightCheck:
    """Check the whole weight memory; no image is loaded then.

    progress: told how much is done, 0 to 1. Raises MismatchError at the first result that differs from golden's, naming
    weight word, lane, columns and both values; DeviceError; UsageError if the result buffer holds no row block.
    """
    configuration = device.configuration
    values = (-1, 0, 1) if configuration.codec.has_zero else (-1, 1)
    places = digits(configuration)
    rows = configuration.weight_words * configuration.lanes
    first = np.random.default_rng(seed).integers(0, len(values), (rows, configuration.depth), np.uint8)
    codes = list(_codes(places, configuration))
    results = 0
    for pattern in range(len(values)):
        matrix = np.array(values, np.int8)[(first + pattern) % len(values)]
        _write(device, matrix)
        for number, (columns, vector) in enumerate(codes):
            results += _compare(device, matrix, columns, vector)
            progress((pattern * len(codes) + number + 1) / (len(values) * len(codes)))
    device.request([(Request.COMMIT, bytes(4))])
    return WeightCheck(first.size, len(values), results)


def digits(configuration: Configuration) -> int:
    """Trits that one result can tell: so many powers of three are codes, and their sum fits the accumulators."""
    mode = configuration.accumulator_mode
    bits = min(mode.group_accumulator_bits or 32, configuration.accumulator_bits)
    count = 1
    while 3**count <= mode.code_range[1] and (3 ** (count + 1) - 1) // 2 < 1 << (bits - 1):
        count += 1
    return count


def _codes(places: int, configuration: Configuration) -> Iterator[tuple[slice, Int8]]:
    """(columns, codes (depth,)) of each run over the memory."""
    for start in range(0, configuration.depth, places):
        columns = slice(start, min(start + places, configuration.depth))
        codes = np.zeros(configuration.depth, np.int8)
        codes[columns] = 3 ** np.arange(columns.stop - start)
        yield columns, codes


def _write(device: Device, matrix: Int8) -> None:
    """The whole memory, a chunk of columns to each row."""
    messages = list(write_messages(Region.WEIGHTS, 0, pack_weights(matrix, device.configuration), device.configuration))
    for start in range(0, len(messages), FRAMES_AT_ONCE):
        device.request(messages[start : start + FRAMES_AT_ONCE])


def _compare(device: Device, matrix: Int8, columns: slice, codes: Int8) -> int:
    """Products of all words and `codes`; the number of results that were compared."""
    configuration = device.configuration
    device.request(list(write_messages(Region.ACTIVATIONS, 0, codes.tobytes(), configuration)))
    for word, blocks in _parts(configuration):
        answers = device.request(list(_run(word, blocks, configuration)))
        found = np.frombuffer(answers[-1], "<i4")
        rows = slice(word * configuration.lanes, (word + blocks) * configuration.lanes)
        expected = accumulate(matrix[rows], codes, configuration.accumulator_mode)
        wrong = np.flatnonzero(found != expected) if found.shape == expected.shape else np.arange(expected.size)
        if wrong.size:
            at = int(wrong[0])
            value = int(found[at]) if at < found.size else "nothing"
            raise MismatchError(
                f"weight word {word + at // configuration.lanes}, lane {at % configuration.lanes}, columns "
                f"{columns.start} to {columns.stop - 1}: the device says {value}, golden {int(expected[at])}; "
                f"{wrong.size} of {expected.size} results of words {word} to {word + blocks - 1} differ")
    return len(matrix)


def _parts(configuration: Configuration) -> Iterator[tuple[int, int]]:
    """(first word, words) of each run: as many as the result buffer and one READ hold."""
    with bad_input():
        room = result_row_blocks(configuration)
    room = min(room, max(1, MAXIMUM_READ_BYTES // (4 * configuration.lanes)))
    for word in range(0, configuration.weight_words, room):
        yield word, min(room, configuration.weight_words - word)


def _run(word: int, blocks: int, configuration: Configuration) -> Iterator[Message]:
    """What multiplies the weight words word .. word + blocks - 1, each a row block, and reads the results."""
    program = encode(Matvec(word, blocks, 1, 0, 0)) + encode(End())
    yield from write_messages(Region.PROGRAM, 0, program, configuration)
    yield Request.COMMIT, struct.pack("<I", 1)
    yield Request.RUN, bytes(4)
    yield Request.READ, struct.pack(READ_FORMAT, Region.RESULTS, 0, blocks * configuration.beats_per_row_block)
