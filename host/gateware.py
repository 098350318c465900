"""The gateware of a configuration as Verilog and as a routed report: what hw and sim build, in host's terms."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from trine.firmware.configuration import Configuration
from trine.host.errors import UsageError
from trine.host.tools import tools_run
from trine.host.usage import model_rates
from trine.hw.accelerator import Accelerator
from trine.hw.bare_array import BareArray
from trine.hw.build.errors import BuildError, DoesNotFit
from trine.hw.build.parts import find_part
from trine.hw.build.report import NetlistCheck, Stale, make_report, stale_reports
from trine.hw.build.report_format import write_report
from trine.hw.build.store import Store, default_folder
from trine.hw.build.synthesise import Synthesis
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

    The netlist is simulated before it is routed, and every integer compared with golden.

    progress: told each step that is done, the number of seeds and two. Raises UsageError for a part that is not known
    or too small and for seeds that are none, MismatchError for a netlist that computes another integer than golden,
    host's BuildError if a tool fails, SetupError if one is missing; the report is not written then.
    """
    with tools_run(BuildError, SimulatorError):
        try:
            report = make_report(configuration.name, component, configuration, seeds, jobs=jobs, tokens=model_rates,
                                 check=_netlist_check(configuration), progress=progress)
        except ValueError as error:
            raise UsageError(str(error)) from error
        except DoesNotFit as error:
            raise UsageError(str(error)) from error
        try:
            return report, write_report(report, folder)
        except OSError as error:
            raise UsageError(f"{folder}: cannot write the report: {error.strerror}") from error


def _netlist_check(configuration: Configuration) -> NetlistCheck:
    def check(synthesis: Synthesis) -> str:
        family = find_part(configuration.part).family
        checked = check_netlist(synthesis, family, configuration, store=Store(default_folder()))
        return (f"netlist simulated: {checked.integers:,} integers of {checked.products} products equal golden's, "
                f"{checked.cycles:,} cycles")

    return check


def stale(folder: Path) -> list[Stale]:
    """The reports in a folder that were not made from the gateware as it is now."""
    return stale_reports(folder)
