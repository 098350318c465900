"""Compiled models and layers, executed by the functional device: every integer equals golden's, whatever was cut."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trine.host
from trine.firmware.compiler import CompileError, compile_classifier, compile_layer, compile_model
from trine.firmware.counters import Counters
from trine.firmware.cycles import request_cycles, token_cycles
from trine.firmware.image import decode_image
from trine.firmware.machine import Machine
from trine.firmware.presets import find_preset
from trine.firmware.traffic import load_messages, request_messages, request_results
from trine.golden.accumulate import accumulate
from trine.golden.checkpoint import load_checkpoint, load_classifier
from trine.golden.transformer import Transformer

MODELS = Path(trine.host.__path__[0]) / "models"


class Runner:
    """An image on the functional device, as `multiply` of golden's models."""

    def __init__(self, made, image, configuration):
        self._execute, self._configuration = made.execute, configuration
        self.image = decode_image(image.encoded, configuration)
        self.machine = Machine(configuration)
        self._execute(self.machine, load_messages(self.image, configuration))

    def __call__(self, names, codes):
        plan = self.image.request(names)
        before = self.machine.counters
        responses = self._execute(self.machine, request_messages(plan, codes, self._configuration))
        assert self.machine.counters - before == request_cycles(plan, self._configuration)
        return request_results(plan, responses, self._configuration)


def random_codes(configuration, columns, seed=0):
    least, most = configuration.accumulator_mode.code_range
    codes = np.random.default_rng(seed).integers(least, most + 1, columns)
    codes[: columns // 3] = least
    return codes.astype(np.int8)


def test_decoder_words_and_programs(made, configure):
    """hidden 8 = 2 chunks and row blocks, inner 12 = 2 chunks and 3 row blocks, keys and values 4 = 1 row block."""
    configuration = configure(weight_words=100, program_words=100, result_beats=32)
    image = compile_model(made.decoder(layers=1), configuration, "toy")
    names = ("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",)
    assert [tuple(name.split(".")[-1] for name in plan.layers) for plan in image.requests] == list(names)
    assert len(image.weights) == 8 * (4 + 2 + 2 + 4 + 6 + 6 + 4)
    assert len(image.program) == 16 * (4 + 2 + 3 + 2)
    assert [len(plan.tiles) for plan in image.requests] == [1, 1, 1, 1]
    assert (image.name, image.configuration_name) == ("toy", "small")
    assert token_cycles(image, configuration).busy == 28


@pytest.mark.parametrize("changes", [
    {}, {"result_beats": 2}, {"result_beats": 5}, {"activation_chunks": 1}, {"activation_chunks": 1, "result_beats": 7},
    {"packing": "trit3x5"}, {"activation_bits": 4}, {"lanes": 3, "result_width": 1}, {"depth": 10},
    {"group": 6, "group_accumulator_bits": 9, "activation_chunks": 1}, {"group_accumulator_bits": 9},
])
def test_decoder_equals_golden(made, configure, changes):
    configuration = configure(**({"weight_words": 200, "program_words": 200, "result_beats": 20} | changes))
    checkpoint = made.decoder()
    runner = Runner(made, compile_model(checkpoint, configuration), configuration)
    golden = Transformer(checkpoint, mode=configuration.accumulator_mode)
    device = Transformer(checkpoint, multiply=runner, mode=configuration.accumulator_mode)
    tokens = [0, 3, 4, 1]
    assert np.array_equal(device.forward(tokens), golden.forward(tokens))


@pytest.mark.parametrize("binary", [False, True])
def test_classifier_equals_golden(made, configure, binary):
    configuration = configure(packing="bit1" if binary else "trit2", result_beats=4)
    model = made.classifier(binary)
    runner = Runner(made, compile_classifier(model, configuration), configuration)
    x = np.random.default_rng(3).normal(size=9).astype(np.float32)
    assert np.array_equal(model.logits(x, runner), model.logits(x))


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(1, 40), columns=st.integers(1, 60), weight_words=st.integers(1, 30),
       activation_chunks=st.integers(1, 8), result_beats=st.integers(2, 12), program_words=st.integers(2, 9),
       packing=st.sampled_from(["trit2", "trit3x5", "bit1"]), group=st.sampled_from([None, 6]))
