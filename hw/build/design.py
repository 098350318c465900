"""What is built: a component on pins of nobody's choice, to see what it takes, or a board's top on the board's pins.

A report of a configuration that has a board is about that board's design, the one that is in its bitstream. The other
kind is for what has no board: bare arrays, and a user's configuration for a part of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from amaranth.hdl import Elaboratable

from trine.firmware.configuration import Configuration
from trine.hw.boards.board import Board, Top
from trine.hw.boards.table import BOARDS
from trine.hw.build.source import configuration_text, source_hash, top_module
from trine.hw.build.synthesise import APART, KEEP_HIERARCHY, to_rtlil


@dataclass(frozen=True)
class Design:
    """One design, elaborated.

    configuration: of the device, with the clock that it gets. source_hash: of what it was made from. rtlil: the design.
    required_mhz: clock domain -> frequency that it must reach. pins: where its ports go, in the words of the part's
    place and route; None if that does not matter. build_id: what the device says it is; 0 if it is on no board.
    goal_mhz: what logic is made for (`synthesise`): on a board the fastest clock; what has no board is to be fast.
    """

    configuration: Configuration
    source_hash: str
    rtlil: str
    required_mhz: Mapping[str, float]
    pins: str | None = None
    build_id: int = 0
    goal_mhz: float | None = None


def component_design(configuration: Configuration, top: Elaboratable) -> Design:
    """A component whose members become the ports."""
    current = source_hash(top_module(configuration), configuration_text(configuration))
    return Design(configuration, current, to_rtlil(top), {"sync": configuration.clock_mhz})


def board_design(configuration: Configuration, board: Board, serial: str | None = None) -> Design:
    """A board's top. Raises ValueError for a configuration that is not for the board, and a wrong serial number."""
    current = board_source_hash(configuration, board, serial)
    build_id = int(current[:16], 16)
    top = Top(board, configuration, build_id, serial)
    plan = board.platform().prepare(top, "top", emit_src=False)
    pins = plan.files["top.lpf" if "top.lpf" in plan.files else "top.pcf"]
    made = replace(configuration, clock_mhz=top.mhz["sync"])
    module = f"module \\top.{APART}\n"
    rtlil = plan.files["top.il"].replace(module, KEEP_HIERARCHY + module)
    return Design(made, current, rtlil, top.mhz, pins, build_id, max(top.mhz.values()))


def current_hash(configuration: Configuration) -> str:
    """The source hash that a report of a preset has if it is current."""
    if configuration.name in BOARDS:
        return board_source_hash(configuration, BOARDS[configuration.name])
    return source_hash(top_module(configuration), configuration_text(configuration))


def board_source_hash(configuration: Configuration, board: Board, serial: str | None = None) -> str:
    """The source hash of a configuration on a board; its first 64 bits are the build id."""
    link = configuration.link.kind if configuration.link else ""
    return source_hash(board.module, configuration_text(configuration) + link + (serial or ""))
