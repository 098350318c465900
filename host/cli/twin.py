"""`trine twin`: a board's USB and gateware, simulated, for other programs."""

from pathlib import Path

import click

from trine.host.cli.common import config_option, progress, say
from trine.host.open import device_configuration


@click.command("twin")
@click.argument("preset", required=False)
@config_option
@click.option("--port", type=click.IntRange(0, 65535), default=3240, show_default=True,
              help="TCP port of 127.0.0.1; 0 takes any that is free.")
def twin_command(preset: str | None, config: Path | None, port: int) -> None:
    """Plug a simulated board into a simulated bus, and serve it by USB/IP on this machine's loopback until Ctrl-C.

    Another program, or Linux itself with `usbip attach`, drives it as it would the board. For trine's own commands
    there is `--device twin:PRESET`, which needs no server.
    """
    from trine.host.twin import serve_twin

    configuration = device_configuration(f"twin:{preset}" if preset else "twin", config)
    assert configuration is not None
    with progress("simulator") as report:
        server = serve_twin(configuration, port, say, report)
    say(f"{configuration.name} is at 127.0.0.1:{server.port} by USB/IP, bus id 1-1, until Ctrl-C.")
    try:
        server.serve()
    finally:
        server.close()
