"""Devices by name.

    sim, sim:PRESET, sim:FILE.toml            the gateware, simulated cycle by cycle
    golden, golden:PRESET, golden:FILE.toml   the functional machine: the same integers, cycles by the cycle model
    usb, usb:SERIAL                           a board on USB: the only one there is, or that of a serial number
    serial:PORT                               a board on a serial port
    twin, twin:PRESET, twin:FILE.toml         a board's USB and gateware, simulated, behind the transport of boards

A board says itself what its configuration is, unless it is no preset's: then its file has to be given.
"""

from collections.abc import Callable
from pathlib import Path

from trine.firmware.configuration import Configuration, load_configuration
from trine.firmware.machine import Machine
from trine.firmware.presets import PRESETS, find_preset
from trine.firmware.uart import baud_rate
from trine.host.device import Device
from trine.host.errors import DeviceError, UsageError, bad_input
from trine.host.identify import identify
from trine.host.info import NoAnswer
from trine.host.transport import GoldenTransport, Transport

DEFAULT_PRESET = "ulx3s_85f"
BOARDS = ("usb", "serial")
KINDS = ("sim", "golden", "twin", *BOARDS)

COUNTED = {"sim": "simulated", "twin": "simulated", "golden": "estimated"}
"""What cycles of a kind of device are, if they are not a board's own."""


def counted(name: str) -> str:
    """The evidence of cycles that come from the device of that name: simulated, estimated, or counted by a board."""
    return COUNTED.get(name.partition(":")[0], "counted")


def named_configuration(name: str) -> Configuration:
    """The configuration that a preset's name or the path of a TOML file stands for; UsageError if neither."""
    with bad_input():
        if name.endswith(".toml") or (name not in PRESETS and Path(name).is_file()):
            return load_configuration(Path(name))
        return find_preset(name)


def device_configuration(name: str, config: Path | None = None) -> Configuration | None:
    """The configuration of the device of that name, None for a board's, which only the board knows.

    config: the file that says it instead. Raises UsageError for a name that is none, and if both say which it is.
    """
    kind, _, which = name.partition(":")
    if kind not in KINDS:
        raise UsageError(f"unknown device {name!r}; a device is sim, golden or twin, with :PRESET or :FILE.toml after "
                         "it, usb, usb:SERIAL or serial:PORT")
    if kind in BOARDS:
        if name in ("serial", "serial:"):
            raise UsageError("a serial device needs its port, serial:/dev/ttyUSB0 or serial:COM3 for example; trine "
                             "doctor lists the ports")
        if name == "usb:":
            raise UsageError("usb: needs the device's serial number after it; usb alone is the only device there is")
        return None if config is None else named_configuration(str(config))
    if config is not None and which:
        raise UsageError(f"--config {config} and --device {name} both say which configuration; leave one out")
    configuration = named_configuration(which or (DEFAULT_PRESET if config is None else str(config)))
    if configuration.bare:
        raise UsageError(f"{configuration.name} is a bare array, without a link to talk to; choose a board's preset")
    return configuration


def open_device(name: str, progress: Callable[[str, float], None] | None = None, trace: Path | None = None,
                config: Path | None = None) -> Device:
    """The device of that name, greeted and ready for an image.

    progress: told what is done and how much of it, 0 to 1, while a simulator is compiled. trace: file into which the
    simulator writes waveforms (VCD). config: file of the device's configuration. Raises UsageError for a name that is
    none, a configuration that is no preset's and what does not go together, BuildError and SetupError if the simulator
    cannot be built, SetupError if a board may not be opened, DeviceError if there is none or it does not answer.
    """
    configuration = device_configuration(name, config)
    kind, _, which = name.partition(":")
    if trace is not None and kind != "sim":
        whose = {"golden": "the golden device", "twin": "the twin"}.get(kind, "a board")
        raise UsageError(f"{whose} has no signals to trace; use --device sim")
    if kind == "usb":
        return _open_usb(which or None, configuration)
    if kind == "serial":
        return _open_serial(which, configuration)
    assert configuration is not None
    if kind == "golden":
        transport: Transport = GoldenTransport(Machine(configuration))
        return Device(transport, configuration)
    # Only now: a user of other devices needs neither Amaranth's elaboration nor a compiler.
    if kind == "twin":
        from trine.host.twin import open_twin

        return open_twin(configuration, progress)
    from trine.host.simulator import open_simulator

    return Device(open_simulator(configuration, progress, trace), configuration, timeout=60)


def _open_usb(serial: str | None, configuration: Configuration | None) -> Device:
    from trine.host.usb import UsbTransport

    transport = UsbTransport(serial)
    return _open_board(transport, transport.device.name, transport.device.kind, configuration)


def _open_serial(port: str, configuration: Configuration | None) -> Device:
    """The board on a port, at its configuration's rate or at the first of the presets' rates at which it answers."""
    from trine.host.serial_port import SerialTransport

    name = f"serial:{port}"
    if configuration is not None:
        if configuration.link is None or configuration.link.kind != "uart":
            raise UsageError(f"{configuration.name} has no UART, whose rate {name} should have; give the configuration "
                             "a link of kind uart")
        return _open_board(SerialTransport(port, baud_rate(configuration.link)), name, "uart", configuration)
    rates = sorted({baud_rate(preset.link) for preset in PRESETS.values()
                    if preset.link is not None and preset.link.kind == "uart"})
    for rate in rates:
        transport = SerialTransport(port, rate)
        try:
            return _open_board(transport, name, "uart", None)
        except NoAnswer:
            continue
    raise DeviceError(f"{name}: no answer at {' or '.join(f'{rate:,}' for rate in rates)} baud; check that it is this "
                      "port and that the board has its bitstream, or give the configuration with --config")


def _open_board(transport: Transport, name: str, kind: str | None, configuration: Configuration | None) -> Device:
    if configuration is None:
        try:
            configuration = identify(transport, name, kind)
        except BaseException:
            transport.close()
            raise
    return Device(transport, configuration)
