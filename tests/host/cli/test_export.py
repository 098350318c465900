import pytest


def test_config(trine, tmp_path):
    (tmp_path / "mine.toml").write_text('base = "tinyfpga_bx"\nlanes = 2\nweight_words = 64\n')
    outcome = trine("export", "--config", tmp_path / "mine.toml", "-o", tmp_path / "a.v")
    assert outcome.code == 0
    text = (tmp_path / "a.v").read_text()
    assert "module mine(" in text
    assert f"{text.count(chr(10)):,} lines of SystemVerilog" in outcome.out


@pytest.mark.parametrize(("arguments", "message"), [
    (("nothing",), "unknown preset 'nothing'"),
    ((), "name one preset, or give a file with --config"),
    (("ulx3s_85f", "--config", "x.toml"), "name one preset"),
])
def test_bad_input(refused, tmp_path, arguments, message):
    assert message in refused("export", *arguments, "-o", tmp_path / "a.v")
