import errno

import pytest
from serial.tools import list_ports

from tests.host.running import RunningMachine
from tests.host.serial_line import SerialLine
from tests.host.usb_bus import Bus, BusDevice
from trine.firmware.presets import PRESETS
from trine.firmware.usb import PRODUCT, PRODUCT_ID, VENDOR_ID
from trine.host import attached


@pytest.fixture(autouse=True)
def bus(monkeypatch, tmp_path):
    """A machine with a cache of its own, an empty USB, and no serial port."""
    bus = Bus()
    monkeypatch.setenv("TRINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(attached, "find_backend", lambda: bus)
    monkeypatch.setattr(attached, "CLOCK_SECONDS", 0.1)
    monkeypatch.setattr(list_ports, "comports", list)
    return bus


@pytest.fixture
def crab(bus):
    """An OrangeCrab on USB."""
    device = BusDevice(PRESETS["orangecrab_85f"], "42")
    device.machine = RunningMachine(PRESETS["orangecrab_85f"], 75, build_id=0xBEEF)
    bus.attached.append(device)
    return device


@pytest.fixture
def image(trine, tmp_path):
    """Compiles digits-ternary for a preset, and returns the file."""

    def compile_for(preset):
        path = tmp_path / f"{preset}.img"
        assert trine("compile", "digits-ternary", "--preset", preset, "-o", path).code == 0
        return path

    return compile_for


def test_complete(trine):
    outcome = trine("doctor")
    assert outcome.code == 0
    assert "Nothing is missing." in outcome.out
    assert "C++ compiler" in outcome.out
    assert outcome.out.endswith("No device is attached by USB.\n")
    assert trine("doctor", "--json").figures["complete"] is True


def test_no_compiler(trine, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    outcome = trine("doctor")
    assert outcome.code == 4
    assert "trine: C++ compiler: CXX names 'no-such-compiler'" in outcome.err
    figures = trine("doctor", "--json").figures
    assert figures["complete"] is False
    assert [check["name"] for check in figures["checks"] if not check["ok"]] == ["C++ compiler"]


def test_device(trine, crab):
    outcome = trine("doctor")
    assert outcome.code == 0
    assert "No device" not in outcome.out
    figures = trine("doctor", "--json").figures
    (device,) = figures["devices"]
    assert device["device"] == "usb:42"
    assert device["presets"][0] == "orangecrab_85f"
    assert device["packing"] == "trit2"
    assert device["build_id"] == "000000000000beef"
    assert device["clock_khz"] == 75000
    least, most = device["clock_mhz_timed"]
    assert least < 75 < most
    assert device["ok"] is True
    assert "image" not in device


def test_image(trine, crab, image):
    fitting, other = image("orangecrab_85f"), image("cynthion")
    outcome = trine("doctor", "--image", fitting)
    assert outcome.code == 0
    assert "none: fits" in outcome.out
    outcome = trine("doctor", "--image", other, "--json")
    assert outcome.code == 1
    assert "was compiled for another configuration (cynthion) than usb:42 has (orangecrab_85f or" in outcome.err
    assert outcome.figures["devices"][0]["image"] is None


def test_no_permission(trine, crab):
    crab.opens = errno.EACCES
    outcome = trine("doctor")
    assert outcome.code == 4
    assert "no permission to open it; install the udev rule (trine doctor --udev says how)" in outcome.err


def test_wrong_clock(trine, crab):
    crab.machine = RunningMachine(PRESETS["orangecrab_85f"], 20)
    outcome = trine("doctor")
    assert outcome.code == 1
    assert "MHz by the host's time, and it says 75 MHz" in outcome.err


def test_serial_port(trine):
    line = SerialLine(RunningMachine(PRESETS["icebreaker"], 24))
    outcome = trine("doctor", "--device", f"serial:{line.path}", "--json")
    line.unplug()
    assert outcome.code == 0
    (device,) = outcome.figures["devices"]
    assert device["presets"] == ["icebreaker"]
    least, most = device["clock_mhz_timed"]
    assert least < 24 < most


def test_named_device_that_does_not_answer(trine):
    outcome = trine("doctor", "--device", "usb:7", "--json")
    assert outcome.code == 1
    assert outcome.figures["devices"][0]["ok"] is False


def test_udev(trine):
    """The rule, with the ids that gateware and host have."""
    outcome = trine("doctor", "--udev")
    rule = " ".join(line for line in outcome.out.splitlines() if not line.startswith("#"))
    assert f'ATTR{{idVendor}}=="{VENDOR_ID:04x}"' in rule
    assert f'ATTR{{idProduct}}=="{PRODUCT_ID:04x}"' in rule
    assert f'ATTR{{product}}=="{PRODUCT}"' in rule
    assert 'TAG+="uaccess"' in rule
    assert "sudo tee /etc/udev/rules.d/70-trine.rules" in outcome.out


def test_wrong_options(refused, small_toml, tmp_path):
    assert "says what a --device or an --image is" in refused("doctor", "--config", small_toml)
    assert "No such file" in refused("doctor", "--image", tmp_path / "none.img")
    assert "unknown device" in refused("doctor", "--device", "fpga")
