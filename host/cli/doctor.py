"""`trine doctor`: what of all that trine needs is there."""

import click
from rich.table import Table

import trine
from trine.host.cli.common import console, json_option, print_json, say
from trine.host.errors import SetupError


@click.command("doctor")
@json_option
def doctor_command(as_json: bool) -> None:
    """What of all that trine needs is there, and what to do about the rest (exit code 4 if something is missing)."""
    from trine.host.checkup import examine

    findings = examine()
    missing = [finding for finding in findings if finding.remedy is not None]
    if as_json:
        print_json({
            "trine": trine.__version__,
            "complete": not missing,
            "checks": [{"name": finding.name, "found": finding.found, "for": finding.purpose,
                        "ok": finding.remedy is None, "remedy": finding.remedy} for finding in findings],
        })
    else:
        table = Table(title=f"trine {trine.__version__}", title_justify="left")
        for column in ("", "what", "found", "for"):
            table.add_column(column)
        for finding in findings:
            table.add_row("ok" if finding.remedy is None else "!!", finding.name, finding.found, finding.purpose)
        console().print(table)
        if not missing:
            say("Nothing is missing.")
    if missing:
        raise SetupError("; ".join(f"{finding.name}: {finding.remedy}" for finding in missing))
