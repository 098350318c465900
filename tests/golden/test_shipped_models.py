"""The models in host/models are what their training.json says, by golden's arithmetic."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from trine.golden.accumulate import static_bound
from trine.golden.checkpoint import load_checkpoint, load_classifier
from trine.golden.generate import Vocabulary, generate
from trine.golden.transformer import Transformer

MODELS = Path(__file__).parents[2] / "host" / "models"


def stated(name):
    return json.loads((MODELS / name / "training.json").read_text())


@pytest.mark.parametrize("name", ["digits-ternary", "digits-binary"])
def test_classifier_accuracy(name):
    """Every image of the test split; the stated accuracy has four digits."""
    test = safetensors.numpy.load_file(MODELS / "digits" / "test.safetensors")
    found = load_classifier(MODELS / name).logits(test["images"].astype(np.float32)).argmax(-1)
    assert round(float((found == test["labels"]).mean()), 4) == stated(name)["accuracy"]


@pytest.mark.parametrize("name", ["austen-small", "austen-tiny"])
def test_decoder(name):
    checkpoint = load_checkpoint(MODELS / name).in_memory()
    assert sum(linear.weights.size for linear in checkpoint.linears.values()) == stated(name)["ternary_weights"]
    assert checkpoint.config.vocab_size == len(Vocabulary())
    # 16-bit accumulators hold every sum
    assert max(int(static_bound(linear.weights).max()) for linear in checkpoint.linears.values()) < 2**15
    text = Vocabulary().decode(generate(Transformer(checkpoint), Vocabulary().encode("She was "), 60, temperature=0))
    assert " the " in text or " to " in text
