"""The gateware of a configuration as Verilog and as a routed report: what hw and sim build, in host's terms."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from trine.firmware.configuration import Configuration
from trine.host.errors import BuildError, SetupError, TrineError, UsageError
from trine.host.usage import model_rates
from trine.hw.accelerator import Accelerator
from trine.hw.bare_array import BareArray
from trine.hw.build import errors as hw_errors
from trine.hw.build.report import Stale, make_report, stale_reports
from trine.hw.build.report_format import write_report
from trine.sim import errors as sim_errors
from trine.sim.verilog import to_verilog

_BY_EXIT_CODE: dict[int, type[TrineError]] = {error.exit_code: error for error in (UsageError, BuildError, SetupError)}


def component(configuration: Configuration) -> wiring.Component:
    """The accelerator of a configuration, or its bare array."""
    return BareArray(configuration) if configuration.bare else Accelerator(configuration)


def export_verilog(configuration: Configuration) -> str:
    """The gateware as SystemVerilog, the top module named as the configuration; BuildError, SetupError."""
    name = "".join(c if c.isalnum() else "_" for c in configuration.name)
    with tools_run():
        return to_verilog(component(configuration), name)


def routed_report(configuration: Configuration, seeds: Sequence[int], jobs: int, folder: Path,
                  progress: Callable[[str], None]) -> tuple[dict[str, Any], Path]:
    """Synthesise, place and route with each seed; writes the report to folder/NAME.json and returns both.

    progress: told each step that is done. Raises UsageError for a part that is not known or too small and for seeds
    that are none, BuildError if a tool fails, SetupError if one is missing.
    """
    with tools_run():
        try:
            report = make_report(configuration.name, component, configuration, seeds, jobs=jobs, tokens=model_rates,
                                 progress=progress)
        except ValueError as error:
            raise UsageError(str(error)) from error
        except hw_errors.DoesNotFit as error:
            raise UsageError(_first_line(error)) from error
        try:
            return report, write_report(report, folder)
        except OSError as error:
            raise UsageError(f"{folder}: cannot write the report: {error.strerror}") from error


def stale(folder: Path) -> list[Stale]:
    """The reports in a folder that were not made from the gateware as it is now."""
    return stale_reports(folder)


@contextmanager
def tools_run() -> Iterator[None]:
    """Around work of hw's build and of sim: their errors become host's, of the same exit code and in one line."""
    try:
        yield
    except sim_errors.SimulatorError as error:
        raise _BY_EXIT_CODE[error.exit_code](" ".join(str(error).split())) from error
    except hw_errors.BuildError as error:
        raise _BY_EXIT_CODE[error.exit_code](_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
