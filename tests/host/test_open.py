import pytest

from trine.firmware.presets import PRESETS
from trine.host.errors import UsageError
from trine.host.open import device_configuration, open_device


@pytest.mark.parametrize(("name", "preset"), [("golden", "ulx3s_85f"), ("golden:icebreaker", "icebreaker"),
                                              ("sim", "ulx3s_85f"), ("sim:cynthion", "cynthion")])
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
    ("twin", r"not available yet"),
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


def test_golden_has_no_waveforms(tmp_path):
    with pytest.raises(UsageError, match=r"the golden device has no signals to trace"):
        open_device("golden", trace=tmp_path / "x.vcd")
