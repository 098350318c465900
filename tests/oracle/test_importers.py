"""What transformers saves, read by golden: sharded, in BF16, packed, unpacked and as master weights; and Llama's
decoder.

As in test_oracle.py every layer is compared on the input that transformers had. The models are loaded by transformers
in float32, whatever they are stored in.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from oracle import record
from oracle.test_oracle import SHAPE, assert_glue_agrees
from transformers.integrations.bitnet import WeightQuant, pack_weights, unpack_weights

from trine.golden.checkpoint import Checkpoint, load_checkpoint
from trine.golden.huggingface import unpack_hf
from trine.golden.shards import INDEX

ROPE = {"rope_type": "default", "rope_theta": 10000.0}
TOKENS = np.random.default_rng(7).integers(0, SHAPE["vocab_size"], 60).tolist()


def quantization(linear_class: str, mode: str) -> dict[str, str]:
    return {"quant_method": "bitnet", "linear_class": linear_class, "quantization_mode": mode}


def change_config(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def assert_layers_agree(checkpoint: Checkpoint, seen: record.Arrays) -> None:
    """Codes equal where transformers has codes, what it rounds its input to otherwise; outputs to the last few bits."""
    for name, linear in checkpoint.linears.items():
        codes, scale = linear.quantise(seen[f"{name}/input"])
        if f"{name}/codes" in seen:
            assert np.array_equal(codes, seen[f"{name}/codes"]), name
            assert np.array_equal(linear.accumulate(codes), seen[f"{name}/sums"]), name
        else:
            assert np.array_equal(codes.astype(np.float32) / scale, seen[f"{name}/rounded"]), name
        output = linear.rescale(linear.accumulate(codes), scale)
        assert np.abs(output - seen[f"{name}/output"]).max() <= 2e-5 * np.abs(output).max(), name


def assert_imported(folder: Path) -> Checkpoint:
    """The folder's model as transformers loads it, and as golden does."""
    checkpoint = load_checkpoint(folder).in_memory()
    seen = record.observe(record.load_model(folder), TOKENS)
    assert_layers_agree(checkpoint, seen)
    assert_glue_agrees(checkpoint, TOKENS, seen)
    return checkpoint


@pytest.mark.parametrize("linear_class", ["bitlinear", "autobitlinear"])
def test_saved_again(tmp_path, linear_class):
    """A packed model that transformers has loaded and saves: packed again, or the floats of an AutoBitLinear."""
    record.write_model(tmp_path / "first", 3, SHAPE, linear_class)
    first = load_checkpoint(tmp_path / "first")
    folder = tmp_path / "again"
    dtype = torch.bfloat16 if linear_class == "bitlinear" else torch.float32  # which it keeps when it loads them again
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "first", dtype=dtype)
    # save_original_format would pack an AutoBitLinear again, which this version cannot
    model.save_pretrained(folder, max_shard_size="60KB", save_original_format=False)
    assert (folder / INDEX).exists()
    checkpoint = assert_imported(folder)
    assert checkpoint.form == ("Hugging Face, packed ternary weights (U8)" if linear_class == "bitlinear" else
                               "Hugging Face, unpacked weights (F32)")
    for name, linear in first.linears.items():
        assert np.array_equal(checkpoint.linears[name].weights, linear.weights)
        stored = torch.tensor(linear.weight_scale).to(dtype).float().item()
        assert checkpoint.linears[name].weight_scale == np.float32(stored)
        assert checkpoint.linears[name].linear_class == linear_class


@pytest.mark.parametrize("hidden_act", ["relu2", "silu"])
def test_master_weights(tmp_path, hidden_act):
    """Sharded BF16 master weights in quantization_mode online, as microsoft/bitnet-b1.58-2B-4T-bf16 has them."""
    config = transformers.BitNetConfig(
        **SHAPE, tie_word_embeddings=True, rope_parameters=ROPE, dtype="bfloat16", hidden_act=hidden_act
    )
    torch.manual_seed(5)
    model = transformers.BitNetForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    change_config(tmp_path, quantization_config=quantization("autobitlinear", "online"))
    assert (tmp_path / INDEX).exists()
    checkpoint = assert_imported(tmp_path)
    assert checkpoint.form == "Hugging Face, master weights (BF16)"
    assert checkpoint.config.hidden_act == hidden_act
    for name, weight in model.state_dict().items():
        if "_proj" in name:
            linear = checkpoint.linears[name.removesuffix(".weight")]
            theirs = WeightQuant.apply(weight.float()).numpy()
            assert np.array_equal(linear.weights, np.sign(theirs)), name
            assert np.abs(theirs).max() == pytest.approx(1 / linear.weight_scale, rel=1e-6)


@pytest.mark.parametrize("tied", [True, False])
def test_llama(tmp_path, tied):
    """LlamaForCausalLM with packed BitLinear layers, as in HF1BitLLM/Llama3-8B-1.58: silu, and no sub-norms."""
    config = transformers.LlamaConfig(**SHAPE, tie_word_embeddings=tied, rope_parameters=ROPE, dtype="float32")
    torch.manual_seed(6)
    tensors = transformers.LlamaForCausalLM(config).state_dict()
    generator = torch.Generator().manual_seed(8)
    for name in [name for name in tensors if "_proj" in name]:
        tensors[name] = pack_weights(torch.randint(-1, 2, tensors[name].shape, generator=generator).float())
        tensors[f"{name}_scale"] = torch.rand(1, generator=generator) * 4 + 3
    if tied:
        del tensors["lm_head.weight"]
    config.save_pretrained(tmp_path)
    record.safetensors.numpy.save_file({name: tensor.numpy() for name, tensor in tensors.items()},
                                       tmp_path / "model.safetensors", metadata={"format": "pt"})
    change_config(tmp_path, architectures=["LlamaForCausalLM"],
                  quantization_config={"quant_method": "bitnet", "modules_to_not_convert": None})
    checkpoint = assert_imported(tmp_path)
    assert (checkpoint.config.hidden_act, checkpoint.config.sub_norms) == ("silu", False)


def test_unpacking():
    """Against transformers' own decoder of packed weights."""
    packed = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (64, 40), dtype=np.uint8))
    for shift in range(0, 8, 2):  # no code 3, which transformers takes for +2 and golden refuses
        packed = torch.where((packed >> shift & 3) == 3, packed & ~(1 << shift), packed)
    assert np.array_equal(unpack_hf(packed.numpy()), unpack_weights(packed, torch.int8).numpy())
