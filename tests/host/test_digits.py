import numpy as np
import pytest

from trine.host.compiled import load_any
from trine.host.digits import classify
from trine.host.errors import UsageError
from trine.host.open import open_device
from trine.host.runner import Runner
from trine.host.shipped import digits


@pytest.mark.parametrize(("name", "device", "least"), [("digits-ternary", "golden:tinyfpga_bx", 0.97),
                                                       ("digits-binary", "golden:ulx3s_85f", 0.95)])
def test_accuracy(name, device, least):
    progress: list[float] = []
    with open_device(device) as opened:
        runner = Runner(opened, *load_any(name, opened.configuration))
        accuracy = classify(runner, *digits(), progress.append)
    assert accuracy.images == 360
    assert accuracy.share >= least
    assert runner.passes == 360
    assert runner.tally.integers >= 360 * 74
    assert progress[-1] == 1.0


def test_labels_decide():
    images, labels = digits()
    with open_device("golden:tinyfpga_bx") as opened:
        runner = Runner(opened, *load_any("digits-ternary", opened.configuration))
        assert classify(runner, images[:5], (labels[:5] + 1) % 10).right == 0


def test_other_inputs():
    with open_device("golden") as opened:
        runner = Runner(opened, *load_any("austen-tiny", opened.configuration))
        with pytest.raises(UsageError, match=r"austen-tiny is no classifier of 64 values"):
            classify(runner, np.zeros((1, 64), np.float32), np.zeros(1, np.uint8))


def test_other_activation_bits(tmp_path):
    path = tmp_path / "four.toml"
    path.write_text('base = "ulx3s_25f"\nactivation_bits = 4\n')
    with open_device(f"golden:{path}") as opened:
        runner = Runner(opened, *load_any("digits-ternary", opened.configuration))
        with pytest.raises(UsageError, match=r"digits-ternary takes activations of 8 bits, four has 4"):
            classify(runner, *digits())
