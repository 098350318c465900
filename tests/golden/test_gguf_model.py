import dataclasses

import numpy as np
import pytest
from gguf.constants import MODEL_ARCH, MODEL_TENSOR, TENSOR_NAMES, GGMLQuantizationType
from gguf.quants import dequantize
from gguf.tensor_mapping import get_tensor_name_map

from tests.golden.gguf_builder import ARRAY, BOOL, FLOAT32, STRING, UINT32, encode, floats, metadata, tensors_of, write
from trine.golden import gguf_model
from trine.golden.checkpoint import linear_shapes, load_checkpoint, tensor_shapes
from trine.golden.config import ModelConfig
from trine.golden.gguf_model import gguf_name, restore_halves
from trine.golden.transformer import Transformer

Type = GGMLQuantizationType

# Rows of 256, so that blocks of the ternary types fit; a model of two layers.
CONFIG = ModelConfig(
    vocab_size=32,
    hidden_size=256,
    intermediate_size=512,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=16,
    rms_norm_eps=1e-5,
    rope_theta=500000.0,
    tie_word_embeddings=True,
    linear_class="autobitlinear",
)
LLAMA = dataclasses.replace(CONFIG, hidden_act="silu", sub_norms=False, tie_word_embeddings=False)


@pytest.fixture(scope="module")
def model():
    from tests.golden.conftest import random_checkpoint

    return random_checkpoint(CONFIG, 3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.gguf"


def refused(path, message, i2s_layout=None):
    with pytest.raises(ValueError, match=message) as error:
        load_checkpoint(path, i2s_layout).in_memory()
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [Type.TQ1_0, Type.TQ2_0, Type.F16, Type.BF16, Type.F32, "x86", "arm"])
def test_ternary_layers(path, model, kind):
    """Weights as they were; the scale rounded to what the type holds, which is float32 in F32 and I2_S."""
    architecture = "bitnet-25" if kind == "arm" else "bitnet-b1.58"
    write(path, metadata(CONFIG, architecture), tensors_of(model, kind, Type.F16))
    layout = kind if isinstance(kind, str) else None
    loaded = load_checkpoint(path, layout)
    name = f"I2_S ({kind})" if layout else kind.name
    assert loaded.form == f"GGUF {architecture}, {name}"
    assert loaded.config == dataclasses.replace(CONFIG, rms_norm_eps=float(np.float32(1e-5)))
    assert list(loaded.linears) == list(linear_shapes(CONFIG))
    for name, linear in loaded.linears.items():
        expected = model.linears[name]
        assert np.array_equal(linear.weights, expected.weights)
        held = expected.weight_scale
        if kind in (Type.TQ1_0, Type.TQ2_0, Type.F16):
            held = np.float32(np.float16(held))
        elif kind == Type.BF16:
            held = dequantize(np.frombuffer(floats(np.full((1, 1), held), kind)[2], np.uint8), kind)[0]
        assert linear.weight_scale == held
        assert linear.linear_class == "autobitlinear"


@pytest.mark.parametrize("kind", [Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q5_0])
def test_embeddings(path, model, kind, monkeypatch):
    """By gguf's own decoder of all at once; here three rows at a time."""
    monkeypatch.setattr(gguf_model, "CHUNK", 3 * 256 + 100)
    tensors = tensors_of(model, Type.TQ2_0, kind)
    write(path, metadata(CONFIG, "bitnet-b1.58"), tensors)
    loaded = load_checkpoint(path)
    assert list(loaded.tensors) == list(tensor_shapes(CONFIG))
    _, shape, content = tensors["token_embd.weight"]
    theirs = dequantize(np.frombuffer(content, np.uint8).reshape(shape[0], -1), kind)
    assert np.array_equal(loaded.tensors["model.embed_tokens.weight"], theirs)
    for name, tensor in model.tensors.items():
        if tensor.ndim == 1:
            assert np.array_equal(loaded.tensors[name], tensor)


def test_logits(path, model):
    """The model that comes back is the model that went in."""
    write(path, metadata(CONFIG, "bitnet-b1.58"), tensors_of(model, "x86", Type.F32))
    loaded = load_checkpoint(path, "x86")
    assert np.array_equal(Transformer(loaded).forward([1, 2, 30]), Transformer(model).forward([1, 2, 30]))


