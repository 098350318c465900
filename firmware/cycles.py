"""The cycle model: how many engine cycles a program takes and how many bytes cross the link, without running anything.

It equals the counters of the gateware exactly. Link time is outside it: `link_stall` and `idle` are 0. Each dataflow
has its own: adder_cycles.py, table_cycles.py.
"""

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from trine.firmware import adder_cycles, table_cycles
from trine.firmware.assembler import End, Matvec, Operation
from trine.firmware.configuration import Configuration
from trine.firmware.counters import COUNTER_NAMES, Counters
from trine.firmware.layout import count_chunks, count_row_blocks
from trine.firmware.link import CRC_BYTES, HEADER_BYTES, READ_FORMAT, WRITE_FORMAT, Region
from trine.firmware.plan import Load, Plan, RequestPlan, Tile
from trine.firmware.traffic import exchanges, read_beats, word_bytes

FRAME_BYTES = HEADER_BYTES + CRC_BYTES
"""Of every frame, around its payload."""
RUN_BYTES = 4
"""Payload of RUN: the program's entry."""
RUN_RESPONSE_BYTES = 8
"""Payload of RUN's response: the cycle counter."""
COMMIT_BYTES = 4
"""Payload of COMMIT: what the device is to remember."""


def program_cycles(operations: Sequence[Operation], configuration: Configuration) -> Counters:
    """What a run of `operations` adds to the counters, up to the first END or the end of the sequence."""
    products: list[Matvec] = []
    for operation in operations:
        if isinstance(operation, End):
            break
        products.append(operation)
    if configuration.dataflow == "tables":
        return table_cycles.product_cycles(products, configuration)
    return adder_cycles.product_cycles(products, configuration)


def first_word_cycle(configuration: Configuration) -> int:
    """The cycle of a run in which its first weight word is taken."""
    if configuration.dataflow == "tables":
        return table_cycles.first_word_cycle(configuration)
    return adder_cycles.FETCH + adder_cycles.FIRST_WORD


def tile_cycles(columns: int, rows: Sequence[int], configuration: Configuration) -> Counters:
    """Engine cycles of one run of a tile of so many columns and, of each output, rows, wherever its weights lie."""
    chunks = count_chunks(columns, configuration)
    return program_cycles([Matvec(0, count_row_blocks(count, configuration), chunks) for count in rows], configuration)


def request_cycles(request: RequestPlan, configuration: Configuration) -> Counters:
    """Engine cycles of one execution of `request`: the sum over its tiles."""
    return _sum_cycles(request.tiles, configuration)


def token_cycles(plan: Plan, configuration: Configuration) -> Counters:
    """Engine cycles of all requests of `plan`, once each: a token of a decoder, an input of a classifier."""
    return _sum_cycles([tile for request in plan.requests for tile in request.tiles], configuration)


@dataclass(frozen=True)
class LinkUse:
    """What crosses the link, frames included.

    to_device, from_device: bytes. round_trips: how often the host waits for an answer before it goes on.
    """

    to_device: int = 0
    from_device: int = 0
    round_trips: int = 0

    @property
    def total(self) -> int:
        """Bytes in both directions."""
        return self.to_device + self.from_device

    def __add__(self, other: "LinkUse") -> "LinkUse":
        return LinkUse(self.to_device + other.to_device, self.from_device + other.from_device,
                       self.round_trips + other.round_trips)

    def __mul__(self, times: int) -> "LinkUse":
        return LinkUse(self.to_device * times, self.from_device * times, self.round_trips * times)


def load_bytes(words: int, instructions: int, configuration: Configuration) -> LinkUse:
    """What writing a load of so many words and instructions sends, without a round trip of its own."""
    return (_write_bytes(Region.WEIGHTS, words, configuration)
            + _write_bytes(Region.PROGRAM, instructions, configuration)
            + LinkUse(FRAME_BYTES + COMMIT_BYTES, FRAME_BYTES))


def tile_bytes(columns: int, beats: int, configuration: Configuration) -> LinkUse:
    """What a tile of so many columns and beats of results sends when its load is there: codes, RUN and results, without
    a round trip of its own."""
    reads = len(list(read_beats(0, beats, configuration)))
    return (_write_bytes(Region.ACTIVATIONS, count_chunks(columns, configuration), configuration)
            + LinkUse(FRAME_BYTES + RUN_BYTES, FRAME_BYTES + RUN_RESPONSE_BYTES)
            + LinkUse(reads * (FRAME_BYTES + struct.calcsize(READ_FORMAT)),
                      reads * FRAME_BYTES + beats * configuration.beat_bytes))


def request_bytes(request: RequestPlan, configuration: Configuration, loads: Sequence[Load] = ()) -> LinkUse:
    """What one execution of `request` sends: all frames of all its tiles and, given the plan's loads, of those that it
    streams, in as many round trips as it has exchanges."""
    shapes = Counter((tile.columns, tile.beats) for tile in request.tiles)
    use = sum((tile_bytes(*shape, configuration) * times for shape, times in shapes.items()), LinkUse())
    if not loads:
        return use + LinkUse(round_trips=1)
    streamed = [loads[index] for index in {tile.load for tile in request.tiles} - {0}]
    sizes = Counter((load.words, len(load.operations)) for load in streamed)
    use = sum((load_bytes(*size, configuration) * times for size, times in sizes.items()), use)
    return use + LinkUse(round_trips=len(exchanges(request, loads, configuration)))


def token_bytes(plan: Plan, configuration: Configuration) -> LinkUse:
    """What all requests of `plan` send, once each, the streamed loads included."""
    return sum((request_bytes(request, configuration, plan.loads) for request in plan.requests), LinkUse())


def _sum_cycles(tiles: Sequence[Tile], configuration: Configuration) -> Counters:
    shapes = Counter((tile.columns, tuple(output.rows for output in tile.outputs)) for tile in tiles)
    total = Counters()
    for shape, times in shapes.items():
        cycles = tile_cycles(*shape, configuration)
        total += Counters(*(getattr(cycles, name) * times for name in COUNTER_NAMES))
    return total


def _write_bytes(region: Region, words: int, configuration: Configuration) -> LinkUse:
    """What WRITEs of so many words send (traffic.write_messages)."""
    size, head = word_bytes(region, configuration), struct.calcsize(WRITE_FORMAT)
    frames = -(-words // ((configuration.maximum_payload - head) // size))
    return LinkUse(frames * (FRAME_BYTES + head) + words * size, frames * FRAME_BYTES)
