"""Plans that are none, each with one thing wrong (what concerns a single tile: test_image_file.py)."""

import dataclasses

import pytest

from trine.firmware.plan import Plan, PlanError
from trine.firmware.plan_check import check_plan
from trine.firmware.planner import plan_model


@pytest.fixture
def tight(configure):
    """Room for half of what two layers need, so that some of it stays."""
    return configure(weight_words=32, activation_chunks=2, program_words=32)


@pytest.fixture
def plan(tight):
    found = plan_model([("a",), ("b", "c")], {"a": (30, 30), "b": (20, 12), "c": (9, 12)}, tight)
    check_plan(found, tight)
    assert found.loads[0].words
    assert len(found.loads) > 3
    return found


def with_load(plan, index, **changes):
    loads = list(plan.loads)
    loads[index] = dataclasses.replace(loads[index], **changes)
    return Plan(plan.requests, tuple(loads))


def with_tile(plan, request, number, **changes):
    requests = list(plan.requests)
    tiles = list(requests[request].tiles)
    tiles[number] = dataclasses.replace(tiles[number], **changes)
    requests[request] = dataclasses.replace(requests[request], tiles=tuple(tiles))
    return Plan(tuple(requests), plan.loads)


@pytest.mark.parametrize(("change", "said"), [
    (lambda p: Plan((), ()), "there is no load"),
    (lambda p: with_load(p, 0, first_word=1), "load 0: its weight words cannot begin at 1"),
    (lambda p: with_load(p, 0, first_instruction=1), "load 0: its instructions cannot begin at 1"),
    (lambda p: with_load(p, 1, first_word=0), "load 1: its weight words cannot begin at 0"),
    (lambda p: with_load(p, 1, first_instruction=0), "load 1: its instructions cannot begin at 0"),
    (lambda p: with_load(p, 2, first_word=31), "load 2: .* weight words from 31 on, small has 32"),
    (lambda p: with_load(p, 2, first_instruction=31), "load 2: .* instructions from 31 on, small has 32"),
    (lambda p: with_load(p, 1, words=p.loads[1].words - 1), "load 1 has .* its tiles"),
    (lambda p: Plan(p.requests, (*p.loads, p.loads[-1])), "load .* has .* its tiles 0 and 0"),
    (lambda p: Plan(p.requests[:1], p.loads), "load .* has .* its tiles 0 and 0"),
    (lambda p: with_tile(p, 1, -1, load=99), r"request 1, tile \d+: load 99 of"),
    (lambda p: with_tile(p, 1, -1, load=1), r"request 1, tile \d+: load 1 after load \d"),
    (lambda p: with_tile(p, 1, 0, load=p.requests[0].tiles[-1].load), r"request 1, tile 0: load (\d) after load \1$"),
    (lambda p: with_tile(p, 1, 0, first_column=1), "column 1 or beat 0 cannot be its first"),
    (lambda p: with_tile(p, 1, 0, columns=18), "3 chunks of columns, small has room for 2"),
    (lambda p: Plan((p.requests[1], p.requests[0]), p.loads), r"request 1, tile 0: load 0 after load \d"),
    (lambda p: Plan((dataclasses.replace(p.requests[0], layers=("b",)), p.requests[1]), p.loads),
     "^b is not in the image once and whole"),
    (lambda p: Plan((dataclasses.replace(p.requests[0], rows=(31,)), p.requests[1]), p.loads),
     "^a is not in the image once and whole"),
    (lambda p: Plan((dataclasses.replace(p.requests[0], columns=31), p.requests[1]), p.loads),
     "^a is not in the image once and whole"),
])
def test_wrong(plan, tight, change, said):
    with pytest.raises(PlanError, match=said):
        check_plan(change(plan), tight)
