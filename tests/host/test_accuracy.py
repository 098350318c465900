import hashlib
import json

import pytest

from trine.golden.accumulate import AccumulatorMode
from trine.golden.generate import Vocabulary
from trine.golden.transformer import Transformer
from trine.host.accuracy import candidate_modes, describe_mode, measure, never_saturates
from trine.host.errors import UsageError
from trine.host.shipped import MODELS, find_model, held_out_text, load_model

EXACT = AccumulatorMode()


@pytest.fixture(scope="module")
def model():
    return load_model(find_model("austen-tiny"))


def test_held_out_text_is_what_its_record_says():
    text = held_out_text()
    record = json.loads((MODELS / "austen_held_out.json").read_text())
    assert len(text) == record["characters"] == 7680
    assert hashlib.sha256(text.encode()).hexdigest() == record["sha256"]
    assert max(Vocabulary().encode(text)) < 96


def test_exact_is_the_plain_golden_forward(model):
    text = held_out_text()[:400]
    (cost,) = measure(model, text, [EXACT])
    assert cost.bits_per_character == Transformer(model).bits_per_character(Vocabulary().encode(text))
    assert cost.change == 0
    assert cost.never_saturates


def test_what_cannot_saturate_costs_nothing(model):
    modes = [AccumulatorMode(8, None, 16, 16), AccumulatorMode(8, 4, 10, 2)]
    assert all(never_saturates(model, mode) for mode in modes)
    assert [cost.change for cost in measure(model, held_out_text()[:400], modes)] == [0, 0]


def test_4_bits_in_groups_of_16_are_exact(model):
    exact, grouped = measure(model, held_out_text()[:400], [AccumulatorMode(4), AccumulatorMode(4, 16, 8, 16)])
    assert exact.bits_per_character == grouped.bits_per_character
    assert exact.change != 0


def test_8_bits_over_all_of_k_ruin_the_model(model):
    mode = AccumulatorMode(8, None, 8, 16)
    assert not never_saturates(model, mode)
    (cost,) = measure(model, held_out_text()[:1000], [mode])
    assert cost.change > 3


def test_candidate_modes():
    modes, refusals = candidate_modes(16)
    assert modes[0] == AccumulatorMode(depth=16)
    assert {mode.depth for mode in modes} == {16}
    assert {mode.group for mode in modes} == {None, 16, 32, 64}
    assert refusals[0].name == "8-bit sums in groups of 2"
    assert "multiple of the depth 16, not 2" in refusals[0].reason
    assert candidate_modes(1)[1] == []


def test_candidate_modes_wrong_depth():
    with pytest.raises(UsageError, match="depth must be at least 1, not 0"):
        candidate_modes(0)


def test_describe_mode():
    assert describe_mode(AccumulatorMode(4, 16, 8, 16)) == "4-bit activations, 8-bit sums in groups of 16"


@pytest.mark.parametrize(("text", "message"), [("a", "at least 2 characters, not 1"), ("caf\u00e9", "at position 3")])
def test_measure_wrong_text(model, text, message):
    with pytest.raises(UsageError, match=message):
        measure(model, text, [EXACT])
