"""The boards that are attached to this machine: what each says of itself, and whether that is so.

Devices on USB are asked, for they carry trine's name. A serial port could be anybody's, so it is only listed: who knows
what is behind it names it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serial.tools import list_ports

from trine.firmware.counters import Counters
from trine.firmware.image import Image
from trine.host.clock import TimedClock, time_clock
from trine.host.connection import Connection
from trine.host.errors import MismatchError, SetupError, TrineError, UsageError
from trine.host.identify import TIMEOUT, presets_of
from trine.host.info import Info, greet, read_counters, read_info
from trine.host.open import counted, open_device
from trine.host.usb import UsbTransport
from trine.host.usb_devices import UsbDevice, attached, find_backend

ADAPTERS = {(0x0403, 0x6010): "FT2232H, as on an iCEBreaker (the second of its two ports)",
            (0x0403, 0x6015): "FT231X, as on a ULX3S"}
"""USB-serial chips of the boards that there are presets for."""
CLOCK_SECONDS = 0.5
"""For how long a clock is timed."""


@dataclass(frozen=True)
class Board:
    """A device that is attached.

    name: what `open_device` calls it. where: in a few words. info: what it says it is, None if it does not answer.
    presets: the names of those that have its configuration, none if it is a user's own. packing: theirs. clock: by
    the host's time, None if that does not pass for it. fault: what is wrong with it, None if nothing is.
    """

    name: str
    where: str
    info: Info | None = None
    presets: tuple[str, ...] = ()
    packing: str | None = None
    clock: TimedClock | None = None
    fault: TrineError | None = None

    @property
    def configuration(self) -> str:
        """Its configuration in words: the presets that have it, or its hash."""
        return " or ".join(self.presets) or (f"no preset's, {self.info.configuration_hash:016x}" if self.info else "?")

    def compare(self, image: Image) -> str | None:
        """What an image is to this device, in a few words; None if it is for another configuration than its own."""
        if self.info is None:
            return "not compared"
        if self.info.configuration_hash != image.configuration_hash:
            return None
        held = image.load_of(self.info.image_id)
        if held is None:
            return "fits, not resident"
        return "resident" if len(image.loads) == 1 else f"load {held} of {len(image.loads)} is there"

    def figures(self) -> dict[str, Any]:
        """What the JSON says of it."""
        info = self.info
        return {
            "device": self.name,
            "where": self.where,
            "ok": self.fault is None,
            "fault": None if self.fault is None else str(self.fault),
            "presets": list(self.presets),
            "packing": self.packing,
            "clock_mhz_timed": None if self.clock is None else [self.clock.low, self.clock.high],
            **({} if info is None else {
                "configuration_hash": f"{info.configuration_hash:016x}",
                "build_id": f"{info.build_id:016x}",
                "image_id": info.image_id,
                "lanes": info.lanes,
                "depth": info.depth,
                "clock_khz": info.clock_khz,
            }),
        }


@dataclass(frozen=True)
class SerialPort:
    """A port of a USB adapter. name: what `open_device` calls it. what: the adapter."""

    name: str
    what: str


def usb_boards() -> list[Board]:
    """All devices on USB, asked one after another."""
    try:
        backend = find_backend()
        devices = attached(backend)
    except SetupError as error:
        return [Board("usb", "", fault=error)]
    return [_ask(device, backend) for device in devices]


def named_board(name: str, config: Path | None) -> Board:
    """The device of that name, a board or not; config: the file of its configuration. UsageError for a wrong name."""
    try:
        with open_device(name, config=config) as device:
            return describe(name, "", None, device.info(), device.counters if counted(name) == "counted" else None)
    except UsageError:
        raise
    except TrineError as error:
        return Board(name, "", fault=error)


def serial_ports() -> list[SerialPort]:
    """Serial ports behind USB adapters; those of the presets' boards come first."""
    ports = [port for port in list_ports.comports() if port.vid is not None]
    ports.sort(key=lambda port: ((port.vid, port.pid) not in ADAPTERS, port.device))
    return [SerialPort(f"serial:{port.device}", ADAPTERS.get((port.vid, port.pid), port.description)) for port in ports]


def describe(name: str, where: str, kind: str | None, info: Info, counters: Callable[[], Counters] | None) -> Board:
    """A device that answers. kind: of its link. counters: how to read them, None if no time passes for the device."""
    presets = presets_of(info, kind)
    clock, said, fault = None, info.clock_khz / 1000, None
    if counters is not None:
        clock = time_clock(counters, CLOCK_SECONDS)
        if not clock.agrees(said):
            fault = MismatchError(f"{name}: its clock is {clock} MHz by the host's time, and it says {said:g} MHz")
    packing = presets[0].packing if presets else None
    return Board(name, where, info, tuple(preset.name for preset in presets), packing, clock, fault)


def _ask(device: UsbDevice, backend: Any) -> Board:
    if device.fault is not None:
        return Board(device.name, device.where, fault=device.fault)
    try:
        transport = UsbTransport(device.serial, backend)
        try:
            connection = Connection(transport, TIMEOUT)
            greet(connection)
            return describe(device.name, device.where, device.kind, read_info(connection),
                            lambda: read_counters(connection))
        finally:
            transport.close()
    except TrineError as error:
        return Board(device.name, device.where, fault=type(error)(f"{device.name}: {error}"))
