"""Plans: what they hold, how little they send, and that they are what a device executes (plan_check)."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trine.firmware.compiler import SHARED_INPUTS
from trine.firmware.cycles import request_bytes, tile_cycles, token_bytes, token_cycles
from trine.firmware.layout import count_chunks, count_words
from trine.firmware.plan import RequestPlan
from trine.firmware.plan_check import check_plan
from trine.firmware.planner import (
    cut_streamed,
    plan_layer,
    plan_model,
    plan_resident,
    plan_streamed,
)
from trine.firmware.presets import PRESETS, find_preset
from trine.firmware.tiling import TilingError


def decoder(hidden, inner, kv, layers):
    """(requests, shapes) of a decoder."""
    sizes = {"q_proj": (hidden, hidden), "k_proj": (kv, hidden), "v_proj": (kv, hidden), "o_proj": (hidden, hidden),
             "gate_proj": (inner, hidden), "up_proj": (inner, hidden), "down_proj": (hidden, inner)}
    requests = [tuple(f"{layer}.{part}" for part in parts) for layer in range(layers) for parts in SHARED_INPUTS]
    return requests, {name: sizes[name.rsplit(".", 1)[1]] for request in requests for name in request}


AUSTEN_SMALL = decoder(160, 280, 80, 3)
BITNET_2B = decoder(2560, 6912, 640, 30)


def assert_sound(plan, requests, shapes, configuration):
    """The plan is one of those layers, in order, in loads that fit and that no two requests share."""
    check_plan(plan, configuration)
    assert [request.layers for request in plan.requests] == list(requests)
    for request in plan.requests:
        assert [(rows, request.columns) for rows in request.rows] == [shapes[layer] for layer in request.layers]
    assert plan.words == sum(count_words(*shape, configuration) for shape in shapes.values())
    loads = [tile.load for request in plan.requests for tile in request.tiles]
    assert loads == sorted(loads)
    assert set(loads) | {0} == set(range(len(plan.loads)))
    streamed = [{tile.load for tile in request.tiles} - {0} for request in plan.requests]
    assert sum(map(len, streamed)) == len(plan.loads) - 1


@settings(max_examples=150, deadline=None, derandomize=True)
@given(sizes=st.lists(st.tuples(st.lists(st.integers(1, 30), min_size=1, max_size=3), st.integers(1, 50)), min_size=1,
                      max_size=4),
       weight_words=st.integers(1, 60), program_words=st.integers(2, 20), activation_chunks=st.integers(1, 6),
       result_beats=st.integers(2, 12), group=st.sampled_from([None, 6]), share=st.sampled_from([None, 1, 2, 4]))
def test_any_model(configure, sizes, weight_words, program_words, activation_chunks, result_beats, group, share):
    configuration = configure(weight_words=weight_words, program_words=program_words, result_beats=result_beats,
                              activation_chunks=activation_chunks, group=group, group_accumulator_bits=group and 8)
    requests = [tuple(f"{number}.{layer}" for layer in range(len(rows))) for number, (rows, _) in enumerate(sizes)]
    shapes = {name: (n, columns) for request, (rows, columns) in zip(requests, sizes, strict=True)
              for name, n in zip(request, rows, strict=True)}
    if share is None or weight_words < share or program_words < 2 * share:
        plan = plan_model(requests, shapes, configuration)
    else:
        plan = plan_streamed(requests, shapes, configuration, share)
    assert_sound(plan, requests, shapes, configuration)


def test_what_fits_is_one_load(configure):
    requests, shapes = decoder(8, 12, 4, 2)
    roomy = configure(weight_words=56, program_words=22, result_beats=32)
    plan = plan_model(requests, shapes, roomy)
    assert plan == plan_resident(requests, shapes, roomy)
    assert [load.words for load in plan.loads] == [56]
    for changes in ({"weight_words": 55}, {"program_words": 21}):
        tight = dataclasses.replace(roomy, **changes)
        assert plan_resident(requests, shapes, tight) is None
        assert len(plan_model(requests, shapes, tight).loads) > 1


def test_what_nearly_fits_stays():
    """The figures of planner's docstring."""
    requests, shapes = AUSTEN_SMALL
    preset = find_preset("ulx3s_25f")
    larger = dataclasses.replace(preset, weight_words=1500, program_words=256)
    for configuration, sent in ((preset, 156_028), (larger, 51_924)):
        plan = plan_model(requests, shapes, configuration)
        assert_sound(plan, requests, shapes, configuration)
        assert token_bytes(plan, configuration).total == sent
        assert plan.loads[0].words > configuration.weight_words * 3 // 4
        turns = plan_streamed(requests, shapes, configuration)
        assert turns.loads[0].words == 0
        assert token_bytes(turns, configuration).total == 191_712


