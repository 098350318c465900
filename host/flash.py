"""Writes a bitstream into a board with the board's usual programmer."""

import json
import shutil
import subprocess
from pathlib import Path

from trine.host.errors import DeviceError, SetupError, UsageError
from trine.hw.boards.board import Board

SECONDS = 900.0
"""Longest that a programmer may take: some write a flash memory bit by bit."""

STANDARD_ERROR = 2
"""The file descriptor to which programmers tell how far they are."""


def flash(board: Board, file: Path, seconds: float = SECONDS) -> None:
    """Run the board's programmer on a file; what it prints goes to standard error.

    Raises UsageError for a file that is none, or that by its description beside it is for another board; SetupError if
    the programmer is missing; DeviceError if it fails or takes longer than `seconds`.
    """
    _check(board, file)
    program = shutil.which(board.programmer.command[0])
    if program is None:
        raise SetupError(f"{board.programmer.command[0]}, which programs {board.title}, is not installed: "
                         f"{board.programmer.install}")
    arguments = [str(file.resolve()) if part == "{file}" else part for part in board.programmer.command[1:]]
    name = board.programmer.command[0]
    try:
        code = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, stdout=STANDARD_ERROR,
                              timeout=seconds).returncode
    except subprocess.TimeoutExpired:
        raise DeviceError(f"{name} was not done after {seconds:g} s, and was stopped; "
                          f"is {board.title} connected?") from None
    except OSError as error:
        raise SetupError(f"{program} cannot be run: {error.strerror}") from error
    if code:
        raise DeviceError(f"{name} ended with code {code}; is {board.title} connected, and may you use it?")


def _check(board: Board, file: Path) -> None:
    if not file.is_file() or not file.stat().st_size:
        raise UsageError(f"{file}: no bitstream; make it with trine build")
    try:
        made_for = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))["board"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # a file of the user's own, of which nothing is known
    if made_for != board.title:
        raise UsageError(f"{file} is for {made_for}, not for {board.title}")
