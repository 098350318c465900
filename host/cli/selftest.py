"""`trine selftest`: a device part by part, compared with golden, and a report that a bug report can take."""

from pathlib import Path

import click

from trine.host.cli.common import config_option, device_option, json_option, print_json, progress, say
from trine.host.errors import MismatchError, UsageError
from trine.host.open import counted, open_device
from trine.host.output import output_file
from trine.host.selftest import selftest


@click.command("selftest")
@device_option("usb")
@config_option
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is random.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=Path("trine-selftest.md"),
              show_default=True, metavar="FILE.md", help="Where the report goes.")
@json_option
def selftest_command(device: str, config: Path | None, seed: int, output: Path, as_json: bool) -> None:
    """Exercise a device: loopback, every trit of the weight memory, layers of all shapes, clock and throughput.

    Everything is compared with golden. The report, text and JSON in one file, can be pasted into an issue as it is.
    The image that the device held is lost.
    """
    if not output.parent.is_dir():
        raise UsageError(f"{output}: there is no folder {output.parent} for the report")
    with progress("simulator") as report:
        opened = open_device(device, report, config=config)
    with opened, progress("selftest") as report:
        found = selftest(opened, device, seed, board=counted(device) == "counted", progress=report)
    with output_file(output) as file:
        file.write(found.markdown().encode())
    if as_json:
        print_json(found.figures())
    else:
        for check in found.checks:
            say(f"{'ok    ' if check.passed else 'FAILED'} {check.name}: {check.detail}")
        say(f"The report is in {output}.")
    if found.failure is not None:
        raise MismatchError(f"{device}: {found.failure}; {output} has the report")
