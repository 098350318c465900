import pytest

from tests.examples.running import run_example
from trine.golden.checkpoint import load_checkpoint
from trine.golden.generate import Vocabulary, generate
from trine.golden.transformer import Transformer
from trine.host.shipped import find_model


@pytest.mark.parametrize(("device", "characters"), [("golden:ulx3s_85f", 6), ("golden:tinyfpga_bx", 1)])
def test_says_what_golden_says(device, characters):
    """On a board that holds all of the model, and on one that streams most of it."""
    golden = Transformer(load_checkpoint(find_model("austen-tiny")))
    text = Vocabulary().decode(generate(golden, Vocabulary().encode("Sh"), characters, temperature=0))
    printed = run_example("numpy_model.py", "--prompt", "Sh", "--characters", characters, "--device", device)
    assert printed.startswith(f"Sh|{text}\n")
    assert f"{4 * 3 * (2 + characters - 1)} requests to {device}" in printed


def test_unknown_model():
    line = run_example("numpy_model.py", "--model", "nothing", code=2)
    assert line.startswith("no model 'nothing': ")


def test_no_language_model():
    assert run_example("numpy_model.py", "--model", "digits-ternary", code=2) == "digits-ternary is no language model"
