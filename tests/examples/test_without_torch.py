"""The examples that need the extra `torch`, where it is not installed."""

import pytest

from tests.examples.running import run_example


@pytest.mark.parametrize("name", ["torch_bitlinear.py", "transformers_generate.py"])
def test_one_line(name, tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise ImportError('none here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    assert "(none here): pip install '.[torch]'" in run_example(name, code=4)
