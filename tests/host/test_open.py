from dataclasses import replace

import pytest

from tests.host.serial_line import SerialLine
from tests.host.usb_bus import Bus, BusDevice
from trine.firmware.machine import Machine
from trine.firmware.presets import PRESETS
from trine.host import serial_port, usb
from trine.host.errors import DeviceError, UsageError
from trine.host.open import counted, device_configuration, open_device


@pytest.mark.parametrize(("name", "preset"), [("golden", "ulx3s_85f"), ("golden:icebreaker", "icebreaker"),
                                              ("sim", "ulx3s_85f"), ("sim:cynthion", "cynthion"),
                                              ("twin:orangecrab_25f", "orangecrab_25f")])
def test_device_configuration(name, preset):
    assert device_configuration(name) is PRESETS[preset]


def test_device_configuration_of_a_file(small_toml):
    found = device_configuration(f"golden:{small_toml}")
    assert found is not None
    assert found.weight_words == 1024
    assert found.name == "mine"


@pytest.mark.parametrize(("name", "message"), [
    ("usb:", r"usb: needs the device's serial number after it"),
    ("serial", r"a serial device needs its port"),
    ("serial:/no/such/port", r"/no/such/port: no such port; trine doctor lists those that there are"),
    ("serial:/dev/null", r"/dev/null: cannot be opened at 3000000 baud: Could not configure port"),
    ("twin:array_25f_384", r"array_25f_384 is a bare array"),
    ("fpga", r"unknown device 'fpga'; a device is sim, golden or twin"),
    ("", r"unknown device ''"),
    ("golden:nothing", r"unknown preset 'nothing'; presets are icebreaker"),
    ("golden:/no/such.toml", r"/no/such\.toml: cannot read the configuration: No such file"),
    ("sim:array_25f_384", r"array_25f_384 is a bare array"),
])
def test_wrong_names(name, message):
    with pytest.raises(UsageError, match=message):
        open_device(name)


def test_golden():
    with open_device("golden:ulx3s_25f") as device:
        assert device.configuration is PRESETS["ulx3s_25f"]
        assert device.echo(b"hello") == b"hello"


@pytest.fixture
def bus(monkeypatch):
    """An empty USB, in the place of the system's."""
    bus = Bus()
    monkeypatch.setattr(usb, "find_backend", lambda: bus)
    return bus


@pytest.fixture
def plug_serial():
    """Makes serial ports with a device of a configuration behind each."""
    lines = []

    def plug(configuration):
        lines.append(SerialLine(Machine(configuration)))
        return lines[-1].path

    yield plug
    for line in lines:
        line.unplug()


def test_usb(bus):
    """One hash is several boards'; on USB at full speed it is the OrangeCrab's."""
    bus.attached.append(BusDevice(PRESETS["orangecrab_85f"], "42"))
    for name in ("usb", "usb:42"):
        with open_device(name) as device:
            assert device.configuration is PRESETS["orangecrab_85f"]
            assert device.echo(b"hello") == b"hello"


def test_usb_none(bus):
    with pytest.raises(DeviceError, match=r"no trine device with serial number 7 is attached by USB"):
        open_device("usb:7")


def test_usb_of_a_configuration_of_ones_own(bus, small_toml):
    mine = replace(PRESETS["ulx3s_85f"], name="mine", weight_words=1024)
    bus.attached.append(BusDevice(mine))
    with pytest.raises(UsageError, match=r"usb:0001 has 16 lanes x 32 columns, and its configuration is no preset's "
                                         r"\([0-9a-f]{16}\); give its file with --config"):
        open_device("usb")
    assert bus.open_handles == 0
    with open_device("usb", config=small_toml) as device:
        assert device.configuration == mine
    bus.attached[:] = [BusDevice(PRESETS["cynthion"])]
    with pytest.raises(DeviceError, match=r"has 20 lanes x 9 columns, and another configuration .* than mine"):
        open_device("usb", config=small_toml)
    assert bus.open_handles == 0


@pytest.mark.parametrize("preset", ["ulx3s_25f", "icebreaker"])
def test_serial(plug_serial, preset):
    with open_device(f"serial:{plug_serial(PRESETS[preset])}") as device:
        assert device.configuration is PRESETS[preset]


def test_serial_at_the_rate_at_which_it_answers(plug_serial, monkeypatch):
    opened = []

    class Deaf(serial_port.SerialTransport):
        def __init__(self, path, baud):
            opened.append(baud)
            super().__init__(path, baud)

        def write(self, data):
            if self._baud == 6_000_000:
                super().write(data)

    monkeypatch.setattr(serial_port, "SerialTransport", Deaf)
    monkeypatch.setattr("trine.host.identify.TIMEOUT", 0.3)
    with open_device(f"serial:{plug_serial(PRESETS['icebreaker'])}") as device:
        assert device.configuration is PRESETS["icebreaker"]
    assert opened == [3_000_000, 6_000_000]


def test_serial_of_a_configuration_of_ones_own(plug_serial, small_toml):
    path = plug_serial(replace(PRESETS["ulx3s_85f"], weight_words=1024))
    with open_device(f"serial:{path}", config=small_toml) as device:
        assert device.configuration.name == "mine"


def test_serial_silent(plug_serial, monkeypatch):
    monkeypatch.setattr("trine.host.identify.TIMEOUT", 0.3)
    monkeypatch.setattr(Machine, "feed", lambda self, data: b"")
    with pytest.raises(DeviceError, match=r"serial:/dev/pts/\d+: no answer at 3,000,000 or 6,000,000 baud; check that"):
        open_device(f"serial:{plug_serial(PRESETS['icebreaker'])}")


def test_serial_of_a_configuration_without_uart(tmp_path):
    path = tmp_path / "crab.toml"
    path.write_text('base = "orangecrab_25f"')
    with pytest.raises(UsageError, match=r"crab has no UART, whose rate serial:/dev/x should have"):
        open_device("serial:/dev/x", config=path)


@pytest.mark.parametrize("name", ["usb", "serial:/dev/x", "golden"])
def test_nothing_else_has_waveforms(name, tmp_path):
    with pytest.raises(UsageError, match=r"has no signals to trace; use --device sim"):
        open_device(name, trace=tmp_path / "x.vcd")


def test_two_configurations(small_toml):
    with pytest.raises(UsageError, match=r"--config .*mine\.toml and --device golden:cynthion both say which"):
        open_device("golden:cynthion", config=small_toml)


def test_counted():
    assert {name: counted(name) for name in ("sim", "sim:icebreaker", "golden", "usb:1", "serial:/dev/x")} == {
        "sim": "simulated", "sim:icebreaker": "simulated", "golden": "estimated", "usb:1": "counted",
        "serial:/dev/x": "counted"}