def test_bitnet_is_silu_unless_it_says_otherwise(path, model):
    entries = metadata(CONFIG, "bitnet")
    write(path, entries, tensors_of(model, Type.TQ2_0, Type.F16))
    assert load_checkpoint(path).config.hidden_act == "silu"
    write(path, {**entries, "bitnet.hidden_activation": (STRING, "relu2")}, tensors_of(model, Type.TQ2_0, Type.F16))
    assert load_checkpoint(path).config.hidden_act == "relu2"


def permuted(weights, heads):
    """What llama's converter does to the rows of q and k: a head's first half and its second, one of each in turn."""
    rows = []
    for head in weights.reshape(heads, -1, weights.shape[1]):
        half = len(head) // 2
        for first, second in zip(head[:half], head[half:], strict=True):
            rows += [first, second]
    return np.array(rows)


def test_restore_halves():
    weights = np.arange(24, dtype=np.int8).reshape(12, 2)
    assert np.array_equal(restore_halves(permuted(weights, 2), 2), weights)
    assert not np.array_equal(permuted(weights, 2), weights)


@pytest.mark.parametrize("kind", [Type.TQ1_0, "arm"])
def test_llama(path, make_checkpoint, kind):
    """No sub-norms, a head of its own, and rows of q and k in the order of the other kind of RoPE."""
    model = make_checkpoint(LLAMA)
    swapped = dict(model.linears)
    for name, linear in model.linears.items():
        if name.endswith(("q_proj", "k_proj")):
            heads = LLAMA.num_attention_heads if name.endswith("q_proj") else LLAMA.num_key_value_heads
            swapped[name] = dataclasses.replace(linear, weights=permuted(linear.weights, heads))
    stored = tensors_of(dataclasses.replace(model, linears=swapped), kind, Type.F16)
    write(path, metadata(LLAMA, "llama"), stored)
    loaded = load_checkpoint(path, kind if isinstance(kind, str) else None)
    assert loaded.config == dataclasses.replace(LLAMA, rms_norm_eps=float(np.float32(1e-5)))
    for name, linear in model.linears.items():
        assert np.array_equal(loaded.linears[name].weights, linear.weights)
    del stored["output.weight"]
    write(path, metadata(LLAMA, "llama"), stored)
    assert load_checkpoint(path, kind if isinstance(kind, str) else None).config.tie_word_embeddings


def test_names_are_those_of_gguf():
    """Against gguf's own table of what a converter calls a tensor of transformers."""
    theirs = get_tensor_name_map(MODEL_ARCH.BITNET, 2)
    for name in [*linear_shapes(CONFIG), *tensor_shapes(CONFIG)]:
        older = name.replace("attn_sub_norm", "inner_attn_ln").replace("ffn_sub_norm", "ffn_layernorm")
        found = theirs.get_name(older.removesuffix(".weight"))
        assert gguf_name(name) == f"{found}.weight", name
    assert gguf_name("lm_head.weight") == f"{TENSOR_NAMES[MODEL_TENSOR.OUTPUT]}.weight"


def test_layer_of_zeros(path, model):
    name = "model.layers.1.mlp.up_proj"
    zero = dataclasses.replace(model.linears[name], weights=np.zeros((512, 256), np.int8))
    changed = dataclasses.replace(model, linears={**model.linears, name: zero})
    write(path, metadata(CONFIG, "bitnet-b1.58"), tensors_of(changed, Type.TQ2_0, Type.F16))
    linear = load_checkpoint(path).linears[name]
    assert not linear.weights.any()
    assert linear.weight_scale == 1


# What is refused


def test_i2s_needs_a_layout(path, model):
    write(path, metadata(CONFIG, "bitnet-b1.58"), tensors_of(model, "x86", Type.F16))
    refused(path, r"blk.0.attn_q.weight is I2_S, whose layout is .*; say it with --i2s-layout x86 or arm")
    refused(path, "i2s_layout must be one of x86, arm, not 'mips'", "mips")


def test_a_layout_without_i2s(path, model):
    """The layers are not of the type that it was given for: whoever gave it takes the file for another one."""
    write(path, metadata(CONFIG, "bitnet-b1.58"), tensors_of(model, Type.TQ2_0, Type.F16))
    refused(path, r"no ternary layer is I2_S, but TQ2_0; leave out --i2s-layout \(i2s_layout\)", "x86")


