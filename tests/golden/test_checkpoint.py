import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from trine.golden.bitlinear import BinaryLinear, BitLinear
from trine.golden.checkpoint import (
    linear_shapes,
    load_checkpoint,
    load_classifier,
    tensor_shapes,
)
from trine.golden.huggingface import unpack_hf

PROJECTION = "model.layers.1.mlp.down_proj"

# Decoders


def test_shapes(config):
    shapes = linear_shapes(config)
    assert list(shapes)[7:] == [
        f"model.layers.1.{name}"
        for name in (
            "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
            "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
        )
    ]  # fmt: skip
    assert list(shapes.values())[:7] == [(24, 24), (12, 24), (12, 24), (24, 24), (20, 24), (20, 24), (24, 20)]
    assert len(shapes) == 14
    assert "lm_head.weight" not in tensor_shapes(config)
    assert tensor_shapes(dataclasses.replace(config, tie_word_embeddings=False))["lm_head.weight"] == (96, 24)


def test_load(checkpoint, fields, stored, write):
    loaded = load_checkpoint(write(fields, stored))
    assert loaded.config == checkpoint.config
    assert list(loaded.linears) == list(checkpoint.linears)
    for name, linear in checkpoint.linears.items():
        assert np.array_equal(loaded.linears[name].weights, linear.weights)
        assert loaded.linears[name].weight_scale == linear.weight_scale
        assert loaded.linears[name].linear_class == "bitlinear"
    assert loaded.tensors.keys() == checkpoint.tensors.keys()
    for name, tensor in checkpoint.tensors.items():
        assert np.array_equal(loaded.tensors[name], tensor)


def test_load_autobitlinear(fields, stored, write):
    fields["quantization_config"]["linear_class"] = "autobitlinear"
    assert load_checkpoint(write(fields, stored)).linears[PROJECTION].linear_class == "autobitlinear"


def test_load_takes_a_scale_without_axes(fields, stored, write):
    stored[f"{PROJECTION}.weight_scale"] = np.array(2.5, np.float32)
    assert load_checkpoint(write(fields, stored)).linears[PROJECTION].weight_scale == np.float32(2.5)


def refused(folder, message):
    """Loading the folder, or reading all of what was loaded, ends in one line."""
    with pytest.raises(ValueError, match=message) as error:
        load_checkpoint(folder).in_memory()
    assert str(error.value).startswith(str(folder))
    assert "\n" not in str(error.value)


def test_load_reads_nothing_until_it_is_asked(fields, stored, write):
    """What is wrong within a tensor is found when that tensor is read, and not before; nothing is kept."""
    good = stored[f"{PROJECTION}.weight"].copy()
    stored[f"{PROJECTION}.weight"][5, 3] = 0b11_00_00
    folder = write(fields, stored)
    loaded = load_checkpoint(folder)
    assert loaded.linears["model.layers.0.self_attn.q_proj"].weights.shape == (24, 24)
    with pytest.raises(ValueError, match="code 3 at row and column"):
        loaded.linears[PROJECTION]
    stored[f"{PROJECTION}.weight"][:] = good
    write(fields, stored)
    assert (loaded.linears[PROJECTION].weights == unpack_hf(good)).all()
    assert loaded.linears[PROJECTION] is not loaded.linears[PROJECTION]


def test_in_memory(checkpoint, fields, stored, write):
    folder = write(fields, stored)
    loaded = load_checkpoint(folder).in_memory()
    (folder / "model.safetensors").unlink()
    assert loaded.in_memory() is loaded
    assert loaded.form == "Hugging Face, packed ternary weights (U8)"
    assert list(loaded.linears) == list(linear_shapes(checkpoint.config))
    assert list(loaded.tensors) == list(tensor_shapes(checkpoint.config))
    for name, tensor in loaded.tensors.items():
        assert np.array_equal(tensor, checkpoint.tensors[name])
    for name, linear in loaded.linears.items():
        assert np.array_equal(linear.weights, checkpoint.linears[name].weights)


def test_i2s_layout_is_of_gguf(fields, stored, write):
    with pytest.raises(ValueError, match="i2s_layout is of GGUF files alone, not 'x86'"):
        load_checkpoint(write(fields, stored), i2s_layout="x86")


def test_shapes_without_sub_norms(config):
    shapes = tensor_shapes(dataclasses.replace(config, sub_norms=False))
    assert len(shapes) == len(tensor_shapes(config)) - 4
    assert not [name for name in shapes if "sub_norm" in name]


def test_load_missing_tensor(fields, stored, write):
    del stored["model.norm.weight"]
    refused(write(fields, stored), r"model.safetensors: tensor model.norm.weight is missing")