def test_the_halving_ends_where_it_costs():
    requests, shapes = AUSTEN_SMALL
    preset = find_preset("ulx3s_25f")
    sent = {share: token_bytes(plan_streamed(requests, shapes, preset, share), preset).total
            for share in (1, 2, 4, 8, 16, 32)}
    assert token_bytes(plan_model(requests, shapes, preset), preset).total == min(sent.values()) < sent[32]


def test_two_billion_weights():
    """2,100 loads of which every token sends each: nothing of 1,987 memories is worth keeping."""
    requests, shapes = BITNET_2B
    preset = find_preset("ulx3s_85f")
    plan = plan_model(requests, shapes, preset)
    assert (len(plan.loads), plan.loads[0].words, plan.words) == (2101, 0, 4_070_400)
    use = token_bytes(plan, preset)
    assert (use.total, use.round_trips) == (538_951_920, 570)
    assert plan.words * preset.weight_word_bytes / use.total > 0.96
    assert token_cycles(plan, preset).busy == plan.words


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("shape", [(2560, 6912), (6912, 2560)])
def test_layers_keep_the_array_busy(preset, shape):
    configuration = find_preset(preset)
    plan = plan_layer("layer", shape, configuration)
    assert_sound(plan, [("layer",)], {"layer": shape}, configuration)
    assert plan.loads[0].words == 0, "nothing stays of a single layer"
    cycles = token_cycles(plan, configuration)
    assert cycles.busy / cycles.cycles > 0.8


@pytest.mark.parametrize(("rows", "columns"), [((2560,), 6912), ((2560, 640, 640), 2560), ((6912, 6912), 2560)])
@pytest.mark.parametrize("preset", ["ulx3s_85f", "icebreaker", "cynthion", "tinyfpga_bx"])
def test_the_cut_takes_the_least_time(preset, rows, columns):
    """Compared with the widest, and with others of a tenth more or less."""
    configuration = find_preset(preset)
    link = configuration.link
    assert link is not None
    names = tuple(map(str, range(len(rows))))
    shapes = dict(zip(names, ((n, columns) for n in rows), strict=True))
    plan = plan_streamed([names], shapes, configuration)

    def seconds(plan):
        (request,) = plan.requests
        return (request_bytes(request, configuration, plan.loads).total / link.bytes_per_second
                + token_cycles(plan, configuration).cycles / (1e6 * configuration.clock_mhz))

    chosen = count_chunks(cut_streamed(rows, columns, configuration.weight_words, configuration)[0][1], configuration)
    assert chosen <= min(configuration.activation_chunks, configuration.weight_words)
    for other in {configuration.activation_chunks, chosen * 9 // 10, min(chosen * 11 // 10 + 1,
                                                                        configuration.activation_chunks)}:
        narrowed = dataclasses.replace(configuration, activation_chunks=other)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("trine.firmware.planner._seconds", lambda rows, strips, words, configuration: len(strips))
            assert seconds(plan) < 1.005 * seconds(plan_streamed([names], shapes, narrowed))


def test_groups_are_not_cut(configure):
    configuration = configure(weight_words=5, activation_chunks=6, group=12, group_accumulator_bits=12)
    plan = plan_layer("layer", (30, 100), configuration)
    assert_sound(plan, [("layer",)], {"layer": (30, 100)}, configuration)
    assert {tile.first_column % 12 for tile in plan.requests[0].tiles} == {0}
    assert {tile.columns for tile in plan.requests[0].tiles} <= {12, 24, 4}


@pytest.mark.parametrize(("changes", "said"), [
    ({"result_beats": 1}, r"^layer: a row block has 2 beats of results, small has room for 1 \(result_beats\)$"),
    ({"program_words": 1}, r"^layer: a program has 2 instructions, small has room for 1 \(program_words\)$"),
    ({"weight_words": 3, "group_accumulator_bits": 8}, r"^layer: 30 columns are 5 chunks, small has room for 3, and a "
                                                       r"group accumulator over all columns cannot be cut"),
    ({"weight_words": 1, "group": 12, "group_accumulator_bits": 8}, r"^layer: 30 columns are 5 chunks, small has room "
                                                                    r"for 1, and a group of 12 columns cannot be cut"),
])
def test_what_cannot_be_cut(configure, changes, said):
    for plan in (lambda c: plan_layer("layer", (30, 30), c),
                 lambda c: plan_model([("layer",)], {"layer": (30, 30)}, c)):
        with pytest.raises(TilingError, match=said):
            plan(configure(**changes))


def test_tile_cycles_are_of_whole_tiles(configure):
    """What a cut is judged by is what its tiles take."""
    configuration = configure(weight_words=12)
    plan = plan_layer("layer", (30, 40), configuration)
    (request,) = plan.requests
    assert isinstance(request, RequestPlan)
    assert token_cycles(plan, configuration).cycles == sum(
        tile_cycles(tile.columns, [output.rows for output in tile.outputs], configuration).cycles
        for tile in request.tiles)