def test_i2s_wrong_size(path, config, make_checkpoint):
    """12 x 24 weights are four and a half blocks of 64."""
    write(path, metadata(config, "bitnet-b1.58"), tensors_of(make_checkpoint(config), Type.F16, Type.F16))
    assert load_checkpoint(path).config.hidden_size == 24
    tensors = tensors_of(make_checkpoint(config), Type.F16, Type.F16)
    tensors["blk.1.attn_k.weight"] = (36, (12, 24), bytes(12 * 24 // 4 + 32))
    write(path, metadata(config, "bitnet-b1.58"), tensors)
    refused(path, "blk.1.attn_k.weight of 12 x 24 weights is no whole number of the arm layout's blocks of 64", "arm")


def test_i2s_code_3(path, model):
    tensors = tensors_of(model, "x86", Type.F16)
    kind, shape, content = tensors["blk.1.ffn_up.weight"]
    tensors["blk.1.ffn_up.weight"] = kind, shape, content[:64] + b"\xff" + content[65:]
    write(path, metadata(CONFIG, "bitnet-b1.58"), tensors)
    refused(path, r"blk.1.ffn_up.weight: code 3 at row and column \(1, 0\) is no weight", "x86")


@pytest.mark.parametrize("scale", [b"\0\0\0\0", b"\0\0\xc0\x7f", b"\0\0\x80\xbf"])
def test_i2s_wrong_scale(path, model, scale):
    tensors = tensors_of(model, "x86", Type.F16)
    kind, shape, content = tensors["blk.1.ffn_up.weight"]
    tensors["blk.1.ffn_up.weight"] = kind, shape, content[:-32] + scale + content[-28:]
    write(path, metadata(CONFIG, "bitnet-b1.58"), tensors)
    refused(path, "blk.1.ffn_up.weight: weight_scale must be positive and finite, not", "x86")


@pytest.mark.parametrize("kind", [Type.TQ1_0, Type.TQ2_0])
def test_scales_that_differ(path, model, kind):
    """The second block of row 1 of a layer of 512 columns has another scale."""
    name = "model.layers.0.mlp.down_proj"
    values = model.linears[name].weights * model.linears[name].weight_scale
    values[1, 256:] *= 2
    tensors = tensors_of(model, kind, Type.F16)
    tensors[gguf_name(name)] = floats(values, kind)
    write(path, metadata(CONFIG, "bitnet-b1.58"), tensors)
    refused(path, r"blk.0.ffn_down.weight is not ternary with one scale: .+ at row 1, column 2\d\d, where others are ")


def test_weights_that_are_not_ternary(path, model):
    tensors = tensors_of(model, Type.TQ2_0, Type.F16)
    tensors["blk.0.attn_v.weight"] = floats(np.random.default_rng(0).normal(size=(128, 256)).astype("f4"), Type.F16)
    write(path, metadata(CONFIG, "bitnet-b1.58"), tensors)
    refused(path, "blk.0.attn_v.weight is not ternary with one scale")


@pytest.mark.parametrize("word", [b"\x00\x7e", b"\x00\x7c"])
def test_block_scale_not_finite(path, model, word):
    tensors = tensors_of(model, Type.TQ2_0, Type.F16)
    kind, shape, content = tensors["blk.0.attn_v.weight"]
    tensors["blk.0.attn_v.weight"] = kind, shape, content[:64] + word + content[66:]
    write(path, metadata(CONFIG, "bitnet-b1.58"), tensors)
    refused(path, "blk.0.attn_v.weight is not ternary with one scale: nan|blk.0.attn_v.weight: weight_scale must be")


def test_embedding_not_finite(path, model):
    tensors = tensors_of(model, Type.TQ2_0, Type.F16)
    kind, shape, content = tensors["token_embd.weight"]
    tensors["token_embd.weight"] = kind, shape, content[:514] + b"\x00\x7e" + content[516:]
    write(path, metadata(CONFIG, "bitnet-b1.58"), tensors)
    refused(path, r"token_embd.weight must be finite, but token_embd.weight\[1, 1\] is nan")


@pytest.mark.parametrize(
    ("key", "entry", "message"),
    [
        ("general.architecture", (STRING, "gemma"), "general.architecture must be one of bitnet, .+, not 'gemma'"),
        ("general.architecture", None, "general.architecture must be one of bitnet, .+, not None"),
        ("split.count", (UINT32, 3), "one of 3 files of a model; join them with llama-gguf-split --merge"),
        ("A.block_count", None, "metadata of A: A.block_count is missing, or an array"),
        ("A.block_count", (FLOAT32, 2), "num_hidden_layers must be a positive integer, not 2.0"),
        ("A.block_count", (UINT32, 2**32 - 1), "num_hidden_layers must be a positive integer, not 4294967295"),
        ("A.attention.head_count", (ARRAY, (UINT32, [4, 4])), "A.attention.head_count is missing, or an array"),
        ("A.attention.head_count", (UINT32, 0), "num_attention_heads must be a positive integer, not 0"),
        ("A.rope.freq_base", (FLOAT32, float("nan")), "rope_theta must be a positive number, not nan"),
        ("A.rope.dimension_count", (UINT32, 32), "A.rope.dimension_count must be 64, not 32"),
        ("A.attention.key_length", (UINT32, 32), "A.attention.key_length must be 64, not 32"),
        ("A.rope.scaling.type", (STRING, "yarn"), "A.rope.scaling.type must be none or linear, not 'yarn'"),
        ("A.rope.scaling.factor", (FLOAT32, 8.0), "A.rope.scaling.factor must be 1.0, not 8.0"),
        ("A.hidden_activation", (STRING, "gelu"), "hidden_act must be one of relu2, silu, not 'gelu'"),
        ("A.expert_count", (UINT32, 8), "A.expert_count must be 0, not 8"),
        ("A.attention.causal", (BOOL, 0), "A.attention.causal must be True, not False"),
        ("A.logit_scale", (FLOAT32, 2.0), "A.logit_scale is not understood"),
        ("A.rope.dimension_sections", (ARRAY, (UINT32, [8])), "A.rope.dimension_sections is not understood"),
        ("A.vocab_size", (UINT32, 33), r"token_embd.weight must be \(33, 256\), not \(32, 256\)"),
    ],
)
def test_wrong_metadata(path, model, key, entry, message):
    architecture = "bitnet-b1.58"
    entries = metadata(CONFIG, architecture)
    key = key.replace("A.", f"{architecture}.")
    entries.pop(key, None)
    if entry is not None:
        entries[key] = entry
    write(path, entries, tensors_of(model, Type.TQ2_0, Type.F16))
    refused(path, message.replace("A", architecture))


def test_what_may_be_absent(path, model):
    entries = metadata(CONFIG, "bitnet-b1.58")
    for key in ("vocab_size", "rope.dimension_count", "rope.freq_base", "attention.head_count_kv"):
        del entries[f"bitnet-b1.58.{key}"]
    entries["bitnet-b1.58.rope.scaling.type"] = (STRING, "linear")
    entries["bitnet-b1.58.rope.scaling.factor"] = (FLOAT32, 1.0)
    tensors = tensors_of(model, Type.TQ2_0, Type.F16)
    write(path, entries, tensors)
    refused(path, r"blk.0.attn_k.weight must be \(256, 256\), not \(128, 256\)")
    entries["bitnet-b1.58.attention.head_count_kv"] = (UINT32, 2)
    write(path, entries, tensors)
    config = load_checkpoint(path).config
    assert (config.vocab_size, config.rope_theta) == (32, 10000.0)


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("blk.1.ffn_up.weight", None, "tensor blk.1.ffn_up.weight is missing"),
        ("blk.0.attn_q.bias", (0, (1,), bytes(4)), "unknown tensor blk.0.attn_q.bias"),
        ("output.weight", (0, (1,), bytes(4)), "unknown tensor output.weight"),
        ("output_norm.weight", (0, (1,), bytes(4)), r"output_norm.weight must be \(256,\), not \(1,\)"),
        ("output_norm.weight", (24, (256,), bytes(256)), "output_norm.weight is of type I8, which is not read"),
        ("output_norm.weight", (36, (256,), bytes(96)), "output_norm.weight is of type I2_S, which is not read"),
        ("blk.0.attn_q.weight", (15, (256, 256), bytes(292 * 256)), "attn_q.weight is of type Q8_K, which is not read"),
    ],
)
def test_wrong_tensor(path, model, name, tensor, message):
    tensors = tensors_of(model, Type.TQ2_0, Type.F16)
    tensors.pop(name, None)
    if tensor is not None:
        tensors[name] = tensor
    write(path, metadata(CONFIG, "bitnet-b1.58"), tensors)
    refused(path, message)


def test_cut_short(path, model):
    content = encode(metadata(CONFIG, "bitnet-b1.58"), tensors_of(model, Type.TQ2_0, Type.F16))
    path.write_bytes(content[:-1])
    refused(path, r"not a whole GGUF file \(\d+ bytes, but .+ ends at \d+\)")
