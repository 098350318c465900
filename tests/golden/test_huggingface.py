import json

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trine.golden.checkpoint import load_checkpoint
from trine.golden.huggingface import make_ternary, pack_hf, unpack_hf
from trine.golden.quantise import ternarise
from trine.golden.transformer import Transformer

PROJECTION = "model.layers.1.mlp.down_proj"

# Packing


def test_pack_by_hand():
    """Rows 0, 2, 4 and 6 share packed row 0, from the low bits up; stored is the weight plus one."""
    weights = np.array([[-1, 0], [1, 1], [0, 1], [1, 1], [1, -1], [1, 1], [0, 0], [1, 1]], np.int8)
    packed = pack_hf(weights)
    assert packed.dtype == np.uint8
    assert packed.tolist() == [[0b01_10_01_00, 0b01_00_10_01], [0b10101010, 0b10101010]]


def test_unpack_documented_example():
    """The example in the docstring of transformers' `unpack_weights`, by its own rule: low bits are the first rows."""
    packed = np.array([[0b10100001, 0b00011000], [0b10010000, 0b00001010]], np.uint8)
    assert unpack_hf(packed).tolist() == [[0, -1], [-1, 1], [-1, 1], [-1, 1], [1, 0], [0, -1], [1, -1], [1, -1]]


