"""The gateware of a configuration as Verilog, routed report and bitstream: what hw and sim build, in host's terms."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from trine.firmware.configuration import Configuration
from trine.host.errors import UsageError
from trine.host.tools import tools_run
from trine.host.usage import model_rates
from trine.hw.accelerator import Accelerator
from trine.hw.bare_array import BareArray
from trine.hw.boards.board import Board
from trine.hw.boards.table import BOARDS, find_board
from trine.hw.build.bitstream import make_bitstream, write_bitstream
from trine.hw.build.design import Design, board_design, component_design
from trine.hw.build.errors import BuildError, DoesNotFit
from trine.hw.build.extract import extract_accelerator
from trine.hw.build.parts import find_part
from trine.hw.build.report import Stale, make_report, stale_reports
from trine.hw.build.report_format import write_report
from trine.hw.build.store import Store, default_folder
from trine.hw.build.synthesise import Synthesis
from trine.hw.build.workshop import NetlistCheck
from trine.sim.errors import SimulatorError
from trine.sim.netlist_check import check_netlist
from trine.sim.verilog import to_verilog


def component(configuration: Configuration) -> wiring.Component:
    """The accelerator of a configuration, or its bare array."""
    return BareArray(configuration) if configuration.bare else Accelerator(configuration)


def export_verilog(configuration: Configuration) -> str:
    """The gateware as SystemVerilog, the top module named as the configuration; BuildError, SetupError."""
    name = "".join(c if c.isalnum() else "_" for c in configuration.name)
    with tools_run(SimulatorError):
        return to_verilog(component(configuration), name)


def routed_report(configuration: Configuration, seeds: Sequence[int], jobs: int, folder: Path,
                  progress: Callable[[str], None]) -> tuple[dict[str, Any], Path]:
    """Synthesise, place and route with each seed; writes the report to folder/NAME.json and returns both.

    What is routed is the design of the board, on its pins, if the configuration is a preset that has one; else the
    accelerator or the array alone, on pins of nextpnr's choice. The netlist is simulated before it is routed, and every
    integer compared with golden.

    progress: told each step that is done, the number of seeds and two. Raises UsageError for a part that is not known
    or too small and for seeds that are none, MismatchError for a netlist that computes another integer than golden,
    host's BuildError if a tool fails, SetupError if one is missing; the report is not written then.
    """
    board = BOARDS.get(configuration.name)
    with _built():
        report = make_report(configuration.name, lambda: _design(configuration, board), configuration, seeds, jobs=jobs,
                             tokens=model_rates, check=_netlist_check(configuration, board), progress=progress)
        return report, _written(folder, lambda: write_report(report, folder))


def bitstream(preset: str, configuration: Configuration, seeds: Sequence[int], folder: Path,
              progress: Callable[[str], None], check: bool = True,
              serial: str | None = None) -> tuple[dict[str, Any], Path]:
    """Build the bitstream of a configuration for a preset's board, from the first seed whose timing is met.

    Writes it and its description (hw.build.bitstream) to folder/NAME with suffixes of their own; returns description
    and path of the bitstream.

    check: simulate the netlist before it is routed, and compare every integer with golden. progress: told each step
    that is done, at most the number of seeds and three. serial: the board's serial number on USB. Raises as
    `routed_report`, and host's BuildError if timing is not met.
    """
    with _built():
        board = find_board(preset)
        made = make_bitstream(board_design(configuration, board, serial), board, seeds, progress=progress,
                              check=_netlist_check(configuration, board) if check else None)
        return made.description, _written(folder, lambda: write_bitstream(made, folder))


@contextmanager
def _built() -> Iterator[None]:
    """Around a build: what goes wrong in host's terms; a configuration that cannot be built is the user's."""
    with tools_run(BuildError, SimulatorError):
        try:
            yield
        except (ValueError, DoesNotFit) as error:
            raise UsageError(str(error)) from error


def _written(folder: Path, write: Callable[[], Path]) -> Path:
    try:
        return write()
    except OSError as error:
        raise UsageError(f"{folder}: cannot write there: {error.strerror}") from error


def _design(configuration: Configuration, board: Board | None) -> Design:
    """What is routed: on a board's pins if there is a board, else the component alone."""
    if board is None:
        return component_design(configuration, component(configuration))
    return board_design(configuration, board)


def _netlist_check(configuration: Configuration, board: Board | None) -> NetlistCheck:
    def check(synthesis: Synthesis) -> str:
        family = find_part(configuration.part).family
        alone = synthesis if board is None else extract_accelerator(synthesis)
        checked = check_netlist(alone, family, configuration, store=Store(default_folder()))
        return (f"netlist simulated: {checked.integers:,} integers of {checked.products} products equal golden's, "
                f"{checked.cycles:,} cycles")

    return check


def stale(folder: Path) -> list[Stale]:
    """The reports in a folder that were not made from the gateware as it is now."""
    return stale_reports(folder)
