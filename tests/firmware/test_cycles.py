"""The cycle model against a simulation of its own rules, word by word; link bytes against real frames."""

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.firmware.adder_cycles import FETCH, FIRST_WORD, array_latency
from trine.firmware.assembler import End, Matvec
from trine.firmware.compiler import compile_classifier, compile_layer, compile_model
from trine.firmware.counters import CAUSES, Counters
from trine.firmware.cycles import (
    LinkUse,
    program_cycles,
    request_bytes,
    request_cycles,
    token_bytes,
    token_cycles,
)
from trine.firmware.link import Frame
from trine.firmware.machine import Machine
from trine.firmware.traffic import exchanges, load_messages, request_messages


def word_by_word(program, configuration):
    """Each cycle of a run, one after another, and its cause."""
    spacing = configuration.beats_per_row_block
    causes: dict[int, str] = {}
    cycle = issue = last_of_block = 0
    had_block = False
    for operation in program:
        first = max(issue + FETCH + FIRST_WORD, cycle + 1)
        issue = max(issue + FETCH, cycle)
        for _ in range(operation.row_blocks):
            for chunk in range(operation.chunks):
                earliest = max(cycle + 1, first)
                causes |= {waiting: "weight_stall" for waiting in range(cycle + 1, earliest)}
                taken = earliest
                if chunk == operation.chunks - 1:
                    if had_block:
                        taken = max(taken, last_of_block + spacing)
                    last_of_block, had_block = taken, True
                causes |= {waiting: "drain" for waiting in range(earliest, taken)}
                causes[taken] = "busy"
                cycle = taken
    ending = issue + FETCH
    end = max(ending, cycle + array_latency(configuration) + configuration.beats_per_row_block) if program else ending
    for waiting in range(cycle + 1, end + 1):
        causes[waiting] = "weight_stall" if waiting < ending else "drain"
    counts = {cause: list(causes.values()).count(cause) for cause in CAUSES}
    assert sorted(causes) == list(range(1, end + 1))
    return Counters(cycles=end, **counts)


programs = st.lists(st.builds(Matvec, st.just(0), st.integers(1, 5), st.integers(1, 9)), max_size=6)


@given(programs, st.sampled_from([(4, 4), (4, 2), (4, 1), (12, 1)]))
def test_word_by_word(configure, program, shape):
    lanes, width = shape
    configuration = configure(lanes=lanes, result_width=width, maximum_payload=256)
    assert program_cycles([*program, End()], configuration) == word_by_word(program, configuration)


@given(programs)
def test_causes_sum_to_cycles(small, program):
    counters = program_cycles(program, small)
    assert sum(getattr(counters, cause) for cause in CAUSES) == counters.cycles
    assert counters.busy == sum(operation.row_blocks * operation.chunks for operation in program)
    assert counters == counters.engine


def test_nothing_counts_after_end(small):
    assert program_cycles([Matvec(0, 2, 3), End(), Matvec(0, 5, 5)], small) == program_cycles([Matvec(0, 2, 3)], small)


def test_a_big_layer_is_busy(configure):
    """Back to back instructions leave no gap: all but fetching the first and draining the last is busy."""
    configuration = configure(lanes=4, result_width=2)
    counters = program_cycles([Matvec(0, 50, 10)] * 16, configuration)
    assert counters.busy == 8000
    assert counters.cycles - counters.busy == FETCH + FIRST_WORD - 1 + array_latency(configuration) + 2


def test_requests_and_tokens_are_sums(made, configure):
    configuration = configure(weight_words=100, program_words=100, result_beats=3)
    image = compile_model(made.decoder(layers=1), configuration)
    total = Counters()
    for plan in image.requests:
        tiles = [program_cycles([Matvec(0, -(-output.rows // 4), -(-tile.columns // 6)) for output in tile.outputs],
                                configuration) for tile in plan.tiles]
        assert len(tiles) > 1
        assert request_cycles(plan, configuration) == sum(tiles, Counters())
        total += request_cycles(plan, configuration)
    assert token_cycles(image, configuration) == total


def test_link_bytes_by_hand(made, small):
    """16 x 36: a WRITE of 36 codes, RUN and READ of 8 beats; frames of 12 bytes and their payloads."""
    image = compile_layer("layer", made.ternary(16, 36), small)
    assert request_bytes(image.requests[0], small) == LinkUse(12 + 8 + 36 + 12 + 4 + 12 + 12, 12 + 12 + 8 + 12 + 64, 1)


def passed(machine, messages):
    """Bytes of those requests' frames, and of the machine's answers."""
    stream = b"".join(Frame(request, 0, payload).encode() for request, payload in messages)
    return len(stream), len(machine.feed(stream))


@pytest.mark.parametrize("changes", [
    {}, {"result_beats": 2}, {"activation_chunks": 1}, {"maximum_payload": 64, "depth": 15}, {"weight_words": 14},
    {"weight_words": 30, "maximum_payload": 200}])
def test_link_bytes_are_those_of_the_frames(made, configure, changes):
    configuration = configure(**({"program_words": 40} | changes))
    image = compile_classifier(made.classifier(sizes=(30, 20, 9)), configuration)
    machine = Machine(configuration)
    made.execute(machine, load_messages(image, configuration))
    total = LinkUse()
    for plan in image.requests:
        alone, use = LinkUse(), LinkUse()
        for tiles in exchanges(plan, image.loads, configuration):
            for load, group in groupby(tiles, lambda tile: tile.load):
                part = replace(plan, tiles=tuple(group))
                messages = request_messages(part, np.ones(plan.columns, np.int8), configuration)
                writes = load_messages(image, configuration, load) if load else []
                use += LinkUse(*passed(machine, writes))
                alone += LinkUse(*passed(machine, messages))
            use += LinkUse(round_trips=1)
        assert request_bytes(plan, configuration) == alone + LinkUse(round_trips=1)
        assert request_bytes(plan, configuration, image.loads) == use + alone
        total += use + alone
    assert token_bytes(image, configuration) == total
    assert total.round_trips == 2 + (0 < image.loads[0].words < image.words)