def test_layer_equals_golden(made, configure, rows, columns, weight_words, activation_chunks, result_beats,
                             program_words, packing, group):
    configuration = configure(
        weight_words=weight_words, activation_chunks=activation_chunks, result_beats=result_beats,
        program_words=program_words, packing=packing, group=group, group_accumulator_bits=group and 8)
    weights = made.ternary(rows, columns, seed=rows)
    if packing == "bit1":
        weights[weights == 0] = 1
    codes = random_codes(configuration, columns)
    images = compile_layer("layer", weights, configuration)
    total = np.zeros(rows, np.int32)
    for image in images:
        assert len(image.weights) <= 8 * weight_words
        total += Runner(made, image, configuration)(("layer",), codes)[0]
    assert np.array_equal(total, accumulate(weights, codes, configuration.accumulator_mode))
    words = -(-rows // 4) * -(-columns // 6)
    assert sum(len(image.weights) for image in images) == words * configuration.weight_word_bytes
    assert {image.model["load"] for image in images} == set(range(len(images)))


def test_layer_fills_its_loads(made, configure):
    """10 row blocks of 3 chunks in loads of 9 words: 3 row blocks each, 2 in a tile because of the result buffer."""
    images = compile_layer("layer", made.ternary(40, 18), configure(weight_words=9, result_beats=4))
    assert [[tile.outputs[0].rows for tile in image.requests[0].tiles] for image in images] == [
        [8, 4], [8, 4], [8, 4], [4]]
    assert [image.model["loads"] for image in images] == [4] * 4


def test_layer_that_fits_is_one_load(made, small):
    (image,) = compile_layer("layer", made.ternary(16, 36), small)
    assert len(image.weights) == 8 * 24
    assert [len(plan.tiles) for plan in image.requests] == [1]


@pytest.mark.parametrize(("changes", "said"), [
    ({"weight_words": 55}, r"^toy needs 56 weight words, small has 55: 1 too many \(weight memory\)$"),
    ({"program_words": 21}, r"^toy needs 22 instructions, small has 21: 1 too many \(program memory\)$"),
    ({"result_beats": 1}, r"^model\.layers\.0\.self_attn\.q_proj: a row block has 2 beats of results, small has room "
                          r"for 1 \(result_beats\)$"),
    ({"activation_chunks": 1, "group_accumulator_bits": 8}, r"^model\.layers\.0\.self_attn\.q_proj: 8 columns are 2 "
     r"chunks, small has room for 1, and a group accumulator over all columns cannot be cut"),
    ({"packing": "bit1"}, r"^model\.layers\.0\.self_attn\.q_proj: the weight at row \d+, column \d+ is 0, which bit1 "
                          r"of small cannot hold$"),
    ({"accumulator_bits": 11}, r"proj: row \d+ may reach \d+, but the 11-bit accumulators of small hold at most 1023$"),
])
def test_model_that_does_not_fit(made, configure, changes, said):
    roomy = {"weight_words": 56, "program_words": 22, "result_beats": 32}
    assert compile_model(made.decoder(), configure(**roomy), "toy")
    with pytest.raises(CompileError, match=said):
        compile_model(made.decoder(), configure(**(roomy | changes)), "toy")


@pytest.mark.parametrize(("changes", "nonzeros", "bound"), [
    ({}, 3, 512), ({"group": 6, "group_accumulator_bits": 16}, 4, 635), ({"activation_bits": 4}, 73, 518)])
def test_static_bound(configure, changes, nonzeros, bound):
    """10 bits hold 511: 3 * 128 where -128 is a code, 4 * 127 where it is not, 73 * 7 with narrow codes."""
    configuration = configure(accumulator_bits=10, activation_chunks=20, **changes)
    weights = np.zeros((5, 80), np.int8)
    weights[3, :nonzeros] = -1
    assert compile_layer("layer", weights, configuration)
    weights[3, nonzeros] = 1
    with pytest.raises(CompileError, match=rf"^layer: row 3 may reach {bound}, but the 10-bit accumulators of "
                                           "small hold at most 511$"):
        compile_layer("layer", weights, configuration)


def test_the_largest_sums_are_exact(configure, made):
    configuration = configure(accumulator_bits=10)
    weights = np.array([[-1, -1, -1], [1, 1, 1]], np.int8)
    (image,) = compile_layer("layer", weights, configuration)
    (sums,) = Runner(made, image, configuration)(("layer",), np.full(3, -128, np.int8))
    assert sums.tolist() == [384, -384]


@pytest.mark.parametrize("weights", [
    np.full((2, 2), 2, np.int8), np.zeros((2, 2), np.int32), np.zeros((0, 3), np.int8)])
def test_layer_that_is_none(small, weights):
    with pytest.raises(CompileError, match=r"^layer: weights must be"):
        compile_layer("layer", weights, small)


def test_layer_without_room_for_a_program(made, configure):
    with pytest.raises(CompileError, match=r"layer needs 2 instructions, small has 1: 1 too many \(program memory\)"):
        compile_layer("layer", made.ternary(4, 6), configure(program_words=1))


def test_compiling_is_repeatable(made, configure):
    configuration = configure(weight_words=100, program_words=100)
    images = [compile_model(made.decoder(), configuration, "toy") for _ in range(2)]
    assert images[0].encoded == images[1].encoded


@pytest.mark.parametrize(("model", "preset", "words"), [
    ("austen-tiny", "ulx3s_25f", 510), ("austen-small", "ulx3s_85f", 1260), ("austen-small", "icebreaker", 15840),
    ("austen-tiny", "cynthion", 972),
])
def test_shipped_decoders(made, model, preset, words):
    """One token, its 4 requests a layer equal to golden bit for bit, without a cycle but in the model."""
    configuration = find_preset(preset)
    checkpoint = load_checkpoint(MODELS / model).in_memory()
    runner = Runner(made, compile_model(checkpoint, configuration, model), configuration)
    assert len(runner.image.weights) == words * configuration.weight_word_bytes
    device, golden = Transformer(checkpoint, runner), Transformer(checkpoint)
    assert np.array_equal(device.forward([17, 70]), golden.forward([17, 70]))
    one = token_cycles(runner.image, configuration)
    assert runner.machine.counters == one + one
    assert one.busy == words


@pytest.mark.parametrize("preset", ["tinyfpga_bx", "icebreaker", "orangecrab_25f"])
@pytest.mark.parametrize("model", ["digits-ternary", "digits-binary"])
def test_shipped_classifiers(made, model, preset):
    configuration = find_preset(preset)
    classifier = load_classifier(MODELS / model)
    runner = Runner(made, compile_classifier(classifier, configuration, model), configuration)
    x = np.random.default_rng(1).integers(0, 17, classifier.config.inputs).astype(np.float32)
    assert np.array_equal(classifier.logits(x, runner), classifier.logits(x))
    assert runner.machine.counters != Counters()


def test_shipped_model_that_is_too_big():
    checkpoint = load_checkpoint(MODELS / "austen-small")
    with pytest.raises(CompileError, match=r"^austen-small needs 1758 weight words, ulx3s_25f has 512: 1246 too many "
                                           r"\(weight memory\)$"):
        compile_model(checkpoint, find_preset("ulx3s_25f"), "austen-small")


def test_packings_change_the_words_only(made, configure):
    """The same sums from a configuration whose words look different."""
    weights, sums = made.ternary(9, 30), []
    for packing in ("trit2", "trit3x5"):
        configuration = dataclasses.replace(configure(), packing=packing)
        (image,) = compile_layer("layer", weights, configuration)
        sums.append(Runner(made, image, configuration)(("layer",), random_codes(configuration, 30))[0])
    assert np.array_equal(*sums)
