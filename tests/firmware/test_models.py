"""Models out of images again: bit for bit what was compiled, or one line that says what is missing."""

import dataclasses

import numpy as np
import pytest

from trine.firmware.compiler import compile_classifier, compile_layer, compile_model
from trine.firmware.image import ImageError
from trine.firmware.models import restore_checkpoint, restore_classifier
from trine.golden.bitlinear import BinaryLinear


@pytest.fixture(scope="module")
def roomy(configure):
    return configure(weight_words=200, program_words=200)


@pytest.mark.parametrize("changes", [{}, {"tied": False}, {"linear_class": "autobitlinear"}])
@pytest.mark.parametrize("buffers", [{}, {"result_beats": 2, "activation_chunks": 1}])
def test_decoder(made, roomy, changes, buffers):
    configuration = dataclasses.replace(roomy, **buffers)
    checkpoint = made.decoder(**changes)
    image = made.stored(compile_model(checkpoint, configuration, "toy"), configuration)
    again = restore_checkpoint(image, configuration)
    assert again.config == checkpoint.config
    assert list(again.linears) == list(checkpoint.linears)
    for name, linear in checkpoint.linears.items():
        assert np.array_equal(again.linears[name].weights, linear.weights)
        assert again.linears[name].weight_scale == linear.weight_scale
        assert again.linears[name].linear_class == linear.linear_class
    assert list(again.tensors) == list(checkpoint.tensors)
    assert all(np.array_equal(again.tensors[name], tensor) for name, tensor in checkpoint.tensors.items())


@pytest.mark.parametrize("binary", [False, True])
def test_classifier(made, roomy, binary):
    classifier = made.classifier(binary, sizes=(9, 12, 5, 3))
    again = restore_classifier(made.stored(compile_classifier(classifier, roomy), roomy), roomy)
    assert again.config == classifier.config
    assert list(again.config.layers) == ["layer0", "layer1", "layer2"] == list(again.linears)
    for name, linear in classifier.linears.items():
        found = again.linears[name]
        assert isinstance(found, BinaryLinear) == binary
        assert np.array_equal(found.weights, linear.weights)
        scale = "beta" if binary else "weight_scale"
        assert getattr(found, scale) == getattr(linear, scale)


def test_one_kind_is_not_the_other(made, roomy):
    decoder, classifier = compile_model(made.decoder(), roomy, "d"), compile_classifier(made.classifier(), roomy, "c")
    layer = compile_layer("l", made.ternary(4, 4), roomy)
    with pytest.raises(ImageError, match=r"^c: the image holds a classifier, not a decoder$"):
        restore_checkpoint(classifier, roomy)
    with pytest.raises(ImageError, match=r"^d: the image holds a decoder, not a classifier$"):
        restore_classifier(decoder, roomy)
    with pytest.raises(ImageError, match=r"^l: the image holds a layer, not a decoder$"):
        restore_checkpoint(layer, roomy)


def without(values, name):
    return {key: value for key, value in values.items() if key != name}


@pytest.mark.parametrize(("change", "said"), [
    (lambda i: {"model": {**i.model, "config": 3}}, "its model: config must be a dict, not 3"),
    (lambda i: {"model": {**i.model, "config": without(i.model["config"], "hidden_size")}}, "hidden_size"),
    (lambda i: {"model": {**i.model, "config": {**i.model["config"], "more": 1}}}, "more"),
    (lambda i: {"model": {**i.model, "config": {**i.model["config"], "num_hidden_layers": 1}}},
     "its layers are not those of its configuration"),
    (lambda i: {"model": {**i.model, "config": {**i.model["config"], "vocab_size": 6}}},
     r"tensor model\.embed_tokens\.weight is missing, unknown or of another shape"),
    (lambda i: {"tensors": without(i.tensors, "model.norm.weight")}, r"tensor model\.norm\.weight is missing"),
    (lambda i: {"tensors": {**i.tensors, "more": np.zeros(1, np.float32)}}, "tensor more is missing, unknown"),
    (lambda i: {"tensors": {**i.tensors, "model.norm.weight": np.full(8, np.nan, np.float32)}},
     r"tensor model\.norm\.weight is not finite"),
    (lambda i: {"tensors": without(i.tensors, "model.layers.1.mlp.up_proj.weight_scale")},
     r"tensor model\.layers\.1\.mlp\.up_proj\.weight_scale is missing, or not of shape \(1,\)"),
    (lambda i: {"tensors": {**i.tensors, "model.layers.1.mlp.up_proj.weight_scale": np.zeros(1, np.float32)}},
     "weight_scale must be positive and finite"),
    (lambda i: {"requests": i.requests[:-1]}, "its layers are not those of its configuration"),
    (lambda i: {"weights": [b"\2" + i.weights[0][1:]]}, r"q_proj: weight word 0, lane 0: code 0 is 0b10"),
])
def test_damaged_decoder(made, roomy, change, said):
    image = compile_model(made.decoder(), roomy, "toy")
    with pytest.raises(ImageError, match=f"^toy: .*{said}"):
        restore_checkpoint(dataclasses.replace(image, **change(image)), roomy)


@pytest.mark.parametrize(("change", "said"), [
    (lambda i: {"model": {**i.model, "layers": {}}}, "its model: layers must be a list"),
    (lambda i: {"model": {**i.model, "layers": [1]}}, "unpack"),
    (lambda i: {"model": {**i.model, "layers": []}}, "layers must not be empty"),
    (lambda i: {"model": {**i.model, "layers": i.model["layers"][:1]}}, "its layers are not those"),
    (lambda i: {"model": {**i.model, "layers": i.model["layers"][::-1]}}, "inputs of layer layer0 must be 3, not 9"),
    (lambda i: {"model": {**i.model, "binary": 1}}, "its model: binary must be a bool, not 1"),
    (lambda i: {"model": {**i.model, "binary": True}}, "binary weights have no zero|tensor layer0.beta is missing"),
    (lambda i: {"tensors": {**i.tensors, "more": np.zeros(1, np.float32)}}, "tensor more is unknown"),
    (lambda i: {"tensors": {"layer0.weight_scale": np.ones(1, np.float32)}}, r"tensor layer1\.weight_scale is missing"),
])
def test_damaged_classifier(made, roomy, change, said):
    image = compile_classifier(made.classifier(), roomy, "toy")
    with pytest.raises(ImageError, match=f"^toy: .*({said})"):
        restore_classifier(dataclasses.replace(image, **change(image)), roomy)
