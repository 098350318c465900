"""The requests that load an image and execute its layers, and the results in their responses.

A *message* is a request's opcode and payload; framing, sequence numbers and retries are the host's. All messages of
one function may be sent before the first response is awaited: the device executes them in order. So may those of one
of `exchanges`, and again if they were lost: it begins with the first load that it needs.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from trine.firmware.configuration import Configuration
from trine.firmware.image import Image
from trine.firmware.instructions import INSTRUCTION_BYTES
from trine.firmware.layout import count_chunks
from trine.firmware.link import MAXIMUM_READ_BYTES, READ_FORMAT, WRITE_FORMAT, Region, Request
from trine.firmware.plan import Load, RequestPlan, Tile
from trine.golden.arrays import Int8, Int32, first

Message = tuple[Request, bytes]

EXCHANGE_BYTES = 1 << 20
"""Weights in one exchange, unless a single load has more: so many that waiting for the last answer costs 1 % on the
fastest link, and less on others; so few that after a fault there is not much to do again."""


class TrafficError(ValueError):
    """Codes or responses that do not suit a request; the message says which and why."""


def word_bytes(region: Region, configuration: Configuration) -> int:
    """Bytes of one word of a region on the link."""
    return {
        Region.WEIGHTS: configuration.weight_word_bytes,
        Region.PROGRAM: INSTRUCTION_BYTES,
        Region.ACTIVATIONS: configuration.depth,
        Region.RESULTS: configuration.beat_bytes,
    }[region]


def region_words(region: Region, configuration: Configuration) -> int:
    """Words of a region."""
    return {
        Region.WEIGHTS: configuration.weight_words,
        Region.PROGRAM: configuration.program_words,
        Region.ACTIVATIONS: configuration.activation_chunks,
        Region.RESULTS: configuration.result_beats,
    }[region]


def write_messages(region: Region, address: int, data: bytes, configuration: Configuration) -> Iterator[Message]:
    """WRITEs of `data`, whole words of `region`, from word `address` on, as many a payload as the device takes."""
    size = word_bytes(region, configuration)
    room = (configuration.maximum_payload - struct.calcsize(WRITE_FORMAT)) // size * size
    for start in range(0, len(data), room):
        head = struct.pack(WRITE_FORMAT, region, address + start // size)
        yield Request.WRITE, head + data[start : start + room]


def load_messages(image: Image, configuration: Configuration, index: int = 0) -> Iterator[Message]:
    """What writes a load of `image`: its weights, its programs, and the COMMIT that allows them to be run.

    Load 0 makes an image that has no other resident; any other needs load 0 to be there.
    """
    load = image.loads[index]
    yield from write_messages(Region.WEIGHTS, load.first_word, image.weights[index], configuration)
    yield from write_messages(Region.PROGRAM, load.first_instruction, load.program, configuration)
    yield Request.COMMIT, struct.pack("<I", image.load_id(index))


def exchanges(request: RequestPlan, loads: Sequence[Load], configuration: Configuration) -> list[tuple[Tile, ...]]:
    """The tiles of `request`, divided among its exchanges: those of load 0, and whole loads, as many as EXCHANGE_BYTES
    allow.

    Load 0 by itself, because whoever runs it again after a fault must not have begun to write another.
    """
    parts: list[tuple[Tile, ...]] = []
    size = 0
    for load, tiles in groupby(request.tiles, lambda tile: tile.load):
        added = loads[load].words * configuration.weight_word_bytes
        if parts and parts[-1][0].load and size + added <= EXCHANGE_BYTES:
            parts[-1] += tuple(tiles)
        else:
            parts.append(tuple(tiles))
            size = 0
        size += added
    return parts


def check_codes(plan: RequestPlan, codes: Int8, configuration: Configuration) -> None:
    """Raises TrafficError unless `codes` are int8 (plan.columns,) of the configuration's accumulator mode."""
    if codes.dtype != np.int8 or codes.shape != (plan.columns,):
        raise TrafficError(f"{', '.join(plan.layers)}: codes must be int8 ({plan.columns},), "
                           f"not {codes.dtype} {codes.shape}")
    least, most = configuration.accumulator_mode.code_range
    refused = (codes < least) | (codes > most)
    if refused.any():
        (column,) = first(refused)
        raise TrafficError(f"{', '.join(plan.layers)}: codes must be {least} to {most}, "
                           f"but codes[{column}] is {codes[column]}")


def request_messages(plan: RequestPlan, codes: Int8, configuration: Configuration) -> list[Message]:
    """What executes `plan` on `codes` int8 (plan.columns,), its loads there: for each tile WRITEs, a RUN and READs.

    Raises TrafficError as `check_codes`.
    """
    check_codes(plan, codes, configuration)
    return [message for tile in plan.tiles for message in _tile_messages(tile, codes, configuration)]


def request_results(plan: RequestPlan, responses: Sequence[bytes], configuration: Configuration) -> list[Int32]:
    """The results int32 (N,) of each layer, from the payloads of the responses to `request_messages`, in their order.

    Rows that no tile of `plan` computes are 0, so that the results of a request's parts add up. Raises TrafficError if
    the responses are not as many, or a READ's not as long, as they should be.
    """
    results = [np.zeros(rows, np.int32) for rows in plan.rows]
    left = list(responses)
    for tile in plan.tiles:
        reads = list(read_beats(tile.first_beat, tile.beats, configuration))
        del left[: _count_writes(tile, configuration) + 1]
        payloads, left = left[: len(reads)], left[len(reads) :]
        values = b"".join(payloads)
        if len(values) != tile.beats * configuration.beat_bytes:
            raise TrafficError(f"{', '.join(plan.layers)}: {len(values)} bytes of results came, "
                               f"not {tile.beats * configuration.beat_bytes}")
        for output in tile.outputs:
            start = (output.first_beat - tile.first_beat) * configuration.result_width
            rows = np.frombuffer(values, "<i4", output.rows, 4 * start)
            results[output.layer_index][output.first_row : output.first_row + output.rows] += rows
    if left:
        raise TrafficError(f"{', '.join(plan.layers)}: {len(left)} responses are too many")
    return results


def read_beats(first: int, beats: int, configuration: Configuration) -> Iterator[tuple[int, int]]:
    """(first beat, beats) of each READ of so many beats of results from `first` on."""
    most = MAXIMUM_READ_BYTES // configuration.beat_bytes
    for start in range(0, beats, most):
        yield first + start, min(most, beats - start)


def _tile_messages(tile: Tile, codes: Int8, configuration: Configuration) -> Iterator[Message]:
    padded = np.zeros(count_chunks(tile.columns, configuration) * configuration.depth, np.int8)
    padded[: tile.columns] = codes[tile.first_column : tile.first_column + tile.columns]
    yield from write_messages(Region.ACTIVATIONS, 0, padded.tobytes(), configuration)
    yield Request.RUN, struct.pack("<I", tile.entry)
    for beat, count in read_beats(tile.first_beat, tile.beats, configuration):
        yield Request.READ, struct.pack(READ_FORMAT, Region.RESULTS, beat, count)


def _count_writes(tile: Tile, configuration: Configuration) -> int:
    room = (configuration.maximum_payload - struct.calcsize(WRITE_FORMAT)) // configuration.depth
    return -(-count_chunks(tile.columns, configuration) // room)
