import json

import pytest
from safetensors.numpy import load_file, save_file

from trine.golden.accumulate import accumulate
from trine.golden.checkpoint import load_checkpoint
from trine.golden.generate import Vocabulary, generate
from trine.golden.transformer import Transformer
from trine.host.cli.demo import PROMPT
from trine.host.compiled import load_any
from trine.host.errors import MismatchError, UsageError
from trine.host.language_model import LanguageModel
from trine.host.open import open_device
from trine.host.shipped import MODELS, count_words


@pytest.fixture
def board():
    with open_device("golden:ulx3s_25f") as device:
        yield device


def test_says_what_golden_says(board):
    model = LanguageModel("austen-tiny", board)
    text = "".join(model.generate("She was ", 12, temperature=0.8, seed=4))
    golden = Transformer(load_checkpoint(MODELS / "austen-tiny"))
    tokens = generate(golden, Vocabulary().encode("She was "), 12, temperature=0.8, seed=4)
    assert text == Vocabulary().decode(tokens)
    assert model.runner.passes == 8 + 11, "each character of the prompt, and each but the last that was said"
    assert model.runner.tally.integers == 19 * 3 * (2 * 80 + 2 * 40 + 2 * 160 + 80)


def test_from_an_image(board):
    image, _ = load_any("austen-tiny", board.configuration)
    assert "".join(LanguageModel(image, board).generate("A", 5, 0)) == \
        "".join(LanguageModel(MODELS / "austen-tiny", board).generate("A", 5, 0))


@pytest.mark.parametrize(("prompt", "characters", "temperature", "message"), [
    ("", 5, 0.5, r"the prompt must have at least one token"),
    ("caf\u00e9", 5, 0.5, r"character '\u00e9' at position 3 is not in the vocabulary"),
    ("A", -1, 0.5, r"count must be at least 0"),
    ("A", 5, float("nan"), r"temperature must be finite"),
    ("A", 5, -1.0, r"temperature must be finite and at least 0"),
])
def test_wrong_arguments(board, prompt, characters, temperature, message):
    model = LanguageModel("austen-tiny", board)
    with pytest.raises(UsageError, match=message):
        model.generate(prompt, characters, temperature)


def test_compiling_says_how_far_it_is(board):
    steps = []
    LanguageModel("austen-tiny", board, progress=lambda *step: steps.append(step))
    assert steps[0] == ("packing weights", 1.0), "of all its weights, as they are one load"
    assert steps[-1] == ("copying tensors", 1.0)


def test_no_language_model(board):
    with pytest.raises(UsageError, match=r"digits-ternary is no language model"):
        LanguageModel("digits-ternary", board)


def test_other_vocabulary(board, tmp_path):
    config = json.loads((MODELS / "austen-tiny" / "config.json").read_text())
    tensors = load_file(MODELS / "austen-tiny" / "model.safetensors")
    tensors["model.embed_tokens.weight"] = tensors["model.embed_tokens.weight"][:90]
    (tmp_path / "config.json").write_text(json.dumps(config | {"vocab_size": 90}))
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(UsageError, match=r"has a vocabulary of 90 tokens; text takes the 96 characters"):
        LanguageModel(tmp_path, board)


def test_a_wrong_device_is_found(board, monkeypatch):
    calls = []

    def sometimes(weights, codes, mode):
        calls.append(codes)
        sums = accumulate(weights, codes, mode)
        if len(calls) == 30:
            sums[17] ^= 1
        return sums

    monkeypatch.setattr("trine.firmware.machine.accumulate", sometimes)
    with pytest.raises(MismatchError, match=r"^model\.layers\..*, row 17: the device says -?\d+, golden -?\d+; 1 of"):
        list(LanguageModel("austen-tiny", board).generate("She was ", 3))


def test_narrow_activations(tmp_path):
    path = tmp_path / "four.toml"
    path.write_text('base = "ulx3s_25f"\nactivation_bits = 4\ngroup = 16\ngroup_accumulator_bits = 8\n')
    with open_device(f"golden:{path}") as device:
        model = LanguageModel("austen-tiny", device)
        assert len("".join(model.generate("She was ", 3))) == 3
        assert model.transformer.mode.activation_bits == 4
        assert model.runner.tally.integers > 0


def test_a_thousand_words():
    """What the demo's model says, at the demo's temperature, is made of words; golden says it faster than a device."""
    golden = Transformer(load_checkpoint(MODELS / "austen-small"))
    tokens = generate(golden, Vocabulary().encode(PROMPT), 5600, temperature=0.6, seed=0)
    words, known = count_words(Vocabulary().decode(tokens), PROMPT)
    assert words >= 1000
    assert known / words >= 0.8
