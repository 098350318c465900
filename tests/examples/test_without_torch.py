"""The examples that need the extra `torch`, where it is not installed."""

import pytest

from tests.examples.running import run_example


@pytest.mark.parametrize("name", ["torch_bitlinear.py", "transformers_generate.py", "train/train.py", "train/export.py",
                                  "train/digits.py"])
def test_one_line(name, tmp_path, monkeypatch):
    for module in ("torch", "sklearn"):
        (tmp_path / f"{module}.py").write_text("raise ImportError('none here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    assert "(none here): pip install '.[torch]'" in run_example(name, code=4)
