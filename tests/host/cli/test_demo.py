import pytest

from trine.golden.accumulate import accumulate

SHORT = ("--device", "golden", "--characters", 20, "--prompt", "She was ")


def test_speaks(trine):
    outcome = trine("demo", *SHORT)
    assert outcome.code == 0
    assert outcome.out.startswith("She was ")
    table = outcome.out.split("austen-small on golden", 1)[1]
    for row in ("tokens executed", "busy", "weight_stall", "drain", "efficiency", "array_tokens_per_s",
                "offload_tokens_per_s", "characters a second", "timed"):
        assert row in table, row
    integers = 27 * 3 * (2 * 160 + 2 * 80 + 2 * 280 + 160)
    assert f"All {integers:,} integers equal the golden model's" in outcome.out


def test_same_seed_same_text(trine):
    first, second, other = (trine("demo", *SHORT, "--json", "--temperature", 1, "--seed", seed).figures["text"]
                            for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_json(trine):
    figures = trine("demo", *SHORT, "--json").figures
    assert figures["device"] == "golden"
    assert figures["preset"] == "ulx3s_85f"
    assert len(figures["text"]) == figures["characters"] == 20
    assert figures["tokens"] == 27
    assert figures["cycles_per_token"]["busy"] == 1260
    assert figures["array_cycles_per_token"] == sum(figures["cycles_per_token"].values())
    assert 0.8 < figures["busy"] < 1
    assert figures["efficiency"] == pytest.approx(633_600 / (1260 * 512))
    seconds = figures["array_cycles_per_token"] / (figures["clock_mhz"] * 1e6)
    assert figures["array_tokens_per_s"] == pytest.approx(1 / seconds)
    assert figures["offload_tokens_per_s"] < figures["array_tokens_per_s"]
    assert figures["evidence"] in ("derived", "estimated")
    assert figures["integers_equal"] is True
    assert figures["characters_per_s"] > 0
    assert figures["words"] >= figures["words_known"] >= 0


def test_mismatch(trine, monkeypatch):
    monkeypatch.setattr("trine.firmware.machine.accumulate", lambda weights, codes, mode:
                        accumulate(weights, codes, mode) + (codes.size == 288))
    outcome = trine("demo", *SHORT)
    assert outcome.code == 1
    assert "trine: model.layers.0.mlp.down_proj, row 0: the device says " in outcome.err
    assert "retired at cycle " in outcome.err


@pytest.mark.parametrize(("arguments", "message"), [
    (("--device", "serial"), "a serial device needs its port"),
    (("--device", "golden", "--model", "digits-ternary"), "digits-ternary is no language model"),
    (("--device", "golden", "--model", "gpt"), "no model 'gpt'"),
    (("--device", "golden", "--prompt", ""), "the prompt must have at least one token"),
    (("--device", "golden", "--prompt", "\u00e9"), "is not in the vocabulary"),
    (("--device", "golden", "--temperature", "nan"), "temperature must be finite"),
    (("--device", "golden", "--trace", "x.vcd"), "the golden device has no signals to trace"),
    (("--device", "golden:icebreaker", "--config", "x.toml"), "both say which configuration"),
    (("--device", "golden", "--config", "no.toml"), "no.toml: cannot read the configuration"),
])
def test_bad_input(refused, arguments, message):
    assert message in refused("demo", *arguments)


def test_a_model_larger_than_the_board(trine):
    """It is streamed, and the loads that a token takes are said."""
    outcome = trine("demo", "--device", "golden:ulx3s_25f", *SHORT[2:])
    assert outcome.code == 0
    assert "loads" in outcome.out


def test_config(trine, tmp_path, refused):
    path = tmp_path / "narrow.toml"
    path.write_text('base = "ulx3s_85f"\nlanes = 8\nweight_words = 4096\n')
    figures = trine("demo", *SHORT[2:], "--device", "golden", "--config", path, "--json").figures
    assert figures["preset"] == "narrow"
    path.write_text('base = "ulx3s_85f"\nlames = 8\n')
    assert "narrow.toml: unknown key 'lames'" in refused("demo", "--device", "golden", "--config", path)


def test_on_the_simulator(trine):
    """The main job, on the preset it is shipped for."""
    outcome = trine("demo", "--characters", 4, "--prompt", "She was ", "--json")
    assert outcome.code == 0
    figures = outcome.figures
    golden = trine("demo", "--device", "golden", "--characters", 4, "--prompt", "She was ", "--json").figures
    assert figures["device"] == "sim:ulx3s_85f"
    for key in ("text", "tokens", "busy", "efficiency", "array_tokens_per_s", "offload_tokens_per_s",
                "integers_compared"):
        assert figures[key] == golden[key], key
    assert figures["cycles_per_token"]["busy"] == golden["cycles_per_token"]["busy"]
    assert figures["cycles_per_token"]["link_stall"] > 0


def test_no_compiler(trine, monkeypatch, tmp_path):
    path = tmp_path / "narrow.toml"  # which is elaborated sooner
    path.write_text('base = "ulx3s_85f"\nlanes = 1\nweight_words = 32768\nresult_width = 1\n')
    monkeypatch.setenv("TRINE_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    outcome = trine("demo", "--device", f"sim:{path}", "--characters", 4)
    assert outcome.code == 4
    assert "trine: CXX names 'no-such-compiler', which is not on PATH" in outcome.err
    assert outcome.out == ""
