import numpy as np
import pytest

from trine.firmware.compiler import compile_layer
from trine.firmware.cycles import token_cycles
from trine.golden.accumulate import accumulate
from trine.host.errors import MismatchError, UsageError
from trine.host.runner import Runner


def test_multiply(device, image, classifier, codes):
    runner = Runner(device, image, classifier)
    (sums,) = runner.multiply(("first",), codes)
    assert (sums == accumulate(classifier.linears["first"].weights, codes)).all()
    assert runner.tally.requests == 1


def test_unknown_layers(device, image, classifier, codes):
    with pytest.raises(UsageError, match=r"little: no request of third"):
        Runner(device, image, classifier).multiply(("third",), codes)


def test_passes_and_counters(device, image, classifier, small):
    runner = Runner(device, image, classifier)
    for _ in range(3):
        classifier.logits(np.ones(9, np.float32), runner.multiply)
    assert runner.passes == 3
    assert runner.counters.cycles == 3 * token_cycles(image, small).cycles
    assert runner.weights == 7 * 9 + 3 * 7
    assert runner.configuration is small


def test_every_way_to_execute_is_compared(device, image, classifier, codes):
    wrong = dict(classifier.linears)
    weights = wrong["first"].weights.copy()
    weights[2, 1] = -1 if weights[2, 1] >= 0 else 1
    wrong["first"] = type(wrong["first"])(weights, wrong["first"].weight_scale)
    model = type(classifier)(classifier.config, wrong)
    Runner(device, image, model)
    with pytest.raises(MismatchError, match=r"first, row 2 "):
        device.linear("first", codes)


def test_single_layer_is_compared_with_the_image(device, small, codes):
    image = compile_layer("alone", np.ones((3, 9), np.int8), small)
    runner = Runner(device, image)
    device.linear("alone", codes)
    assert runner.tally.integers == 6, "3 rows in each of two column tiles"


def test_rates(device, image, classifier, small):
    rates = Runner(device, image, classifier).rates()
    assert rates.array_tokens_per_s == pytest.approx(1e6 / token_cycles(image, small).cycles)
    assert rates.offload_tokens_per_s is not None
    assert rates.offload_tokens_per_s < 500, "two round trips of a millisecond"
    assert rates.clock.evidence == "estimated"
