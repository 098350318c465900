import numpy as np

from tests.examples.running import run_example


def test_random_weights():
    printed = run_example("numpy_linear.py")
    assert "layer 96 x 200 on golden:ulx3s_85f, 3 vectors: 288 sums, all equal to golden's" in printed
    assert "(estimated)" in printed


def test_weights_of_ones_own(tmp_path):
    path = tmp_path / "weights.npy"
    np.save(path, np.random.default_rng(0).standard_normal((7, 11)))
    printed = run_example("numpy_linear.py", "--weights", path, "--vectors", 2, "--device", "golden:icebreaker")
    assert "layer 7 x 11 on golden:icebreaker, 2 vectors: 14 sums" in printed


def test_no_weights(tmp_path):
    path = tmp_path / "weights.npy"
    assert run_example("numpy_linear.py", "--weights", path, code=2) == f"{path}: No such file or directory"
