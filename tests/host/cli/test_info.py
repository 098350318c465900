from trine.firmware.presets import PRESETS


def test_overview(trine):
    figures = trine("info", "--json").figures
    assert [model["name"] for model in figures["models"]] == ["austen-small", "austen-tiny", "digits-binary",
                                                              "digits-ternary"]
    assert [preset["name"] for preset in figures["presets"]] == list(PRESETS)
    text = trine("info").out
    assert "512" in text
    assert "digits-ternary" in text


def test_model(trine):
    figures = trine("info", "austen-small", "--json").figures
    assert figures["ternary_weights"] == 633_600
    fits = {row["preset"]: row for row in figures["devices"]}
    assert set(fits) == {name for name, preset in PRESETS.items() if not preset.bare}
    assert fits["icebreaker"]["fits"]
    assert (fits["icebreaker"]["weight_words"], fits["icebreaker"]["padding"]) == (15_840, 0)
    assert fits["ulx3s_85f"]["cycles_per_token"] > 1260
    assert not fits["ulx3s_25f"]["fits"]
    assert fits["ulx3s_25f"]["reason"] is None
    assert fits["ulx3s_25f"]["loads"] == 24
    assert fits["ulx3s_25f"]["link_bytes_per_token"] == 156_028
    assert fits["icebreaker"]["loads"] == 1
    text = trine("info", "austen-small").out
    assert "bits/character" in text
    assert "carries all loads but the first" in text
    assert all(name in text for name in fits), "in full, however narrow the other columns get"


def test_classifier(trine):
    text = trine("info", "digits-binary").out
    assert "binary (BitNet) classifier: 64 - 64 - 10" in text
    assert "test images right" in text
    assert "inputs a second" in text


def test_model_for_ones_own(trine, small_toml):
    figures = trine("info", "austen-small", "--config", small_toml, "--json").figures
    (row,) = figures["devices"]
    assert row["preset"] == "mine"
    assert row["weight_words_available"] == 1024
    assert not row["fits"]
    assert row["loads"] > 1


def test_preset(trine):
    figures = trine("info", "ulx3s_85f", "--json").figures
    assert figures["trits_per_cycle"] == 512
    assert figures["gtrit_per_s"] == 512 * figures["figures_clock_mhz"] / 1000
    assert figures["weight_bits"] == 2 * figures["weight_trits"]
    assert "uart, 0.3 MB/s" in trine("info", "ulx3s_85f").out


def test_bare_preset(trine):
    assert trine("info", "array_25f_384").code == 0


def test_configuration_file(trine, small_toml, refused):
    for arguments in ((small_toml,), ("--config", small_toml)):
        assert trine("info", *arguments, "--json").figures["weight_words"] == 1024
    small_toml.write_text("lanes = 0")
    assert "mine.toml" in refused("info", small_toml)


def test_image(trine, tmp_path):
    path = tmp_path / "a.img"
    trine("compile", "austen-tiny", "--preset", "ulx3s_25f", "-o", path)
    figures = trine("info", path, "--json").figures
    assert (figures["image"], figures["preset"], figures["kind"]) == ("austen-tiny", "ulx3s_25f", "decoder")
    assert (figures["weight_words"], figures["weight_words_available"]) == (510, 512)
    assert figures["layers"]["model.layers.0.mlp.down_proj"] == [80, 160]
    assert "austen-tiny" in trine("info", path).out


def test_bad_input(refused, tmp_path, small_toml):
    assert "no model 'nothing'" in refused("info", "nothing")
    assert "both say which configuration" in refused("info", "ulx3s_85f", "--config", small_toml)
    (tmp_path / "x").write_bytes(b"trine\r\n\x1a")
    assert "truncated" in refused("info", tmp_path / "x")
    (tmp_path / "y").write_bytes(b"text")
    assert "y: a file, but not a .gguf one" in refused("info", tmp_path / "y")
