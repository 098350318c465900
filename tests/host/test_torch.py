"""trine.host.torch where there is no PyTorch; what it does with one is in tests/oracle."""

import re
import sys
from pathlib import Path

import pytest

import trine
from trine.host.errors import SetupError

SOURCES = Path(trine.__path__[0])
FOLDERS = ("golden", "firmware", "hw", "sim", "host")


@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_without_pytorch(monkeypatch, missing):
    for name in [name for name in sys.modules if name.startswith("trine.host.torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SetupError, match=r"^trine\.host\.torch needs PyTorch and transformers \(.*\): pip install "):
        import trine.host.torch  # noqa: F401


def test_nothing_else_imports_pytorch():
    imports = re.compile(r"^\s*(import|from) +(torch|transformers|accelerate|trine\.host\.torch)\b", re.MULTILINE)
    files = [file for folder in FOLDERS for file in (SOURCES / folder).rglob("*.py")]
    found = {file.relative_to(SOURCES).parts[:2] for file in files if imports.search(file.read_text(encoding="utf-8"))}
    assert found == {("host", "torch")}
