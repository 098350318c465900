"""The boards by the names of their presets."""

from trine.firmware.presets import PRESETS
from trine.hw.boards import butterstick, cynthion, icebreaker, orangecrab, tinyfpga_bx, ulx3s
from trine.hw.boards.board import Board

BOARDS: dict[str, Board] = {
    "icebreaker": icebreaker.BOARD,
    "tinyfpga_bx": tinyfpga_bx.BOARD,
    "ulx3s_25f": ulx3s.BOARD_25F,
    "orangecrab_25f": orangecrab.BOARD_25F,
    "ulx3s_85f": ulx3s.BOARD_85F,
    "orangecrab_85f": orangecrab.BOARD_85F,
    "cynthion": cynthion.BOARD,
    "butterstick": butterstick.BOARD,
}
"""One for every preset but the bare arrays."""


def find_board(name: str) -> Board:
    """The board of that preset; ValueError with the names that exist."""
    if name not in BOARDS:
        kind = "a bare array, which no board has" if name in PRESETS else "no board's preset"
        raise ValueError(f"{name!r} is {kind}; boards are {', '.join(BOARDS)}")
    return BOARDS[name]
