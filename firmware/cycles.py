"""The cycle model: how many engine cycles a program takes, and how many bytes cross the link, without running anything.

It equals the counters of the gateware exactly. Link time is outside it: `link_stall` and `idle` are 0.

Cycle 0 is the one in which a run is accepted. Instruction i is *issued* in cycle `issue_i`, takes its first weight word
in cycle `start_i`, and gives each row block

    period_i = max(chunks_i, beats_per_row_block + 1)

cycles, because a row block's results leave one beat a cycle and need a cycle to be taken over. The next instruction
follows without a gap, unless it could not be issued in time:

    issue_1 = FETCH                                start_1 = FETCH + FIRST_WORD
    issue_{i+1} = max(issue_i + FETCH, last_i)     start_{i+1} = max(issue_i + FETCH + FIRST_WORD,
                                                                    start_i + row_blocks_i * period_i)

where last_i is the cycle of its last word. The run ends in the cycle after the last result was stored:

    end = max(issue_n + FETCH, last_n + array_latency + beats_per_row_block)

Of the cycles 1 to end, those that take a word are `busy`; others are `drain` while a row block's period lasts or when
END was reached, and else `weight_stall`: an instruction is being fetched.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trine.firmware.assembler import End, Operation, read_program
from trine.firmware.configuration import Configuration
from trine.firmware.counters import Counters
from trine.firmware.image import Image
from trine.firmware.link import CRC_BYTES, HEADER_BYTES
from trine.firmware.plan import RequestPlan
from trine.firmware.traffic import request_messages

RUN_RESPONSE_BYTES = 8
"""Payload of RUN's response: the cycle counter."""

FETCH = 3
"""Cycles to fetch and decode an instruction, from the issue of the one before."""
FIRST_WORD = 2
"""Cycles from an issue to the first weight word."""


def array_latency(configuration: Configuration) -> int:
    """Cycles from a row block's last weight word to its first result beat: word, codes and trits, the adder tree's
    levels, the accumulators, and the register from which results leave."""
    levels = max(1, (configuration.depth - 1).bit_length())
    accumulators = 1 if configuration.accumulator_mode.exact else 2
    return 2 + levels + accumulators + 1


def program_cycles(operations: Sequence[Operation], configuration: Configuration) -> Counters:
    """What a run of `operations` adds to the counters, up to the first END or the end of the sequence."""
    beats = configuration.beats_per_row_block
    busy = weight_stall = drain = 0
    issue = 0  # of the instruction before
    period_end = 1  # first cycle that belongs to no row block's period
    last = 0  # cycle of the last word so far
    start = FETCH + FIRST_WORD  # earliest cycle for the next instruction's first word
    for operation in operations:
        if isinstance(operation, End):
            break
        issue = max(issue + FETCH, last)
        drain += max(0, min(start, period_end) - (last + 1))
        weight_stall += start - max(last + 1, period_end)
        period = max(operation.chunks, beats + 1)
        busy += operation.row_blocks * operation.chunks
        drain += (operation.row_blocks - 1) * (period - operation.chunks)
        last_block = start + (operation.row_blocks - 1) * period
        last, period_end = last_block + operation.chunks - 1, last_block + beats + 1
        start = max(issue + FETCH + FIRST_WORD, last_block + period)
    ending = issue + FETCH
    stored = last + array_latency(configuration) + beats if busy else 0
    end = max(ending, stored)
    fetching = max(0, ending - max(last + 1, period_end))
    return Counters(cycles=end, busy=busy, weight_stall=weight_stall + fetching, drain=drain + end - last - fetching)


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
