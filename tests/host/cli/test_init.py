"""The command as a whole: exit codes, one line for every failure, pipes and terminals."""

import os
import signal
import subprocess
import sys
import time

import click
import pytest

from trine.host import cli
from trine.host.errors import BuildError, DeviceError, SetupError, UsageError

TRINE = [sys.executable, "-m", "trine.host.cli"]


def trine(*arguments, **kwargs):
    kwargs = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 120} | kwargs
    return subprocess.run([*TRINE, *arguments], **kwargs)


def test_help_needs_nothing_heavy():
    code = ("import sys; from trine.host.cli import invoke; assert invoke(['--help']) == 0; "
            "heavy = {'numpy', 'amaranth', 'rich', 'matplotlib', 'trine.sim', 'trine.hw'} & set(sys.modules); "
            "assert not heavy, heavy")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    for name in cli.SUMMARIES:
        assert f"  {name} " in found.stdout


def test_golden_needs_neither_simulator_nor_gateware():
    code = ("import sys; from trine.host.cli import invoke; "
            "assert invoke(['run', 'digits-ternary', '--device', 'golden:tinyfpga_bx', '--images', '1']) == 0; "
            "heavy = {name for name in sys.modules if name.startswith(('trine.sim', 'trine.hw', 'matplotlib'))}; "
            "assert not heavy, heavy")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr


def test_alone_shows_the_help(capsys):
    assert cli.invoke([]) == 0
    assert "Usage: trine" in capsys.readouterr().out


@pytest.mark.parametrize("name", list(cli.SUMMARIES))
def test_every_command_has_its_help(name, capsys):
    assert cli.invoke([name, "--help"]) == 0
    assert f"Usage: trine {name}" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "message"), [
    (["nothing"], "No such command 'nothing'"),
    (["run"], "Missing argument 'MODEL'"),
    (["info", "--frobnicate"], "No such option"),
    (["demo", "--characters", "0"], "Invalid value for '--characters'"),
    (["demo", "--temperature", "-1"], "Invalid value for '--temperature'"),
])
def test_usage(arguments, message, capsys):
    assert cli.invoke(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("trine: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize(("error", "code", "message"), [
    (DeviceError("no answer"), 1, "trine: no answer\n"),
    (UsageError("two\nlines"), 2, "trine: two lines\n"),
    (BuildError("g++ failed"), 3, "trine: g++ failed\n"),
    (SetupError("no compiler"), 4, "trine: no compiler\n"),
    (KeyboardInterrupt(), 130, "trine: interrupted\n"),
    (ZeroDivisionError("oops"), 1, "trine: unexpected ZeroDivisionError: oops (TRINE_TRACEBACK=1 shows where)\n"),
])
def test_exit_codes(error, code, message, monkeypatch, capsys):
    def fail():
        raise error

    monkeypatch.setattr(cli.Commands, "get_command", lambda self, context, name: click.Command(name, callback=fail))
    assert cli.invoke(["info"]) == code
    assert capsys.readouterr().err == message


def test_traceback_on_demand(monkeypatch, capsys):
    def fail():
        raise UsageError("why")

    monkeypatch.setattr(cli.Commands, "get_command", lambda self, context, name: click.Command(name, callback=fail))
    monkeypatch.setenv("TRINE_TRACEBACK", "1")
    assert cli.invoke(["info"]) == 2
    captured = capsys.readouterr().err
    assert "Traceback" in captured
    assert captured.endswith("trine: why\n")


def test_reader_goes_away():
    process = subprocess.Popen([*TRINE, "info", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(60) == cli.READER_GONE
    assert process.stderr.read() == b""


def test_no_control_codes_in_pipes():
    found = trine("info", env=os.environ | {"TERM": "xterm-256color"})
    assert found.returncode == 0
    assert "\x1b" not in found.stdout
    assert "austen-small" in found.stdout


def test_interrupt():
    process = subprocess.Popen([*TRINE, "demo", "--device", "golden", "--characters", "100000"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(50)  # it speaks
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert process.stderr.read() == b"trine: interrupted\n"


def test_version(capsys):
    assert cli.invoke(["--version"]) == 0
    assert capsys.readouterr().out == "trine, version 0.1.0\n"
