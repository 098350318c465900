"""Which configuration a device has that nobody named: it says a hash, and the presets have theirs."""

from trine.firmware.configuration import Configuration
from trine.firmware.presets import PRESETS
from trine.host.connection import Connection
from trine.host.errors import UsageError
from trine.host.info import Info, greet, read_info
from trine.host.transport import Transport

TIMEOUT = 2.0
"""Seconds that a device may take to say what it is."""


def ask(transport: Transport) -> Info:
    """What the device at the other end says it is; DeviceError if it does not answer in time."""
    connection = Connection(transport, TIMEOUT)
    greet(connection)
    return read_info(connection)


def presets_of(info: Info, kind: str | None) -> list[Configuration]:
    """The presets of a device's hash: those with its clock and kind of link (`Link.kind`) before the others.

    One hash may be several boards', which differ in nothing that a program, an image or a result depends on.
    """
    found = [preset for preset in PRESETS.values()
             if not preset.bare and preset.configuration_hash == info.configuration_hash]
    return sorted(found, key=lambda preset: (preset.clock_khz != info.clock_khz,
                                             preset.link is None or preset.link.kind != kind))


def identify(transport: Transport, name: str, kind: str | None) -> Configuration:
    """The preset of the device that is called `name`; UsageError if its configuration is no preset's."""
    info = ask(transport)
    found = presets_of(info, kind)
    if not found:
        raise UsageError(f"{name} has {info.lanes} lanes x {info.depth} columns, and its configuration is no preset's "
                         f"({info.configuration_hash:016x}); give its file with --config")
    return found[0]
