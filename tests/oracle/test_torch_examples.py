"""The example scripts that need PyTorch, as a user starts them."""

import dataclasses
import re
from pathlib import Path

import pytest
import tokenizers
import transformers

from tests.examples.running import run_example
from tests.sim.twin.configuration import CONFIGURATION

SPOKEN = "It is a truth|, and I have"


@pytest.fixture
def small_board(tmp_path: Path) -> Path:
    """The configuration of the twin's tests, as a file."""
    values = {field.name: getattr(CONFIGURATION, field.name) for field in dataclasses.fields(CONFIGURATION)}
    path = tmp_path / "twin.toml"
    link = values.pop("link")
    lines = [f"{name} = {value!r}".replace("True", "true").replace("False", "false")
             for name, value in values.items() if value is not None]
    lines += ["[link]", *(f"{field.name} = {getattr(link, field.name)!r}" for field in dataclasses.fields(link))]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_torch_bitlinear():
    printed = run_example("torch_bitlinear.py", timeout=120)
    assert "(down): BitLinear(down, 160 -> 64, bitlinear, on a device)" in printed
    assert "5 vectors on golden:ulx3s_85f: 320 outputs, all equal to the processor's, bit for bit" in printed
    assert "requests: 10, 2 a vector" in printed


def test_transformers_generate():
    printed = run_example("transformers_generate.py", "--tokens", 12, "--compare", timeout=120)
    assert printed.startswith(f"{SPOKEN}\nthe model's own layers say the same\n")
    assert "21 layers on golden:ulx3s_85f: 12 requests a token, 288 in all" in printed


def test_transformers_generate_random():
    printed = run_example("transformers_generate.py", "--model", "random", "--tokens", 3, "--compare", timeout=120)
    assert "the model's own layers say the same" in printed
    assert "14 layers on golden:ulx3s_85f: 8 requests a token, 120 in all" in printed


def test_transformers_generate_of_a_folder(make_model, tmp_path):
    """A model of one's own, with a tokenizer of its own."""
    words = {letter: index for index, letter in enumerate("abcdefghijklmnopqrstuvwx")}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, "x"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    make_model("autobitlinear")
    folder = tmp_path / "autobitlinear"
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="x").save_pretrained(folder)
    arguments = ("--model", folder, "--prompt", "h e l", "--tokens", 4)
    printed = run_example("transformers_generate.py", *arguments, timeout=120)
    assert re.match(r"h e l\|[a-w]( [a-w])*\n14 layers on golden:ulx3s_85f: 8 requests a token, ", printed)


@pytest.mark.parametrize(("arguments", "message"), [
    (("--tokens", 200), "13 tokens of the prompt and 200 more are beyond the context of 128"),
    (("--model", "digits-ternary"), "transformers cannot load it"),
])
def test_transformers_generate_wrong_arguments(arguments, message):
    assert message in run_example("transformers_generate.py", *arguments, code=2, timeout=120)


@pytest.mark.parametrize("kind", ["sim", "twin"])
def test_transformers_generate_on_the_gateware(small_board, kind):
    """`model.generate()` with every ternary layer computed by the gateware; behind USB, four round trips a layer.

    The prompt of 13 tokens is one pass, as its vectors share their round trips; each of 11 tokens after it is another.
    """
    printed = run_example("transformers_generate.py", "--tokens", 12, "--device", f"{kind}:{small_board}", timeout=600)
    assert printed.startswith(f"{SPOKEN}\n")
    assert f"{4 * 3} requests a token, {24 * 4 * 3} in all; 86,400 integers, all equal to golden's" in printed
    assert (f"round trips on the bus: {12 * 4 * 3} (simulated)" in printed) == (kind == "twin")
