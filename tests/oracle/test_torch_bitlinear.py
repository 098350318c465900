"""The module on a device against the layers of transformers that it stands for."""

import numpy as np
import pytest
import torch
from transformers.integrations import bitnet

from trine.firmware.compiler import compile_layers
from trine.golden.bitlinear import BitLinear as GoldenLinear
from trine.host.errors import UsageError
from trine.host.layers import Layers
from trine.host.torch import BitLinear
from trine.host.torch.transformers_layers import TernaryWeights, make_module

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
ULP = {torch.float32: 2**-23, torch.bfloat16: 2**-7, torch.float16: 2**-10}


@pytest.fixture
def move(device):
    """(the layer on the device, its weights int64 (N, K))."""

    def move(layer):
        weights = TernaryWeights({"layer": layer})
        layers = Layers(device, compile_layers([("layer",)], weights, device.configuration), dict(weights))
        return make_module("layer", layer, layers), torch.from_numpy(weights["layer"]).long()

    return move


@pytest.fixture
def ours(move, make_layer):
    """A BitLinear on a device."""
    return move(make_layer("bitlinear"))[0]


def inputs(dtype, *shape):
    """Random vectors of all magnitudes; the first is zero, and the second has one value that is not."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(*shape, 40, generator=generator) * torch.logspace(-4, 2, 40)
    flat = x.reshape(-1, 40)
    if len(flat) > 2:
        flat[0], flat[1, 1:] = 0, 0
    return x.to(dtype)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_bitlinear_is_transformers_bit_for_bit(make_layer, move, dtype, bias, norm):
    """From the layer's own codes and scale, the exact sums and the layer's own rescaling."""
    layer = make_layer("bitlinear", dtype, bias, norm)
    ours, weights = move(layer)
    x = inputs(dtype, 5, 7)
    normalised = layer.rms_norm(x) if norm else x
    codes, scale = layer.activation_quant(normalised)
    assert [torch.equal(*pair) for pair in zip(ours.quantise(normalised), (codes, scale), strict=True)] == [True, True]
    expected = layer.post_quant_process((codes.long() @ weights.T).to(dtype), layer.weight_scale, scale)
    if bias:
        expected = expected + layer.bias
    y = ours(x)
    assert y.dtype == dtype
    assert torch.equal(y, expected)
    if dtype == torch.float32:
        assert torch.equal(y, layer(x))
    torch.testing.assert_close(y, layer(x), rtol=2 * ULP[dtype], atol=2 * ULP[dtype])


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", ["autobitlinear", "online"])
def test_autobitlinear_has_the_same_codes_and_weights(make_layer, move, kind, bias, norm):
    layer = make_layer(kind, bias=bias, norm=norm)
    ours, weights = move(layer)
    theirs = bitnet.WeightQuant.apply(layer.weight) if kind == "online" else layer.weight
    assert torch.equal(theirs.sign().long(), weights)
    x = inputs(torch.float32, 5, 7)
    codes, scale = ours.quantise(layer.rms_norm(x) if norm else x)
    assert torch.equal(codes / scale, bitnet.ActQuant.apply(layer.rms_norm(x) if norm else x))
    expected, y = layer(x), ours(x)
    assert (y - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert y.dtype == torch.float32


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", ["autobitlinear", "online"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autobitlinear_in_half_precision(make_layer, move, kind, dtype, bias):
    """Its inputs are rounded to the dtype before they are summed, ours are not: a few roundings apart, not more."""
    layer = make_layer(kind, dtype, bias)
    ours, _ = move(layer)
    x = inputs(dtype, 20)
    expected, y = layer(x), ours(x)
    assert y.dtype == dtype
    assert (y - expected).abs().max() <= 4 * ULP[dtype] * expected.abs().max()


@pytest.mark.parametrize("dtype", DTYPES)
def test_online_magnitude_is_the_layer_s_own(make_layer, move, dtype):
    layer = make_layer("online", dtype)
    magnitudes = bitnet.WeightQuant.apply(layer.weight).abs().unique()
    ours, _ = move(layer)
    assert ours.weight_scale.dtype == dtype
    assert [0, ours.weight_scale.item()] == magnitudes.tolist()


@pytest.mark.parametrize("kind", ["bitlinear", "autobitlinear"])
def test_float32_is_golden_bit_for_bit(make_layer, move, kind):
    layer = make_layer(kind)
    ours, weights = move(layer)
    golden = GoldenLinear(weights.numpy().astype(np.int8), np.float32(layer.weight_scale.item()), kind)
    x = inputs(torch.float32, 30)
    assert np.array_equal(ours(x).numpy(), golden(x.numpy()))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 3), (0,)])
def test_leading_dimensions(ours, make_layer, shape):
    x = inputs(torch.float32, *shape)
    assert torch.equal(ours(x), make_layer("bitlinear")(x))
    assert ours(x).shape == (*shape, 24)


def test_not_contiguous(ours, make_layer):
    x = inputs(torch.float32, 3, 2).transpose(0, 1)
    assert torch.equal(ours(x), make_layer("bitlinear")(x))


def test_sums_of_another_dtype(make_layer, move):
    """transformers' layer keeps the dtype that it was made in, whatever its input and scale become."""
    layer = make_layer("bitlinear").to(torch.bfloat16)
    x = inputs(torch.bfloat16, 9)
    y = move(layer)[0](x)
    assert y.dtype == layer(x).dtype == torch.float32
    assert torch.equal(y, layer(x))


