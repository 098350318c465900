"""`trine export`: the gateware of a preset as Verilog, for other tools."""

from pathlib import Path

import click

from trine.host.cli.common import config_option, configuration, json_option, print_json, progress, say
from trine.host.output import output_file


@click.command("export")
@click.argument("preset", required=False)
@config_option
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE.v", help="Where it goes.")
@json_option
def export_command(preset: str | None, config: Path | None, output: Path, as_json: bool) -> None:
    """Write the Verilog (SystemVerilog) of PRESET, or of a configuration of your own.

    The top module has the accelerator's streams as ports: bytes in, bytes out, clock and reset.
    """
    chosen = configuration(preset, config)
    from trine.host.gateware import export_verilog

    with progress("export") as report:
        report("elaborating the gateware, and Yosys", 0.0)
        text = export_verilog(chosen)
    with output_file(output) as file:
        file.write(text.encode())
    if as_json:
        print_json({"preset": chosen.name, "output": str(output), "lines": text.count("\n"), "bytes": len(text)})
    else:
        say(f"{output}: {chosen.name}, {text.count(chr(10)):,} lines of SystemVerilog.")
