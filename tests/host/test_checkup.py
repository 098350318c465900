import importlib.metadata

import pytest

from trine.host import shipped
from trine.host.checkup import examine


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TRINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def finding(name):
    return next(finding for finding in examine() if finding.name == name)


def test_nothing_is_missing_here(cache):
    assert [found for found in examine() if found.remedy is not None] == []
    assert str(cache) in finding("cache").found


def test_package(monkeypatch):
    def version(name):
        if name == "numpy":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.2.3"

    monkeypatch.setattr("importlib.metadata.version", version)
    assert finding("numpy").found == "missing"
    assert "pip install numpy" in finding("numpy").remedy
    assert finding("amaranth").found == "1.2.3"


def test_compiler(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "CXX names 'no-such-compiler'" in finding("C++ compiler").remedy


def test_cache(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRINE_CACHE", str(tmp_path / "file"))
    assert finding("cache").found == "unusable"
    assert "set TRINE_CACHE" in finding("cache").remedy


def test_models(monkeypatch, tmp_path):
    assert "austen-small" in finding("models").found
    monkeypatch.setattr(shipped, "MODELS", tmp_path)
    assert finding("models").found == "damaged"
