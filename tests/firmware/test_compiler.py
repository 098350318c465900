"""Compiled models and layers, executed by the functional device: every integer equals golden's, whatever was cut."""

import dataclasses
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trine.host
from trine.firmware.compiler import (
    CompileError,
    compile_classifier,
    compile_layer,
    compile_layers,
    compile_model,
    compile_to_file,
)
from trine.firmware.counters import Counters
from trine.firmware.cycles import request_cycles, token_cycles
from trine.firmware.image import layer_weights
from trine.firmware.image_file import read_image
from trine.firmware.machine import Machine
from trine.firmware.presets import find_preset
from trine.firmware.traffic import load_messages
from trine.golden.accumulate import accumulate
from trine.golden.bitlinear import BitLinear
from trine.golden.checkpoint import Checkpoint, load_checkpoint, load_classifier
from trine.golden.lazy import LazyMapping
from trine.golden.transformer import Transformer

MODELS = Path(trine.host.__path__[0]) / "models"


class Runner:
    """An image on the functional device, as `multiply` of golden's models."""

    def __init__(self, made, image, configuration):
        self._run, self._configuration = made.run, configuration
        self.image = made.stored(image, configuration)
        self.machine = Machine(configuration)
        made.execute(self.machine, load_messages(self.image, configuration))
        self.written = 0  # streamed loads

    def __call__(self, names, codes):
        plan = self.image.request(names)
        before = self.machine.counters
        results, loads = self._run(self.machine, self.image, plan, codes)
        self.written += loads
        assert self.machine.counters - before == request_cycles(plan, self._configuration)
        return results


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
    (words,), (load,) = image.weights, image.loads
    assert len(words) == 8 * load.words == 8 * (4 + 2 + 2 + 4 + 6 + 6 + 4)
    assert len(load.program) == 16 * (4 + 2 + 3 + 2)
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


@pytest.mark.parametrize("changes", [
    {"weight_words": 40}, {"weight_words": 20}, {"weight_words": 6}, {"weight_words": 1}, {"program_words": 6},
    {"weight_words": 20, "packing": "trit3x5"}, {"weight_words": 13, "activation_bits": 4},
    {"weight_words": 9, "group": 6, "group_accumulator_bits": 9}, {"weight_words": 20, "result_beats": 2},
    {"weight_words": 20, "packing": "trit3x5", "dataflow": "tables", "result_width": 4, "depth": 6},
])
def test_streamed_decoder_equals_golden(made, configure, changes):
    """Every load is written once a token, and what stays is not."""
    configuration = configure(**({"weight_words": 200, "program_words": 200, "result_beats": 20} | changes))
    checkpoint = made.decoder()
    runner = Runner(made, compile_model(checkpoint, configuration), configuration)
    assert len(runner.image.loads) > 1
    golden = Transformer(checkpoint, mode=configuration.accumulator_mode)
    device = Transformer(checkpoint, multiply=runner, mode=configuration.accumulator_mode)
    assert np.array_equal(device.forward([0, 3, 4]), golden.forward([0, 3, 4]))
    assert runner.written == 3 * (len(runner.image.loads) - 1)


def noting(values, asked):
    """A mapping of the same that puts down, in `asked`, what it is asked for."""

    def read(name):
        asked.append(name)
        return values[name]

    return LazyMapping(values, read)


@pytest.mark.parametrize("weight_words", [200, 20])
def test_compile_to_file_asks_once_and_in_order(made, configure, tmp_path, weight_words):
    configuration = configure(weight_words=weight_words, program_words=200, result_beats=20)
    model, linears, tensors, steps = made.decoder(), [], [], []
    lazy = Checkpoint(model.config, noting(model.linears, linears), noting(model.tensors, tensors))
    compile_to_file(lazy, configuration, "toy", tmp_path / "toy", lambda *step: steps.append(step))
    assert linears == list(model.linears)
    assert tensors == list(model.tensors)
    assert steps == sorted(steps, key=lambda step: (step[0] != "packing weights", step[1]))
    assert steps[-1] == ("copying tensors", 1.0)
    found, kept = read_image(tmp_path / "toy", configuration), compile_model(model, configuration, "toy")
    assert (found.requests, found.loads, list(found.weights)) == (kept.requests, kept.loads, list(kept.weights))
    assert found.image_id == kept.image_id
    assert {name: tensor.tolist() for name, tensor in found.tensors.items()} == {
        name: tensor.tolist() for name, tensor in kept.tensors.items()}


