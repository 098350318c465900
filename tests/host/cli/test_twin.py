"""`trine twin` serves until Ctrl-C, and `--device twin` is a device for the other commands."""

import dataclasses
import signal
import socket
import subprocess
import sys
import threading

import pytest

from tests.sim.twin.configuration import CONFIGURATION
from tests.sim.twin.usbip_client import Client


@pytest.fixture
def twin_toml(tmp_path):
    """The file of the configuration that is compiled already."""
    kept = {key: value for key, value in dataclasses.asdict(CONFIGURATION).items()
            if key not in ("name", "link", "bare") and value is not None}
    lines = [f"{key} = {value!r}".replace("'", '"') for key, value in kept.items()]
    path = tmp_path / "small.toml"
    path.write_text("\n".join([*lines, 'link = "orangecrab_85f"', ""]))
    return path


def test_it_serves_until_it_is_interrupted(twin_toml):
    command = [sys.executable, "-m", "trine.host.cli", "twin", "--config", twin_toml, "--port", "0"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as server:
        guard = threading.Timer(300, server.kill)
        guard.start()
        try:
            assert server.stdout is not None
            while "127.0.0.1:" not in (line := server.stdout.readline()):
                assert line, "it ended"
            assert line.startswith("small is at")
            port = int(line.split("127.0.0.1:")[1].split()[0])
            assert Client(port).list() == [("1-1", 0x1209, 0x0001, [0xFF])]
            Client(port).send(b"GET / HTTP/1.1\r\n")
            assert "disconnected: version 0x4745" in server.stdout.readline()
            server.send_signal(signal.SIGINT)
            assert server.communicate(timeout=60)[1].splitlines()[-1] == "trine: interrupted"
            assert server.returncode == 130
        finally:
            guard.cancel()
            server.kill()


def test_a_demo_over_usb(trine, twin_toml):
    figures = trine("demo", "--device", f"twin:{twin_toml}", "--characters", 1, "--prompt", "I", "--json").figures
    golden = trine("demo", "--device", f"golden:{twin_toml}", "--characters", 1, "--prompt", "I", "--json").figures
    assert figures["text"] == golden["text"]
    assert figures["array_cycles_per_token"] == golden["array_cycles_per_token"]
    assert figures["link"]["round_trips"] == 12 * figures["tokens"]
    assert golden["link"] == {}
    assert "link_stall" not in figures["cycles_per_token"]


def test_what_the_bus_did_is_in_the_table(trine, twin_toml):
    out = trine("demo", "--device", f"twin:{twin_toml}", "--characters", 1, "--prompt", "I").out
    rows = {line.split("│")[1].strip(): line for line in out.splitlines() if line.startswith("│")}
    assert "12.0" in rows["USB round trips per token"]
    assert "simulated, full speed" in rows["USB round trips per token"]
    assert " ms " in rows["bus time per token"]


def test_bad_input(refused, twin_toml):
    assert "array_25f_384 is a bare array" in refused("twin", "array_25f_384")
    assert "unknown preset 'nothing'" in refused("twin", "nothing")
    assert "both say which" in refused("twin", "cynthion", "--config", twin_toml)
    assert "the twin has no signals to trace" in refused("demo", "--device", "twin", "--trace", "x.vcd")


def test_a_port_that_is_taken(trine, twin_toml):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = trine("twin", "--config", twin_toml, "--port", port)
    assert outcome.code == 2
    assert f"port {port} of 127.0.0.1 cannot be had: Address already in use" in outcome.err