def test_load_missing_scale(fields, stored, write):
    del stored[f"{PROJECTION}.weight_scale"]
    refused(write(fields, stored), f"tensor {PROJECTION}.weight_scale is missing")


def test_load_unknown_tensor(fields, stored, write):
    stored["lm_head.weight"] = stored["model.embed_tokens.weight"]
    refused(write(fields, stored), r"model.safetensors: unknown tensor lm_head.weight")


def test_load_wrong_shape(fields, stored, write):
    stored[f"{PROJECTION}.weight"] = stored[f"{PROJECTION}.weight"].T.copy()
    refused(write(fields, stored), rf"{PROJECTION}.weight must be \(6, 20\), not \(20, 6\)")


def test_load_code_3(fields, stored, write):
    stored[f"{PROJECTION}.weight"][5, 3] |= 0b11_00_00
    refused(write(fields, stored), rf"model.safetensors: {PROJECTION}: code 3 at row and column \(17, 3\)")


def test_load_nan(fields, stored, write):
    stored["model.norm.weight"] = stored["model.norm.weight"].copy()
    stored["model.norm.weight"][7] = np.nan
    refused(write(fields, stored), r"model.norm.weight must be finite, but model.norm.weight\[7\] is nan")


def test_load_wrong_scale(fields, stored, write):
    stored[f"{PROJECTION}.weight_scale"] = np.zeros(1, np.float32)
    refused(write(fields, stored), f"{PROJECTION}: weight_scale must be positive and finite, not 0.0")


def test_load_truncated(fields, stored, write):
    folder = write(fields, stored)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-5])
    refused(folder, "model.safetensors: not a whole safetensors file")


def test_load_rows_not_a_multiple_of_4(fields, stored, write):
    fields["intermediate_size"] = 18
    refused(write(fields, stored), r"model.safetensors: model.layers.0.mlp.gate_proj is packed, but its 18 rows")


def test_load_wrong_config(fields, stored, write):
    fields["hidden_act"] = "gelu"
    refused(write(fields, stored), "config.json: hidden_act must be one of relu2, silu, not 'gelu'")


def test_load_no_folder(tmp_path):
    refused(tmp_path / "nothing", "config.json: No such file")


def test_load_no_weights(fields, stored, write):
    folder = write(fields, stored)
    (folder / "model.safetensors").unlink()
    refused(folder, "model.safetensors: No such file")


# Classifiers


def classifier_folder(folder, quantiser="b1.58", tensors=None):
    weights = np.array([[1, -1, 1], [-1, -1, 1]], np.int8)
    scale = "beta" if quantiser == "bitnet" else "weight_scale"
    fields = {
        "architectures": ["BitLinearMLP"],
        "quantiser": quantiser,
        "layers": [{"name": "hidden", "inputs": 3, "outputs": 2}, {"name": "output", "inputs": 2, "outputs": 2}],
        "activation": "relu",
        "activation_bits": 8,
        "classes": 2,
    }
    stored: dict[str, Any] = {
        "hidden.weight": weights,
        f"hidden.{scale}": np.array([2], np.float32),
        "output.weight": weights[:, :2].copy(),
        f"output.{scale}": np.array([3], np.float32),
    }
    stored.update(tensors or {})
    (folder / "config.json").write_text(json.dumps(fields))
    safetensors.numpy.save_file(stored, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(("quantiser", "kind"), [("b1.58", BitLinear), ("bitnet", BinaryLinear)])
def test_load_classifier(tmp_path, quantiser, kind):
    classifier = load_classifier(classifier_folder(tmp_path, quantiser))
    assert list(classifier.linears) == ["hidden", "output"]
    assert all(isinstance(linear, kind) for linear in classifier.linears.values())
    assert classifier.linears["hidden"].weights.tolist() == [[1, -1, 1], [-1, -1, 1]]
    assert getattr(classifier.linears["output"], "beta" if kind is BinaryLinear else "weight_scale") == np.float32(3)


def test_load_classifier_zero_in_binary(tmp_path):
    zero = {"output.weight": np.array([[1, 0], [1, 1]], np.int8)}
    with pytest.raises(ValueError, match=r"model.safetensors: output: binary weights have no zero"):
        load_classifier(classifier_folder(tmp_path, "bitnet", zero))


def test_load_classifier_unknown_tensor(tmp_path):
    with pytest.raises(ValueError, match=r"unknown tensor output.bias"):
        load_classifier(classifier_folder(tmp_path, tensors={"output.bias": np.zeros(2, np.float32)}))


def test_load_classifier_wrong_config(tmp_path):
    folder = classifier_folder(tmp_path, quantiser="int4")
    with pytest.raises(ValueError, match=r"config.json: quantiser must be b1.58 or bitnet, not 'int4'"):
        load_classifier(folder)
