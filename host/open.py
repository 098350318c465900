"""Devices by name.

    sim, sim:PRESET, sim:FILE.toml            the gateware, simulated cycle by cycle
    golden, golden:PRESET, golden:FILE.toml   the functional machine: the same integers, cycles by the cycle model

Boards ("usb", "usb:SERIAL", "serial:PATH") and the USB twin ("twin") have their names, and no driver yet.
"""

from collections.abc import Callable
from pathlib import Path

from trine.firmware.configuration import Configuration, load_configuration
from trine.firmware.machine import Machine
from trine.firmware.presets import PRESETS, find_preset
from trine.host.device import Device
from trine.host.errors import UsageError, bad_input
from trine.host.transport import GoldenTransport, Transport

DEFAULT_PRESET = "ulx3s_85f"
NOT_YET = ("usb", "serial", "twin")


def named_configuration(name: str) -> Configuration:
    """The configuration that a preset's name or the path of a TOML file stands for; UsageError if neither."""
    with bad_input():
        if name.endswith(".toml") or (name not in PRESETS and Path(name).is_file()):
            return load_configuration(Path(name))
        return find_preset(name)


def device_configuration(name: str) -> Configuration:
    """The configuration of the device of that name; UsageError for a name that is none."""
    kind, _, which = name.partition(":")
    if kind in NOT_YET:
        raise UsageError(f"device {name!r} is not available yet; this version drives sim and golden")
    if kind not in ("sim", "golden"):
        raise UsageError(f"unknown device {name!r}; a device is sim or golden, with :PRESET or :FILE.toml after it")
    configuration = named_configuration(which or DEFAULT_PRESET)
    if configuration.bare:
        raise UsageError(f"{configuration.name} is a bare array, without a link to talk to; choose a board's preset")
    return configuration


def open_device(name: str, progress: Callable[[str, float], None] | None = None, trace: Path | None = None) -> Device:
    """The device of that name, greeted and ready for an image.

    progress: told what is done and how much of it, 0 to 1, while a simulator is compiled. trace: file into which the
    simulator writes waveforms (VCD). Raises UsageError for a name that is none, BuildError and SetupError if the
    simulator cannot be built, DeviceError if the device does not answer.
    """
    configuration = device_configuration(name)
    if name.startswith("golden"):
        if trace is not None:
            raise UsageError("the golden device has no signals to trace; use --device sim")
        transport: Transport = GoldenTransport(Machine(configuration))
        return Device(transport, configuration)
    # Only now: a user of other devices needs neither Amaranth's elaboration nor a compiler.
    from trine.host.simulator import open_simulator

    return Device(open_simulator(configuration, progress, trace), configuration, timeout=60)
