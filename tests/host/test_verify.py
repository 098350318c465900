from dataclasses import replace

import pytest

from trine.host.errors import MismatchError
from trine.host.verify import Verifier


@pytest.fixture
def executed(device, image, codes):
    device.load(image)
    return device.execute(image.requests[0], codes)


@pytest.fixture
def verifier(image, small, classifier):
    return Verifier(small, {name: linear.weights for name, linear in classifier.linears.items()})


def test_equal(verifier, image, codes, executed):
    verifier.check(image.requests[0], codes, executed)
    assert verifier.tally.requests == 1
    assert verifier.tally.runs == 2
    assert verifier.tally.integers == 14, "7 rows in each of two column tiles"


def test_mismatch_names_layer_row_values_and_cycle(verifier, image, codes, executed):
    run = executed.runs[1]
    right = int(run.results[0][5])
    run.results[0][5] += 3
    with pytest.raises(MismatchError, match=rf"^first, row 5 \(columns 6 to 8\): the device says {right + 3}, "
                                            rf"golden {right}; 1 of 7 rows differ, retired at cycle {run.cycle}$"):
        verifier.check(image.requests[0], codes, executed)
    assert verifier.tally.requests == 0


@pytest.mark.parametrize("cause", ["busy", "weight_stall", "drain", "table_build"])
def test_cycles(verifier, image, codes, executed, cause):
    changed = replace(executed.counters, **{cause: getattr(executed.counters, cause) + 1})
    with pytest.raises(MismatchError, match=rf"^first: \d+ cycles of {cause}, the cycle model says \d+$"):
        verifier.check(image.requests[0], codes, replace(executed, counters=changed))


def test_link_cycles_are_not_the_models(verifier, image, codes, executed):
    verifier.check(image.requests[0], codes, replace(executed, counters=replace(executed.counters, link_stall=9)))
