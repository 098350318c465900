"""A small model that every test may have: two layers, grouped heads, random from a fixed seed."""

import json
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from trine.golden.bitlinear import BitLinear
from trine.golden.checkpoint import Checkpoint, linear_shapes, tensor_shapes
from trine.golden.config import ModelConfig
from trine.golden.huggingface import pack_hf

CONFIG = ModelConfig(
    vocab_size=96,
    hidden_size=24,
    intermediate_size=20,
    num_hidden_layers=2,
    num_attention_heads=6,
    num_key_value_heads=3,
    max_position_embeddings=16,
    rms_norm_eps=1e-5,
    rope_theta=10000.0,
    tie_word_embeddings=True,
)


def random_checkpoint(config: ModelConfig, seed: int = 0) -> Checkpoint:
    rng = np.random.default_rng(seed)
    linears = {}
    for name, shape in linear_shapes(config).items():
        scale = rng.uniform(3, 9) if config.linear_class == "bitlinear" else 1 / rng.uniform(3, 9)
        linears[name] = BitLinear(rng.integers(-1, 2, shape, dtype=np.int8), np.float32(scale), config.linear_class)
    tensors = {
        name: rng.normal(1.0 if len(shape) == 1 else 0.0, 0.3, shape).astype(np.float32)
        for name, shape in tensor_shapes(config).items()
    }
    return Checkpoint(config, linears, tensors)


def huggingface_fields(config: ModelConfig) -> dict[str, Any]:
    return {
        "architectures": ["BitNetForCausalLM"],
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "max_position_embeddings": config.max_position_embeddings,
        "rms_norm_eps": config.rms_norm_eps,
        "hidden_act": "relu2",
        "attention_bias": False,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "tie_word_embeddings": config.tie_word_embeddings,
        "quantization_config": {
            "quant_method": "bitnet",
            "linear_class": config.linear_class,
            "quantization_mode": "offline",
        },
    }


def stored_tensors(checkpoint: Checkpoint) -> dict[str, Any]:
    stored: dict[str, Any] = dict(checkpoint.tensors)
    for name, linear in checkpoint.linears.items():
        stored[f"{name}.weight"] = pack_hf(linear.weights)
        stored[f"{name}.weight_scale"] = np.array([linear.weight_scale])
    return stored


@pytest.fixture(scope="session")
def config():
    return CONFIG


@pytest.fixture(scope="session")
def checkpoint():
    return random_checkpoint(CONFIG)


@pytest.fixture
def make_checkpoint():
    return random_checkpoint


@pytest.fixture
def fields():
    """The config.json of the small model, to be changed at will."""
    return huggingface_fields(CONFIG)


@pytest.fixture
def stored(checkpoint):
    """The tensors of its file, to be changed at will."""
    return stored_tensors(checkpoint)


@pytest.fixture
def write(tmp_path):
    """Write fields and tensors as a model folder and return it."""

    def write_model(fields, stored):
        (tmp_path / "config.json").write_text(json.dumps(fields))
        safetensors.numpy.save_file(stored, tmp_path / "model.safetensors")
        return tmp_path

    return write_model