@given(hnp.arrays(np.int8, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(-1, 1)))
def test_pack_and_back(quarter):
    weights = np.concatenate([quarter, -quarter, quarter[::-1], quarter])
    packed = pack_hf(weights)
    assert packed.shape == quarter.shape
    assert np.array_equal(unpack_hf(packed), weights)
    for n, k in np.ndindex(weights.shape):
        assert (int(packed[n % len(quarter), k]) >> 2 * (n // len(quarter)) & 3) - 1 == weights[n, k]


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_pack_wrong_rows(rows):
    with pytest.raises(ValueError, match=f"must be a multiple of 4, not {rows}"):
        pack_hf(np.zeros((rows, 3), np.int8))


def test_pack_wrong_weight():
    with pytest.raises(ValueError, match=r"weights\[2, 0\] is 2"):
        pack_hf(np.array([[0], [0], [2], [0]], np.int8))


@pytest.mark.parametrize("row", range(8))
def test_unpack_code_3(row):
    packed = np.zeros((2, 3), np.uint8)
    packed[row % 2, 1] = 3 << 2 * (row // 2)
    with pytest.raises(ValueError, match=rf"code 3 at row and column \({row}, 1\)"):
        unpack_hf(packed)


def test_unpack_wrong_dtype():
    with pytest.raises(ValueError, match="must be uint8, not int8"):
        unpack_hf(np.zeros((2, 3), np.int8))


@pytest.mark.parametrize("shape", [(3,), (0, 3), (1, 2, 3)])
def test_unpack_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"must be a non-empty \(N / 4, K\) matrix"):
        unpack_hf(np.zeros(shape, np.uint8))


# The forms of a ternary layer


def refused(folder, message):
    with pytest.raises(ValueError, match=message) as error:
        load_checkpoint(folder).in_memory()
    assert str(error.value).startswith(str(folder))
    assert "\n" not in str(error.value)


def bfloat16(values):
    """The bits of float32 values cut to BF16, and what they then are."""
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    return bits, (bits.astype(np.uint32) << 16).view(np.float32)


def write_bfloat16(folder, fields, floats):
    """A folder whose every tensor is BF16; the values it then has."""
    header, data, values = {}, b"", {}
    for name, array in floats.items():
        bits, values[name] = bfloat16(np.ascontiguousarray(array, np.float32))
        span = [len(data), len(data) + bits.nbytes]
        header[name] = {"dtype": "BF16", "shape": list(array.shape), "data_offsets": span}
        data += bits.tobytes()
    text = json.dumps(header).encode()
    (folder / "config.json").write_text(json.dumps(fields))
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    return values


@pytest.fixture
def masters(checkpoint):
    """Float master weights of every layer, and the other tensors."""
    rng = np.random.default_rng(5)
    weights = {
        f"{name}.weight": rng.normal(0, 0.02, linear.weights.shape).astype(np.float32)
        for name, linear in checkpoint.linears.items()
    }
    return {**checkpoint.tensors, **weights}


def test_online_master_weights(tmp_path, fields, masters):
    """What transformers' AutoBitLinear makes of its weights in every pass: T / s, with s = 1 / mean|W| dividing."""
    fields["quantization_config"] |= {"linear_class": "autobitlinear", "quantization_mode": "online"}
    values = write_bfloat16(tmp_path, fields, masters)
    loaded = load_checkpoint(tmp_path)
    assert loaded.form == "Hugging Face, master weights (BF16)"
    assert loaded.config.linear_class == "bitlinear"
    for name, linear in loaded.linears.items():
        weights, scale = ternarise(values[f"{name}.weight"])
        assert np.array_equal(linear.weights, weights)
        assert linear.weight_scale == scale
        assert linear.linear_class == "bitlinear"
    assert np.array_equal(loaded.tensors["model.norm.weight"], values["model.norm.weight"])


def test_online_takes_no_packed_weights(fields, stored, write):
    fields["quantization_config"] |= {"linear_class": "autobitlinear", "quantization_mode": "online"}
    refused(write(fields, stored), "q_proj.weight must be of type F32 or F16 or BF16, not U8")


def test_online_takes_no_scale(fields, masters, write):
    fields["quantization_config"] |= {"linear_class": "autobitlinear", "quantization_mode": "online"}
    masters[f"{PROJECTION}.weight_scale"] = np.ones(1, np.float32)
    refused(write(fields, masters), f"unknown tensor {PROJECTION}.weight_scale")


@pytest.mark.parametrize("linear_class", ["bitlinear", "autobitlinear"])
def test_unpacked(tmp_path, checkpoint, fields, linear_class):
    """As transformers saves an AutoBitLinear: -1, 0 and +1 in floats. The class alone says how the scale works."""
    fields["quantization_config"]["linear_class"] = linear_class
    floats = dict(checkpoint.tensors)
    for name, linear in checkpoint.linears.items():
        floats[f"{name}.weight"] = linear.weights.astype(np.float32)
        floats[f"{name}.weight_scale"] = np.array([linear.weight_scale])
    values = write_bfloat16(tmp_path, fields, floats)
    loaded = load_checkpoint(tmp_path)
    assert loaded.form == "Hugging Face, unpacked weights (BF16)"
    for name, linear in loaded.linears.items():
        assert np.array_equal(linear.weights, checkpoint.linears[name].weights)
        assert linear.weight_scale == values[f"{name}.weight_scale"][0]
        assert linear.linear_class == linear_class


@pytest.mark.parametrize("linear_class", ["bitlinear", "autobitlinear"])
def test_master_weights_with_their_scale(tmp_path, fields, masters, linear_class):
    fields["quantization_config"]["linear_class"] = linear_class
    for name in [name for name in masters if "_proj" in name]:
        mean = np.abs(masters[name]).mean()
        scale = mean if linear_class == "autobitlinear" else 1 / mean
        masters[name.replace("weight", "weight_scale")] = np.array([scale], np.float32)
    values = write_bfloat16(tmp_path, fields, masters)
    for name, linear in load_checkpoint(tmp_path).linears.items():
        assert np.array_equal(linear.weights, ternarise(values[f"{name}.weight"])[0])
        assert linear.weight_scale == values[f"{name}.weight_scale"][0]


def test_master_weights_with_the_other_scale(fields, masters, write):
    for name in [name for name in masters if "_proj" in name]:
        masters[name.replace("weight", "weight_scale")] = np.abs(masters[name]).mean(keepdims=True)[0]
    refused(
        write(fields, masters),
        r"q_proj: weight_scale is 0.0\d+, not \d+.\d+ as bitlinear needs for these weights: it is the scale of autobit",
    )


def test_make_ternary_wrong_scale():
    weights = np.array([[0.5, -0.25], [0.125, 0.75]], np.float32)
    assert make_ternary(weights, np.float32(1 / 0.40625), "bitlinear").tolist() == [[1, -1], [0, 1]]
    with pytest.raises(ValueError, match=r"weight_scale is 2.0, not 2.46154 as bitlinear needs for these weights$"):
        make_ternary(weights, np.float32(2), "bitlinear")


def test_unpacked_needs_a_scale(fields, masters, write):
    refused(write(fields, masters), "tensor model.layers.0.self_attn.q_proj.weight_scale is missing")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_master_weights_not_finite(fields, masters, write, value):
    fields["quantization_config"] |= {"linear_class": "autobitlinear", "quantization_mode": "online"}
    masters[f"{PROJECTION}.weight"][3, 2] = value
    refused(write(fields, masters), rf"{PROJECTION}.weight must be finite, but {PROJECTION}.weight\[3, 2\] is {value}")


@pytest.mark.parametrize("bias", ["self_attn.q_proj.bias", "mlp.down_proj.bias"])
def test_bias(fields, stored, write, bias):
    stored[f"model.layers.0.{bias}"] = np.zeros(24, np.float32)
    refused(write(fields, stored), rf"unknown tensor model.layers.0.{bias}")


# Other architectures


def test_llama(checkpoint, fields, stored, write):
    """Llama with BitLinear: silu, and no sub-norms. Logits by hand from golden's layers are in test_transformer.py."""
    fields["architectures"] = ["LlamaForCausalLM"]
    fields["hidden_act"] = "silu"
    stored = {name: tensor for name, tensor in stored.items() if "sub_norm" not in name}
    loaded = load_checkpoint(write(fields, stored))
    assert (loaded.config.hidden_act, loaded.config.sub_norms) == ("silu", False)
    assert not [name for name in loaded.tensors if "sub_norm" in name]
    assert np.isfinite(Transformer(loaded).forward([1, 2, 3])).all()
    stored["model.layers.0.mlp.ffn_sub_norm.weight"] = np.ones(20, np.float32)
    refused(write(fields, stored), "unknown tensor model.layers.0.mlp.ffn_sub_norm.weight")


def test_first_bitnet_models(checkpoint, fields, masters, write):
    """BitnetForCausalLM: other names for the sub-norms, silu, master weights, and no quantization_config."""
    del fields["quantization_config"], fields["hidden_act"]
    fields |= {"architectures": ["BitnetForCausalLM"], "weight_bits": 1, "input_bits": 8}
    renamed = {
        name.replace("attn_sub_norm", "inner_attn_ln").replace("ffn_sub_norm", "ffn_layernorm"): tensor
        for name, tensor in masters.items()
    }
    loaded = load_checkpoint(write(fields, renamed)).in_memory()
    assert (loaded.config.hidden_act, loaded.config.sub_norms) == ("silu", True)
    for name, tensor in checkpoint.tensors.items():
        assert np.array_equal(loaded.tensors[name], tensor)
    for name, linear in loaded.linears.items():
        weights, scale = ternarise(masters[f"{name}.weight"])
        assert np.array_equal(linear.weights, weights)
        assert (linear.weight_scale, linear.linear_class) == (scale, "bitlinear")


# Shards: what is wrong with an index is in test_shards.py


def test_sharded(tmp_path, checkpoint, fields, stored):
    (tmp_path / "config.json").write_text(json.dumps(fields))
    weight_map = {}
    for number, names in enumerate([list(stored)[at : at + 9] for at in range(0, len(stored), 9)]):
        file = f"model-{number + 1:05}.safetensors"
        safetensors.numpy.save_file({name: stored[name] for name in names}, tmp_path / file)
        weight_map |= dict.fromkeys(names, file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    loaded = load_checkpoint(tmp_path)
    for name, linear in checkpoint.linears.items():
        assert np.array_equal(loaded.linears[name].weights, linear.weights)
    for name, tensor in checkpoint.tensors.items():
        assert np.array_equal(loaded.tensors[name], tensor)
    del fields["tie_word_embeddings"]
    (tmp_path / "config.json").write_text(json.dumps(fields))
    refused(tmp_path, "model.safetensors.index.json: tensor lm_head.weight is missing")