@pytest.mark.parametrize("at", ["model.layers.1.mlp.up_proj", "model.norm.weight"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_compile_to_file_that_is_interrupted(made, configure, tmp_path, at, error):
    model = made.decoder()

    def failing(values):
        def read(name):
            if name == at:
                raise error
            return values[name]
        return LazyMapping(values, read)

    lazy = Checkpoint(model.config, failing(model.linears), failing(model.tensors))
    with pytest.raises(error):
        compile_to_file(lazy, configure(weight_words=20), "toy", tmp_path / "toy")
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_is_not_as_its_model_says(made, configure):
    model = made.decoder()
    name = "model.layers.1.mlp.up_proj"
    linears = {**model.linears, name: BitLinear(made.ternary(12, 7), np.float32(1))}
    with pytest.raises(CompileError, match=rf"^{name} must be \(12, 8\), not \(12, 7\)$"):
        compile_model(Checkpoint(model.config, linears, model.tensors), configure(weight_words=20))


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
    image = compile_layer("layer", weights, configuration)
    runner = Runner(made, image, configuration)
    (sums,) = runner(("layer",), codes)
    assert np.array_equal(sums, accumulate(weights, codes, configuration.accumulator_mode))
    words = -(-rows // 4) * -(-columns // 6)
    assert image.words == words == sum(map(len, image.weights)) // configuration.weight_word_bytes
    assert runner.written == len(image.loads) - 1
    assert np.array_equal(layer_weights(image, configuration)["layer"], weights)


def test_layer_fills_its_loads(made, configure):
    """10 row blocks of 3 chunks in loads of 9 words: 3 row blocks each, 2 in a tile because of the result buffer."""
    image = compile_layer("layer", made.ternary(40, 18), configure(weight_words=9, result_beats=4))
    (request,) = image.requests
    assert [(tile.load, tile.outputs[0].rows) for tile in request.tiles] == [
        (1, 8), (1, 4), (2, 8), (2, 4), (3, 8), (3, 4), (4, 4)]
    assert [load.words for load in image.loads] == [0, 9, 9, 9, 3], "nothing stays of a single layer"


def test_layer_that_fits_is_one_load(made, small):
    image = compile_layer("layer", made.ternary(16, 36), small)
    assert [len(words) for words in image.weights] == [8 * 24]
    assert [len(plan.tiles) for plan in image.requests] == [1]


@pytest.mark.parametrize(("changes", "said"), [
    ({"program_words": 1}, r"^model\.layers\.0\.self_attn\.q_proj: a program has 2 instructions, small has room for 1 "
                           r"\(program_words\)$"),
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
    image = compile_layer("layer", weights, configuration)
    (sums,) = Runner(made, image, configuration)(("layer",), np.full(3, -128, np.int8))
    assert sums.tolist() == [384, -384]


@pytest.mark.parametrize("weights", [
    np.full((2, 2), 2, np.int8), np.zeros((2, 2), np.int32), np.zeros((0, 3), np.int8)])
def test_layer_that_is_none(small, weights):
    with pytest.raises(CompileError, match=r"^layer: weights must be"):
        compile_layer("layer", weights, small)


def test_layer_without_room_for_a_program(made, configure):
    with pytest.raises(CompileError, match=r"^layer: a program has 2 instructions, small has room for 1 \(program_"):
        compile_layer("layer", made.ternary(4, 6), configure(program_words=1))


def test_compiling_is_repeatable(made, configure):
    configuration = configure(weight_words=100, program_words=100)
    images = [compile_model(made.decoder(), configuration, "toy") for _ in range(2)]
    assert images[0].weights == images[1].weights
    assert images[0].image_id == images[1].image_id


@pytest.mark.parametrize(("model", "preset", "words"), [
    ("austen-tiny", "ulx3s_25f", 510), ("austen-small", "ulx3s_85f", 1260), ("austen-small", "icebreaker", 15840),
    ("austen-tiny", "cynthion", 972),
])
def test_shipped_decoders(made, model, preset, words):
    """One token, its 4 requests a layer equal to golden bit for bit, without a cycle but in the model."""
    configuration = find_preset(preset)
    checkpoint = load_checkpoint(MODELS / model).in_memory()
    runner = Runner(made, compile_model(checkpoint, configuration, model), configuration)
    assert [len(held) for held in runner.image.weights] == [words * configuration.weight_word_bytes]
    device, golden = Transformer(checkpoint, runner), Transformer(checkpoint)
    assert np.array_equal(device.forward([17, 70]), golden.forward([17, 70]))
    one = token_cycles(runner.image, configuration)
    assert runner.machine.counters == one + one
    assert one.busy == words


@pytest.mark.parametrize(("model", "preset", "words", "program"), [
    ("austen-tiny", "ulx3s_25f", 0xB93B_318B, 0xFB1B_4137), ("austen-small", "icebreaker", 0xC934_C8B8, 0x3B57_32C6),
])
def test_shipped_decoders_are_as_they_were(model, preset, words, program):
    """A model that is resident has been the same words and programs since images had no loads."""
    image = compile_model(load_checkpoint(MODELS / model), find_preset(preset), model)
    assert [zlib.crc32(held) for held in image.weights] == [words]
    assert [zlib.crc32(load.program) for load in image.loads] == [program]


@pytest.mark.parametrize("preset", ["tinyfpga_bx", "icebreaker", "orangecrab_25f"])
@pytest.mark.parametrize("model", ["digits-ternary", "digits-binary"])
def test_shipped_classifiers(made, model, preset):
    configuration = find_preset(preset)
    classifier = load_classifier(MODELS / model)
    runner = Runner(made, compile_classifier(classifier, configuration, model), configuration)
    x = np.random.default_rng(1).integers(0, 17, classifier.config.inputs).astype(np.float32)
    assert np.array_equal(classifier.logits(x, runner), classifier.logits(x))
    assert runner.machine.counters != Counters()


def test_packings_change_the_words_only(made, configure):
    """The same sums from a configuration whose words look different."""
    weights, sums = made.ternary(9, 30), []
    for packing in ("trit2", "trit3x5"):
        configuration = dataclasses.replace(configure(), packing=packing)
        image = compile_layer("layer", weights, configuration)
        sums.append(Runner(made, image, configuration)(("layer",), random_codes(configuration, 30))[0])
    assert np.array_equal(*sums)


def test_layers_of_any_network(made, configure):
    """One request a tuple, in this order, and every integer is golden's, in two loads or more."""
    configuration, random = configure(weight_words=9), np.random.default_rng(4)
    shapes = {"one": (5, 9), "two": (3, 9), "three": (4, 20)}
    weights = {name: random.integers(-1, 2, shape, np.int8) for name, shape in shapes.items()}
    run = Runner(made, compile_layers([("three",), ("two", "one")], weights, configuration, "any"), configuration)
    assert [plan.layers for plan in run.image.requests] == [("three",), ("two", "one")]
    assert len(run.image.loads) > 1
    for names in (("three",), ("two", "one")):
        codes = random_codes(configuration, shapes[names[0]][1])
        for name, sums in zip(names, run(names, codes), strict=True):
            assert np.array_equal(sums, accumulate(weights[name], codes)), name


@pytest.mark.parametrize(("requests", "message"), [
    ([], "each layer is in one request, once, and there is at least one"),
    ([("a",), ("a",)], "each layer is in one request, once"),
    ([("a", "b")], "b has 4 columns, a of the same request 3"),
    ([("c",)], r"c: weights must be a non-empty \(N, K\) matrix, not of shape \(3,\)"),
])
def test_layers_that_are_no_requests(configure, requests, message):
    weights = {"a": np.ones((2, 3), np.int8), "b": np.ones((2, 4), np.int8), "c": np.ones(3, np.int8)}
    with pytest.raises(CompileError, match=message):
        compile_layers(requests, weights, configure())
