"""The cycle model: how many engine cycles a program takes and how many bytes cross the link, without running anything.

It equals the counters of the gateware exactly. Link time is outside it: `link_stall` and `idle` are 0. Each dataflow
has its own: adder_cycles.py, table_cycles.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trine.firmware import adder_cycles, table_cycles
from trine.firmware.assembler import End, Matvec, Operation, read_program
from trine.firmware.configuration import Configuration
from trine.firmware.counters import Counters
from trine.firmware.image import Image
from trine.firmware.link import CRC_BYTES, HEADER_BYTES
from trine.firmware.plan import RequestPlan
from trine.firmware.traffic import request_messages

RUN_RESPONSE_BYTES = 8
"""Payload of RUN's response: the cycle counter."""


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


def request_cycles(plan: RequestPlan, image: Image, configuration: Configuration) -> Counters:
    """Engine cycles of one execution of `plan`: the sum over its tiles."""
    operations = read_program(image.program)
    return sum((program_cycles(operations[tile.entry : tile.entry + tile.instructions], configuration)
                for tile in plan.tiles), Counters())


def token_cycles(image: Image, configuration: Configuration) -> Counters:
    """Engine cycles of all requests of `image`, once each: a token of a decoder, an input of a classifier."""
    return sum((request_cycles(plan, image, configuration) for plan in image.requests), Counters())


@dataclass(frozen=True)
class LinkUse:
    """What crosses the link, frames included.

    to_device, from_device: bytes. round_trips: how often the host waits for an answer before it goes on.
    """

    to_device: int = 0
    from_device: int = 0
    round_trips: int = 0

    def __add__(self, other: "LinkUse") -> "LinkUse":
        return LinkUse(self.to_device + other.to_device, self.from_device + other.from_device,
                       self.round_trips + other.round_trips)


def request_bytes(plan: RequestPlan, configuration: Configuration) -> LinkUse:
    """What one execution of `plan` sends: all frames of all its tiles at once, so one round trip."""
    frame = HEADER_BYTES + CRC_BYTES
    requests = request_messages(plan, np.zeros(plan.columns, np.int8), configuration)
    answers = sum(RUN_RESPONSE_BYTES + tile.beats * configuration.beat_bytes for tile in plan.tiles)
    return LinkUse(sum(frame + len(payload) for _, payload in requests), frame * len(requests) + answers, 1)


def token_bytes(image: Image, configuration: Configuration) -> LinkUse:
    """What all requests of `image` send, once each."""
    return sum((request_bytes(plan, configuration) for plan in image.requests), LinkUse())
