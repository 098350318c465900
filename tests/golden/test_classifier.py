from typing import Any

import numpy as np
import pytest

from trine.golden.bitlinear import BinaryLinear, BitLinear
from trine.golden.classifier import Classifier, ClassifierConfig

FIELDS: dict[str, Any] = {
    "architectures": ["BitLinearMLP"],
    "quantiser": "b1.58",
    "layers": [{"name": "hidden", "inputs": 3, "outputs": 2}, {"name": "output", "inputs": 2, "outputs": 4}],
    "activation": "relu",
    "activation_bits": 8,
    "classes": 4,
}


def test_from_fields():
    config = ClassifierConfig.from_fields(FIELDS)
    assert config == ClassifierConfig({"hidden": (2, 3), "output": (4, 2)}, binary=False)
    assert (config.inputs, config.classes) == (3, 4)
    assert ClassifierConfig.from_fields(FIELDS | {"quantiser": "bitnet"}).binary


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("architectures", None, "architectures must be"),
        ("quantiser", "int4", "quantiser must be b1.58 or bitnet, not 'int4'"),
        ("activation", "gelu", "activation must be 'relu', not 'gelu'"),
        ("activation_bits", 4, "activation_bits must be 8, not 4"),
        ("classes", 5, "classes must be 4"),
        ("layers", None, "layers must be a list of objects"),
        ("layers", [{"name": "hidden"}], "layers must be a list of objects"),
        ("layers", [], "layers must not be empty"),
        ("layers", [{"name": "x", "inputs": 0, "outputs": 4}], "inputs of a layer must be a positive integer, not 0"),
        ("layers", FIELDS["layers"][::-1], "inputs of layer hidden must be 4, not 3"),
        ("layers", [{"name": "x", "inputs": 4, "outputs": 4}] * 2, "two layers have the same name"),
    ],
)
def test_from_fields_wrong(name, value, message):
    with pytest.raises(ValueError, match=message):
        ClassifierConfig.from_fields(FIELDS | {name: value})


def classifier(kind=BitLinear):
    weights = {"hidden": [[1, 1, 1], [-1, 1, -1]], "output": [[1, 1], [-1, 1], [1, -1], [-1, -1]]}
    linears = {name: kind(np.array(rows, np.int8), np.float32(1)) for name, rows in weights.items()}
    return Classifier(ClassifierConfig({"hidden": (2, 3), "output": (4, 2)}, kind is BinaryLinear), linears)


def test_logits_by_hand():
    """Scale 0.5, codes 127, -1, 2, sums 128 and -130, outputs 256 and -260; the ReLU leaves 256 and 0."""
    logits = classifier().logits(np.array([254, -2, 4], np.float32))
    assert logits.dtype == np.float32
    # 256 becomes code 127, exactly: 127 * (1 / 256) is a float32, and 127 / (127 / 256) gives 256 back.
    assert logits.tolist() == [256, -256, 256, -256]


def test_logits_binary_by_hand():
    """gamma 128: codes are the inputs, 127 the largest; sums 128 and -130; then gamma 128, code 127 and 0."""
    logits = classifier(BinaryLinear).logits(np.array([128, -1, 2], np.float32))
    assert logits.tolist() == [127, -127, 127, -127]


def test_relu_is_between_the_layers_only():
    assert classifier().logits(np.array([254, -2, 4], np.float32)).min() < 0


def test_many_inputs():
    x = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    logits = classifier().logits(x)
    assert logits.shape == (7, 4)
    for one, expected in zip(x, logits, strict=True):
        assert np.array_equal(classifier().logits(one), expected)


@pytest.mark.parametrize("kind", [BitLinear, BinaryLinear])
def test_multiply(kind):
    model, calls = classifier(kind), []

    def multiply(names, codes):
        calls.append((names, codes.shape, codes.dtype))
        return [model.linears[name].accumulate(codes) for name in names]

    x = np.array([1, -2, 3], np.float32)
    assert np.array_equal(model.logits(x, multiply), model.logits(x))
    assert calls == [(("hidden",), (3,), np.int8), (("output",), (2,), np.int8)]


def test_multiply_is_what_counts():
    sizes = {"hidden": 2, "output": 4}
    logits = classifier().logits(np.ones(3, np.float32), lambda names, codes: [np.zeros(sizes[names[0]], np.int32)])
    assert logits.tolist() == [0, 0, 0, 0]


def test_multiply_wrong_result():
    with pytest.raises(ValueError, match=r"multiply must return int32 \(2,\) for hidden"):
        classifier().logits(np.ones(3, np.float32), lambda names, codes: [np.zeros(3, np.int32)])


@pytest.mark.parametrize("shape", [(4,), (), (3, 2)])
def test_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"x must be \(3,\), not"):
        classifier().logits(np.zeros(shape, np.float32))


def test_multiply_takes_one_input():
    with pytest.raises(ValueError, match=r"x must be \(3,\), not \(2, 3\)"):
        classifier().logits(np.zeros((2, 3), np.float32), lambda names, codes: [])
