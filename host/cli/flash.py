"""`trine flash`: a bitstream into a board."""

from pathlib import Path

import click

from trine.host.cli.build import FOLDER
from trine.host.cli.common import say
from trine.host.errors import bad_input


@click.command("flash")
@click.argument("preset")
@click.argument("file", required=False, type=click.Path(path_type=Path))
def flash_command(preset: str, file: Path | None) -> None:
    """Write FILE into the board of PRESET with its usual programmer (iceprog, openFPGALoader, dfu-util and so on).

    Without FILE it is what `trine build PRESET` wrote to build/.
    """
    from trine.host.flash import flash
    from trine.hw.boards.table import find_board

    with bad_input():
        board = find_board(preset)
    bitstream = file if file is not None else FOLDER / (preset + board.suffix)
    flash(board, bitstream)
    say(f"{bitstream} is in {board.title}.")
