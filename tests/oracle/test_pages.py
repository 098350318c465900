"""The pages whose blocks need PyTorch: here all of their Python is executed."""

from tests.docs.pages import ROOT
from tests.docs.test_blocks import check


def test_offload(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check(ROOT / "docs" / "offload.md", everything=True)
