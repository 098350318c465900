"""Requests: to JSON and back, and refusal of every JSON that is none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.firmware.plan import Output, PlanError, RequestPlan, Tile, plans_from_json, plans_to_json

PLAN = RequestPlan(("q", "k"), 30, (8, 4), (
    Tile(0, 3, 0, 24, 0, 6, (Output(0, 0, 8, 0), Output(1, 0, 4, 4))),
    Tile(3, 2, 24, 6, 0, 4, (Output(0, 0, 8, 0),)),
))


def test_there_and_back():
    assert plans_from_json(json.loads(json.dumps(plans_to_json([PLAN, PLAN])))) == (PLAN, PLAN)
    assert plans_from_json([]) == ()


def changed(path, value):
    """PLAN's JSON with the element at `path` replaced, or deleted if `value` is `...`."""
    values = json.loads(json.dumps(plans_to_json([PLAN])))
    *parents, last = path
    place = values
    for key in parents:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return values


@pytest.mark.parametrize(("path", "value", "said"), [
    ((0,), 3, "request 0 must have layers, columns, rows, tiles, not int"),
    ((0, "rows"), ..., "request 0 must have layers, columns, rows, tiles, not 'layers', 'columns', 'tiles'"),
    ((0, "more"), 1, "not 'layers', 'columns', 'rows', 'tiles', 'more'"),
    ((0, "layers"), "qk", "request 0: layers must be a list, not str"),
    ((0, "layers", 0), 5, "a layer's name must be text, not 5"),
    ((0, "layers"), [], "0 layers with 2 numbers of rows"),
    ((0, "rows"), [8], "2 layers with 1 numbers of rows"),
    ((0, "rows", 0), 0, "request 0: rows must be a positive integer of at most 32 bits, not 0"),
    ((0, "rows", 0), True, "not True"),
    ((0, "columns"), 30.0, r"request 0: columns must be a positive integer of at most 32 bits, not 30\.0"),
    ((0, "columns"), 2**32, "not 4294967296"),
    ((0, "tiles"), {}, "request 0: tiles must be a list, not dict"),
    ((0, "tiles", 1), None, "request 0, tile 1 must have entry, .*, not NoneType"),
    ((0, "tiles", 1, "entry"), -1, "request 0, tile 1: entry must be an integer of at most 32 bits, not -1"),
    ((0, "tiles", 1, "beats"), "4", "tile 1: beats must be an integer"),
    ((0, "tiles", 1, "outputs"), 1, "request 0, tile 1: outputs must be a list, not int"),
    ((0, "tiles", 1, "outputs", 0, "rows"), ..., "tile 1: output must have layer_index, first_row, rows, first_beat"),
    ((0, "tiles", 1, "outputs"), [], "request 0, tile 1: 2 instructions for 0 outputs"),
    ((0, "tiles", 1, "instructions"), 3, "3 instructions for 1 outputs"),
    ((0, "tiles", 1, "columns"), 7, "columns 24 to 31 of 30"),
    ((0, "tiles", 1, "columns"), 0, "columns 24 to 24 of 30"),
    ((0, "tiles", 0, "outputs", 1, "layer_index"), 2, "request 0, tile 0: layer 2 of 2"),
    ((0, "tiles", 0, "outputs", 1, "rows"), 5, "request 0, tile 0: rows 0 to 5 of 4"),
    ((0, "tiles", 0, "outputs", 1, "rows"), 0, "rows 0 to 0 of 4"),
    ((0, "tiles", 0, "outputs", 1, "first_beat"), 6, "an output at beat 6 is not among the results that are read"),
    ((0, "tiles", 0, "first_beat"), 1, "an output at beat 0 is not among the results"),
])
def test_wrong_field(path, value, said):
    with pytest.raises(PlanError, match=said):
        plans_from_json(changed(path, value))


anything = st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
                        lambda inner: st.one_of(st.lists(inner, max_size=3),
                                                st.dictionaries(st.text(max_size=3), inner, max_size=3)))
paths = st.sampled_from([(0,), (0, "layers"), (0, "rows"), (0, "columns"), (0, "tiles"), (0, "tiles", 0),
                         (0, "tiles", 0, "entry"), (0, "tiles", 0, "outputs"), (0, "tiles", 0, "outputs", 0),
                         (0, "tiles", 0, "outputs", 0, "first_row")])


@given(paths, anything)
def test_any_json_is_a_plan_or_refused(path, value):
    refusal = ""
    plans: tuple[RequestPlan, ...] = ()
    try:
        plans = plans_from_json(changed(path, value))
    except PlanError as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert bool(refusal) != bool(plans)
    assert plans_from_json(json.loads(json.dumps(plans_to_json(plans)))) == plans


@given(anything)
def test_any_json_at_all(value):
    if value not in ([], [[]]):
        with pytest.raises(PlanError):
            plans_from_json(value)
