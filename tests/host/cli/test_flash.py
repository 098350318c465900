import stat
import sys

import pytest


@pytest.fixture
def programmer(tmp_path, monkeypatch):
    """The only program on PATH: an iceprog that writes down what it is called with."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.chdir(tmp_path)
    script = folder / "iceprog"
    script.write_text(f"#!{sys.executable}\nimport sys, pathlib\npathlib.Path('seen').write_text(sys.argv[1])\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def test_flash(trine, programmer):
    (programmer / "mine.bin").write_bytes(b"bits")
    outcome = trine("flash", "icebreaker", "mine.bin")
    assert outcome.code == 0
    assert outcome.out == "mine.bin is in iCEBreaker.\n"
    assert (programmer / "seen").read_text() == str(programmer / "mine.bin")


def test_what_was_built(trine, programmer):
    (programmer / "build").mkdir()
    (programmer / "build" / "icebreaker.bin").write_bytes(b"bits")
    assert trine("flash", "icebreaker").code == 0
    assert (programmer / "seen").read_text() == str(programmer / "build" / "icebreaker.bin")


def test_missing_programmer(trine, programmer):
    (programmer / "mine.bit").write_bytes(b"bits")
    outcome = trine("flash", "ulx3s_25f", "mine.bit")
    assert outcome.code == 4
    assert "openFPGALoader, which programs ULX3S 25F, is not installed: apt install" in outcome.err


@pytest.mark.parametrize(("arguments", "message"), [
    (["icebreaker"], "build/icebreaker.bin: no bitstream; make it with trine build"),
    (["array_up5k_40"], "'array_up5k_40' is a bare array, which no board has"),
    (["nothing"], "'nothing' is no board's preset"),
])
def test_refused(refused, programmer, arguments, message):
    assert message in refused("flash", *arguments)