def test_no_gradient_passes(ours):
    x = inputs(torch.float32, 3).requires_grad_()
    y = ours(x)
    with pytest.raises(UsageError, match=r"^layer: no gradient passes a device"):
        y.sum().backward()
    with torch.no_grad():
        assert torch.equal(ours(x), y)


def test_its_state_is_on_the_device(ours):
    with pytest.raises(UsageError, match=r"^layer: its weights are on the device; restore .* saved"):
        ours.state_dict()
    with pytest.raises(UsageError, match=r"^layer: its weights are on the device; restore .* loaded"):
        ours.load_state_dict({})


def test_extra_repr(ours):
    assert repr(ours) == "BitLinear(layer, 40 -> 24, bitlinear, on a device)"


@pytest.mark.parametrize(("x", "message"), [
    (torch.zeros(40, dtype=torch.float64), r"x must be float32, bfloat16 or float16, not torch\.float64"),
    (torch.zeros(40, dtype=torch.int8), r"x must be float32, bfloat16 or float16, not torch\.int8"),
    (torch.zeros(2, 39), r"x must be \(\.\.\., 40\), not \(2, 39\)"),
    (torch.tensor(1.0), r"x must be \(\.\.\., 40\), not \(\)"),
    (torch.zeros(40, device="meta"), r"x must be on the CPU, not on meta"),
    (torch.tensor([float("nan")] * 40), r"x has NaN or infinity"),
    (torch.tensor([0.0] * 39 + [float("-inf")]), r"x has NaN or infinity"),
])
def test_wrong_input(ours, x, message):
    with pytest.raises(UsageError, match=f"^layer: {message}"):
        ours(x)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"name": "other"}, r"no layer 'other'; its layers are layer"),
    ({"rescaling": "linear"}, r"layer: rescaling must be one of bitlinear, autobitlinear, online, not 'linear'"),
    ({"weight_scale": torch.tensor([0.0])}, r"layer: weight_scale must be one positive finite number, not \[0\.0\]"),
    ({"weight_scale": torch.tensor([float("nan")])}, r"layer: weight_scale must be one positive finite number"),
    ({"weight_scale": torch.ones(2)}, r"layer: weight_scale must be one positive finite number, not \[1\.0, 1\.0\]"),
    ({"bias": torch.ones(23)}, r"layer: bias must be \(24,\), not \(23,\)"),
])
def test_init_wrong_arguments(ours, arguments, message):
    with pytest.raises(UsageError, match=message):
        BitLinear(**{"layers": ours._layers, "name": "layer", "weight_scale": torch.ones(1)} | arguments)
