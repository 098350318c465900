"""Golden against what Hugging Face transformers was seen to compute; recorded by tests/oracle/record.py."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from trine.golden.bitlinear import BitLinear
from trine.golden.checkpoint import Checkpoint, load_checkpoint
from trine.golden.transformer import Transformer

VECTORS = Path(__file__).parents[1] / "oracle" / "vectors.safetensors"
SHARED = {"k_proj": "q_proj", "v_proj": "q_proj", "up_proj": "gate_proj"}  # whose input each of these has


@pytest.fixture(scope="module")
def vectors():
    return safetensors.numpy.load_file(VECTORS)


@pytest.fixture(scope="module")
def checkpoint(vectors, tmp_path_factory):
    """The recorded model, written to a folder again as it stood there and loaded."""
    folder = tmp_path_factory.mktemp("recorded")
    with safetensors.safe_open(VECTORS, "numpy") as file:
        (folder / "config.json").write_text(file.metadata()["config"])
    model = {name.removeprefix("model/"): tensor for name, tensor in vectors.items() if name.startswith("model/")}
    safetensors.numpy.save_file(model, folder / "model.safetensors")
    return load_checkpoint(folder).in_memory()


def test_config_is_transformers_own(checkpoint):
    with safetensors.safe_open(VECTORS, "numpy") as file:
        assert json.loads(file.metadata()["config"])["model_type"] == "bitnet"
    assert (checkpoint.config.hidden_size, checkpoint.config.num_key_value_heads) == (16, 2)
    assert len(checkpoint.linears) == 14


def test_codes_scales_sums_and_outputs_are_equal(checkpoint, vectors):
    """Each layer fed with transformers' own input: not one number may differ, the rescaled floats included."""
    for name, linear in checkpoint.linears.items():
        path, _, kind = name.rpartition(".")
        source = f"{path}.{SHARED.get(kind, kind)}"
        codes, scale = linear.quantise(vectors[f"{source}/input"])
        assert np.array_equal(codes, vectors[f"{source}/codes"]), name
        assert np.array_equal(scale, vectors[f"{source}/scale"]), name
        sums = linear.accumulate(codes)
        assert np.array_equal(sums, vectors[f"{name}/sums"]), name
        assert np.array_equal(linear.rescale(sums, scale), vectors[f"{name}/output"]), name


def test_codes_reach_their_range(vectors):
    """The vectors are worth comparing with: every layer's input has codes of both signs, and the largest."""
    codes = {name: vector for name, vector in vectors.items() if name.endswith("/codes")}
    assert len(codes) == 8
    for vector in codes.values():
        assert (np.abs(vector.astype(int)).max(axis=1) == 127).all()
        assert vector.min() < 0 < vector.max()


def test_logits(checkpoint, vectors):
    logits = Transformer(checkpoint).forward(vectors["tokens"])
    assert np.abs(logits - vectors["logits"]).max() < 1e-3
    assert np.array_equal(logits.argmax(-1), vectors["logits"].argmax(-1))
    assert np.ptp(vectors["logits"]) > 1


def test_logits_of_autobitlinear(checkpoint, vectors):
    """The same ternary weights, each scale inverted and multiplied by instead."""
    linears = {
        name: BitLinear(linear.weights, np.float32(1) / linear.weight_scale, "autobitlinear")
        for name, linear in checkpoint.linears.items()
    }
    config = dataclasses.replace(checkpoint.config, linear_class="autobitlinear")
    logits = Transformer(Checkpoint(config, linears, checkpoint.tensors)).forward(vectors["tokens"])
    assert np.abs(logits - vectors["autobitlinear/logits"]).max() < 1e-3
