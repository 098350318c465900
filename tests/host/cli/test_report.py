import json

import pytest

from trine.host import gateware
from trine.host.cli.report import parse_seeds
from trine.host.errors import UsageError


def fake_report(name, top_factory, configuration, seeds, *, jobs, tokens, check, progress):
    """What make_report of hw gives, without the hour that it takes."""
    array, offload = tokens(configuration, 60.0)
    progress("synthesised")
    for seed in seeds:
        progress(f"seed {seed} routed")
    bare = {"engine_lut": 5000, "lut_per_trit": 13.021} if configuration.bare else {}
    trits = configuration.trits_per_cycle
    return {
        "preset": name, "part": configuration.part, "source_hash": "0" * 64, "tools": {"yosys": "0"}, "lut4": 5000,
        "ff": 1, "ebr": 2, "spram": 0, "dsp": 0, "trits_per_cycle": trits, **bare,
        "seeds": [{"seed": seed, "fmax_mhz": {"sync": 60.0 + seed}} for seed in seeds], "required_mhz": {"sync": 75.0},
        "critical_path": {"sync": "from here to there"}, "gtrit_per_s": trits * (60.0 + min(seeds)) / 1000,
        "array_tokens_per_s": array, "offload_tokens_per_s": offload,
        "evidence": {"area": "routed", "array_tokens_per_s": "derived", "fmax_mhz": "routed", "gtrit_per_s": "derived",
                     "offload_tokens_per_s": "derived"},
    }


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(gateware, "make_report", fake_report)


@pytest.mark.parametrize(("text", "seeds"), [("1-5", [1, 2, 3, 4, 5]), ("3", [3]), ("1, 7-8", [1, 7, 8])])
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "0", "0-3", "1,1", "5-1", "a", "1-", "-3", "1;2"])
def test_wrong_seeds(text):
    with pytest.raises(UsageError, match=r"--seeds takes"):
        parse_seeds(text)


def test_report(trine, tmp_path):
    outcome = trine("report", "ulx3s_85f", "--seeds", "2-3", "-o", tmp_path)
    assert outcome.code == 0
    for text in ("sync, worst of 2 seeds", "62.00 MHz", "sync, median of 2 seeds", "62.50 MHz",
                 "75 MHz not reached", "array_tokens_per_s, austen-small", "from here to there"):
        assert text in outcome.out, text
    assert "ulx3s_85f: seed 3 routed" in outcome.err
    written = json.loads((tmp_path / "ulx3s_85f.json").read_text())
    assert set(written["array_tokens_per_s"]) == {"austen-small", "austen-tiny"}
    assert written["offload_tokens_per_s"]["austen-small"] < written["array_tokens_per_s"]["austen-small"]


def test_bare_json(trine, tmp_path):
    figures = trine("report", "array_25f_384", "-o", tmp_path, "--json").figures
    assert figures["lut_per_trit"] == 13.021
    assert figures["array_tokens_per_s"] == {}


def test_check(trine, tmp_path):
    trine("report", "ulx3s_85f", "-o", tmp_path)
    outcome = trine("report", "--check", "-o", tmp_path)
    assert outcome.code == 1
    assert "ulx3s_85f: made from another source or configuration" in outcome.out
    assert "1 of 1 reports are stale; trine report ulx3s_85f" in outcome.err
    (tmp_path / "ulx3s_85f.json").unlink()
    assert "no reports" in trine("report", "--check", "-o", tmp_path).out
    assert trine("report", "--check", "-o", tmp_path, "--json").figures == {"reports": [], "stale": {}}


@pytest.mark.parametrize(("arguments", "message"), [
    (("nothing",), "unknown preset 'nothing'"),
    ((), "name one preset, or give a file with --config"),
    (("ulx3s_85f", "--seeds", "x"), "--seeds takes numbers such as 1-5"),
    (("ulx3s_85f", "--check"), "--check looks at all reports"),
    (("--check", "-o", "no-such-folder"), "no-such-folder: no folder of reports"),
])
def test_bad_input(refused, arguments, message):
    assert message in refused("report", *arguments)
