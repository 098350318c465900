"""Golden against Hugging Face transformers, live, in float32. Run by `python -m pytest tests/oracle`.

Three comparisons, from the strict to the honest. Given the input that transformers had, every integer and every scale
of a ternary layer must be equal. Given the codes that it had, all that is between the layers must agree to the last few
bits. Left to itself, the whole model differs: one ulp of a float flips an activation code by one now and then, and the
flip cascades. The tolerances of that last comparison are promised for the shipped models only; the logits of a random
one move further.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import torch
from oracle import record

from trine.golden.arrays import Int8, Int32
from trine.golden.bitlinear import BitLinear
from trine.golden.checkpoint import Checkpoint, load_checkpoint
from trine.golden.generate import Vocabulary
from trine.golden.huggingface import pack_hf, unpack_hf
from trine.golden.transformer import Transformer

MODELS = Path(__file__).parents[2] / "host" / "models"
SHAPE = {
    "vocab_size": 96,
    "hidden_size": 128,
    "intermediate_size": 288,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
STALE = "the recorded vectors are stale: run make oracle-record"
# From chapter 1 of Pride and Prejudice (Jane Austen, 1813).
PASSAGE = """\
It is a truth universally acknowledged, that a single man in possession
of a good fortune, must be in want of a wife.

However little known the feelings or views of such a man may be on his
first entering a neighbourhood, this truth is so well fixed in the minds
of the surrounding families, that he is considered as the rightful
property of some one or other of their daughters.

"My dear Mr. Bennet," said his lady to him one day, "have you heard that
Netherfield Park is let at last?"

Mr. Bennet replied that he had not.

"But it is," returned she; "for Mrs. Long has just been here, and she
told me all about it."

Mr. Bennet made no answer.

"Do not you want to know who has taken it?" cried his wife impatiently.

"You want to tell me, and I have no objection to hearing it."
"""


def assert_stages_are_equal(linears: Mapping[str, BitLinear], seen: record.Arrays) -> None:
    """Each layer, fed with transformers' own input."""
    for name, linear in linears.items():
        codes, scale = linear.quantise(seen[f"{name}/input"])
        assert np.array_equal(codes, seen[f"{name}/codes"]), name
        assert np.array_equal(scale, seen[f"{name}/scale"]), name
        sums = linear.accumulate(codes)
        assert np.array_equal(sums, seen[f"{name}/sums"]), name
        assert np.array_equal(linear.rescale(sums, scale), seen[f"{name}/output"]), name


def assert_glue_agrees(checkpoint: Checkpoint, tokens: list[int], seen: record.Arrays) -> None:
    """The whole model, with the integers of each layer computed from transformers' codes and not from golden's.

    No flip can cascade, so that all logits must agree closely, and golden's own codes may differ only in the rare
    value that lies within an ulp or two of a half.
    """
    theirs = {name: linear.quantise(seen[f"{name}/input"])[0] for name, linear in checkpoint.linears.items()}
    flips: list[np.ndarray] = []

    def multiply(names: tuple[str, ...], codes: Int8) -> list[Int32]:
        expected = theirs[names[0]][cache.length]
        flips.append(np.abs(codes.astype(int) - expected))
        return [checkpoint.linears[name].accumulate(expected) for name in names]

    model = Transformer(checkpoint, multiply)
    cache = model.new_cache()
    logits = np.stack([model.step(token, cache) for token in tokens])
    assert np.abs(logits - seen["logits"]).max() <= 1e-5 * np.ptp(seen["logits"])
    assert np.concatenate(flips).max() <= 1
    assert np.concatenate(flips).mean() <= 1e-3


def bits(logits: np.ndarray, following: list[int]) -> float:
    """Sum of -log2 softmax(logits)[following]."""
    exact = logits.astype(np.float64)
    exact -= exact.max(-1, keepdims=True)
    chosen = exact[np.arange(len(following)), following]
    return float((np.log2(np.exp(exact).sum(-1)) - chosen / np.log(2)).sum())


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("linear_class", ["bitlinear", "autobitlinear"])
@pytest.mark.parametrize("seed", [0, 1])
def test_random_model(tmp_path, seed, linear_class, tied):
    record.write_model(tmp_path, seed, SHAPE, linear_class, tied)
    checkpoint = load_checkpoint(tmp_path).in_memory()
    tokens = np.random.default_rng(seed).integers(0, 96, 100).tolist()
    seen = record.observe(record.load_model(tmp_path), tokens)
    if linear_class == "bitlinear":
        assert_stages_are_equal(checkpoint.linears, seen)
    for name, linear in checkpoint.linears.items():
        codes, scale = linear.quantise(seen[f"{name}/input"])
        if linear_class == "autobitlinear":
            assert np.array_equal(codes.astype(np.float32) / scale, seen[f"{name}/rounded"]), name
        output = linear.rescale(linear.accumulate(codes), scale)
        assert np.abs(output - seen[f"{name}/output"]).max() <= 1e-5 * np.abs(output).max(), name
    assert_glue_agrees(checkpoint, tokens, seen)


@pytest.mark.parametrize("name", ["austen-small", "austen-tiny"])
def test_shipped_model(name):
    folder = MODELS / name
    if not folder.exists():
        pytest.skip(f"{folder} is not there")
    checkpoint, reference = load_checkpoint(folder).in_memory(), record.load_model(folder)
    tokens, window = Vocabulary().encode(PASSAGE), checkpoint.config.max_position_embeddings
    model, theirs, agreed = Transformer(checkpoint), 0.0, 0
    for at in range(0, len(tokens) - 1, window):
        following = tokens[at + 1 : at + window + 1]
        seen = record.observe(reference, tokens[at : at + len(following)])
        assert_stages_are_equal(checkpoint.linears, seen)
        assert_glue_agrees(checkpoint, tokens[at : at + len(following)], seen)
        logits = model.forward(tokens[at : at + len(following)])
        assert np.abs(logits - seen["logits"]).max() < 0.2
        agreed += int((logits.argmax(-1) == seen["logits"].argmax(-1)).sum())
        theirs += bits(seen["logits"], following)
    assert model.bits_per_character(tokens) == pytest.approx(theirs / (len(tokens) - 1), abs=0.002)
    assert agreed >= 0.99 * (len(tokens) - 1)


def test_packing():
    weights = np.random.default_rng(0).integers(-1, 2, (24, 7), dtype=np.int8)
    theirs = record.pack_weights(torch.from_numpy(weights.copy()))
    assert np.array_equal(pack_hf(weights), theirs.numpy())
    assert np.array_equal(unpack_hf(theirs.numpy()), weights)


def test_vectors_are_recorded_by_this_recipe():
    with safetensors.safe_open(record.VECTORS, "numpy") as file:
        assert file.metadata()["recipe"] == record.recipe(), STALE


def test_vectors_are_what_transformers_computes():
    """Integers equal; floats to the last few bits, which depend on the processor."""
    recorded = safetensors.numpy.load_file(record.VECTORS)
    computed, metadata = record.record()
    with safetensors.safe_open(record.VECTORS, "numpy") as file:
        assert file.metadata()["config"] == metadata["config"], STALE
    assert recorded.keys() == computed.keys(), STALE
    for name, vector in computed.items():
        assert recorded[name].dtype == vector.dtype, f"{name}: {STALE}"
        assert recorded[name].shape == vector.shape, f"{name}: {STALE}"
        close = 1e-5 * np.abs(vector).max() if vector.dtype == np.float32 else 0
        assert np.abs(recorded[name].astype(np.float64) - vector).max() <= close, f"{name}: {STALE}"
