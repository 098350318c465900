import pytest


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TRINE_CACHE", str(tmp_path / "cache"))


def test_complete(trine):
    outcome = trine("doctor")
    assert outcome.code == 0
    assert "Nothing is missing." in outcome.out
    assert "C++ compiler" in outcome.out
    assert trine("doctor", "--json").figures["complete"] is True


def test_no_compiler(trine, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    outcome = trine("doctor")
    assert outcome.code == 4
    assert "trine: C++ compiler: CXX names 'no-such-compiler'" in outcome.err
    figures = trine("doctor", "--json").figures
    assert figures["complete"] is False
    assert [check["name"] for check in figures["checks"] if not check["ok"]] == ["C++ compiler"]
