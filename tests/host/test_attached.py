import errno
from types import SimpleNamespace

import pytest
from serial.tools import list_ports

from tests.host.running import RunningMachine
from tests.host.usb_bus import Bus, BusDevice
from trine.firmware.machine import Machine
from trine.firmware.presets import PRESETS
from trine.host import attached
from trine.host.attached import Board, describe, named_board, serial_ports, usb_boards
from trine.host.compiled import load_any
from trine.host.errors import DeviceError, MismatchError, SetupError, UsageError
from trine.host.identify import ask
from trine.host.transport import GoldenTransport

CRAB = PRESETS["orangecrab_85f"]


@pytest.fixture
def bus(monkeypatch):
    bus = Bus()
    monkeypatch.setattr(attached, "find_backend", lambda: bus)
    monkeypatch.setattr(attached, "CLOCK_SECONDS", 0.1)
    return bus


def board(mhz=75.0, **settings):
    device = BusDevice(CRAB, **settings)
    device.machine = RunningMachine(CRAB, mhz, build_id=0xABC)
    return device


def test_none(bus):
    assert usb_boards() == []


def test_usb_boards(bus):
    bus.attached += [board(serial="1"), board(serial="2")]
    first, second = usb_boards()
    assert (first.name, second.name) == ("usb:1", "usb:2")
    assert first.presets == ("orangecrab_85f", "ulx3s_85f", "butterstick")
    assert first.packing == "trit2"
    assert first.info is not None
    assert first.info.build_id == 0xABC
    assert first.clock is not None
    assert first.clock.agrees(75)
    assert first.fault is None
    assert bus.open_handles == 0


def test_clock_that_is_another_than_the_device_says(bus):
    bus.attached += [board(20.0)]
    (found,) = usb_boards()
    assert isinstance(found.fault, MismatchError)
    assert str(found.fault) == f"usb:0001: its clock is {found.clock} MHz by the host's time, and it says 75 MHz"
    assert found.clock is not None
    assert found.clock.agrees(20)


def test_one_device_that_is_broken_hides_no_other(bus, monkeypatch):
    monkeypatch.setattr(attached, "TIMEOUT", 0.3)
    dumb, locked = board(serial="1", in_bytes=-1), board(serial="2")
    locked.opens = errno.EACCES
    bus.attached += [dumb, locked, board(serial="3")]
    found = usb_boards()
    assert isinstance(found[0].fault, DeviceError)
    assert str(found[0].fault).startswith("usb:1: no answer to HELLO")
    assert isinstance(found[1].fault, SetupError)
    assert found[2].fault is None


def test_no_libusb(monkeypatch):
    def refuse():
        raise SetupError("libusb cannot be loaded")

    monkeypatch.setattr(attached, "find_backend", refuse)
    (found,) = usb_boards()
    assert isinstance(found.fault, SetupError)


def test_named_board(small_toml):
    found = named_board("golden:icebreaker", None)
    assert (found.presets, found.packing, found.clock, found.fault) == (("icebreaker",), "trit5x8", None, None)
    own = named_board("golden", small_toml)
    assert own.info is not None
    assert (own.presets, own.packing) == ((), None)
    assert own.configuration == f"no preset's, {own.info.configuration_hash:016x}"
    with pytest.raises(UsageError, match=r"unknown device"):
        named_board("fpga", None)


def test_compare():
    machine = Machine(PRESETS["ulx3s_25f"])
    image, _ = load_any("digits-ternary", PRESETS["ulx3s_25f"])
    other, _ = load_any("digits-ternary", PRESETS["icebreaker"])
    found = describe("it", "", None, ask(GoldenTransport(machine)), None)
    assert (found.compare(image), found.compare(other)) == ("fits, not resident", None)
    machine._image_id = image.image_id
    assert describe("it", "", None, ask(GoldenTransport(machine)), None).compare(image) == "resident"
    assert Board("it", "", fault=DeviceError("dumb")).compare(image) == "not compared"


def test_serial_ports(monkeypatch):
    """Ports without a USB adapter are none of a board's; those of the presets' boards come first."""
    ports = [("/dev/ttyS0", None, None, "n/a"), ("/dev/ttyUSB0", 0x10C4, 0xEA60, "CP2102"),
             ("/dev/ttyUSB1", 0x0403, 0x6015, "ULX3S")]
    monkeypatch.setattr(list_ports, "comports", lambda: [
        SimpleNamespace(device=device, vid=vid, pid=pid, description=text) for device, vid, pid, text in ports])
    assert [(port.name, port.what) for port in serial_ports()] == [
        ("serial:/dev/ttyUSB1", "FT231X, as on a ULX3S"), ("serial:/dev/ttyUSB0", "CP2102")]
