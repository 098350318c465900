import os
import stat
import sys

import pytest

from trine.host.errors import DeviceError, SetupError, UsageError
from trine.host.flash import flash
from trine.hw.boards.table import BOARDS

PROGRAMS = {"icebreaker": "iceprog", "tinyfpga_bx": "tinyprog", "ulx3s_85f": "openFPGALoader",
            "orangecrab_25f": "dfu-util", "cynthion": "apollo", "butterstick": "dfu-util"}


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A folder that is all there is on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def file(tmp_path):
    bitstream = tmp_path / "a b.bin"
    bitstream.write_bytes(b"bits")
    return bitstream


def program(folder, name, code):
    """A programmer that runs Python, its arguments in sys.argv."""
    script = folder / name
    script.write_text(f"#!{sys.executable}\nimport sys, time, pathlib\n{code}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(("preset", "name"), PROGRAMS.items())
def test_called(path, file, preset, name):
    """The board's programmer gets its options and the file, whole, with no shell in between."""
    program(path, name, f"pathlib.Path({str(path / 'seen')!r}).write_text('|'.join(sys.argv[1:]))")
    flash(BOARDS[preset], file)
    seen = (path / "seen").read_text().split("|")
    assert seen[-1] == str(file)
    assert tuple(seen[:-1]) == BOARDS[preset].programmer.command[1:-1]


@pytest.mark.parametrize(("preset", "name"), PROGRAMS.items())
def test_missing(path, file, preset, name):
    with pytest.raises(SetupError, match=rf"^{name}, which programs .*, is not installed: .*(pip|apt) install "):
        flash(BOARDS[preset], file)


def test_fails(path, file):
    program(path, "iceprog", "sys.exit(3)")
    with pytest.raises(DeviceError, match=r"^iceprog ended with code 3; is iCEBreaker connected, and may"):
        flash(BOARDS["icebreaker"], file)


def test_hangs(path, file):
    program(path, "iceprog", f"pathlib.Path({str(path / 'pid')!r}).write_text('x'); time.sleep(60)")
    with pytest.raises(DeviceError, match=r"^iceprog was not done after 1 s, and was stopped; is iCEBreaker connected"):
        flash(BOARDS["icebreaker"], file, seconds=1)


def test_cannot_be_run(path, file):
    (path / "iceprog").write_text("#!/nowhere/python\n")
    os.chmod(path / "iceprog", 0o755)
    with pytest.raises(SetupError, match=r"iceprog cannot be run: No such file"):
        flash(BOARDS["icebreaker"], file)


@pytest.mark.parametrize("content", [None, b""])
def test_no_file(path, tmp_path, content):
    bitstream = tmp_path / "none.bin"
    if content is not None:
        bitstream.write_bytes(content)
    with pytest.raises(UsageError, match=r"none.bin: no bitstream; make it with trine build"):
        flash(BOARDS["icebreaker"], bitstream)


def test_another_boards(path, file):
    file.with_suffix(".json").write_text('{"board": "ULX3S 85F"}')
    with pytest.raises(UsageError, match=r"is for ULX3S 85F, not for iCEBreaker$"):
        flash(BOARDS["icebreaker"], file)


def test_a_file_of_ones_own(path, file):
    """A description that is none does not keep a file from being written."""
    file.with_suffix(".json").write_text("[]")
    program(path, "iceprog", "")
    flash(BOARDS["icebreaker"], file)
