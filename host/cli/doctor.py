"""`trine doctor`: what of all that trine needs is there, and which boards are attached."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table

import trine
from trine.firmware.image import Image
from trine.host.attached import Board, SerialPort, named_board, serial_ports, usb_boards
from trine.host.checkup import Finding, examine
from trine.host.cli.common import config_option, console, json_option, print_json, say
from trine.host.compiled import open_image
from trine.host.errors import MismatchError, SetupError, TrineError, UsageError
from trine.host.open import named_configuration

UDEV_RULE = Path(__file__).resolve().parents[1] / "udev" / "70-trine.rules"


@click.command("doctor")
@click.option("--device", metavar="DEVICE", help="Ask this device too: one of the serial ports that are listed, say.")
@config_option
@click.option("--image", type=click.Path(path_type=Path), metavar="FILE", help="Compare the devices with this image.")
@click.option("--udev", is_flag=True, help="Print the udev rule and how to install it, and nothing else.")
@json_option
def doctor_command(device: str | None, config: Path | None, image: Path | None, udev: bool, as_json: bool) -> None:
    """What of all that trine needs is there, which boards are attached, and what to do about the rest.

    Devices on USB are asked what they are, and their clock is timed. Serial ports are listed: name one with --device.
    Exit code 4 if something is missing; 1 if a device does not answer, is not what it says, or not what the image is
    for.
    """
    if udev:
        click.echo(UDEV_RULE.read_text(encoding="utf-8"), nl=False)
        return
    if config is not None and device is None and image is None:
        raise UsageError(f"--config {config} says what a --device or an --image is; name one")
    wanted = None
    if image is not None:
        wanted, _ = open_image(image, None if config is None else named_configuration(str(config)))
    findings = examine()
    boards = usb_boards() + ([] if device is None else [named_board(device, config)])
    ports = serial_ports()
    faults = _faults(findings, boards, wanted)
    if as_json:
        print_json({
            "trine": trine.__version__,
            "complete": not any(finding.remedy for finding in findings),
            "checks": [{"name": finding.name, "found": finding.found, "for": finding.purpose,
                        "ok": finding.remedy is None, "remedy": finding.remedy} for finding in findings],
            "devices": [board.figures() | ({} if wanted is None else {"image": board.compare(wanted)})
                        for board in boards],
            "serial_ports": [{"device": port.name, "what": port.what} for port in ports],
        })
    else:
        _print_findings(findings)
        _print_boards(boards, ports, wanted)
    if faults:
        raise faults[0]


def _faults(findings: Sequence[Finding], boards: Sequence[Board], image: Image | None) -> list[TrineError]:
    """All that is wrong, what is missing first."""
    missing = [f"{finding.name}: {finding.remedy}" for finding in findings if finding.remedy is not None]
    faults: list[TrineError] = [SetupError("; ".join(missing))] if missing else []
    for board in boards:
        if board.fault is not None:
            faults.append(board.fault)
        if image is not None and board.compare(image) is None:
            faults.append(MismatchError(f"{image.name} was compiled for another configuration "
                                        f"({image.configuration_name}) than {board.name} has ({board.configuration}); "
                                        "compile it for that one"))
    return faults


def _print_findings(findings: Sequence[Finding]) -> None:
    table = Table(title=f"trine {trine.__version__}", title_justify="left")
    for column in ("", "what", "found", "for"):
        table.add_column(column)
    for finding in findings:
        table.add_row("ok" if finding.remedy is None else "!!", finding.name, finding.found, finding.purpose)
    console().print(table)
    if not any(finding.remedy for finding in findings):
        say("Nothing is missing.")


def _print_boards(boards: Sequence[Board], ports: Sequence[SerialPort], image: Image | None) -> None:
    if boards:
        table = Table(title="devices", title_justify="left")
        for column in ("", "device", "configuration", "packing", "build", "clock, MHz", "timed", "image"):
            table.add_column(column)
        for board in boards:
            mark, info = "ok" if board.fault is None else "!!", board.info
            if info is None:
                table.add_row(mark, board.name, board.where)
                continue
            held = f"{info.image_id:08x}" if info.image_id else "none"
            table.add_row(mark, board.name, board.configuration, board.packing or "?", f"{info.build_id:016x}",
                          f"{info.clock_khz / 1000:g}", "" if board.clock is None else str(board.clock),
                          held if image is None else f"{held}: {board.compare(image) or 'for another configuration'}")
        console().print(table)
    else:
        say("No device is attached by USB.")
    for port in ports:
        say(f"{port.name} may be one: {port.what}; ask it with --device.")
