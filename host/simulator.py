"""The simulated device: the gateware of a configuration, compiled to native code; the way from host to sim and hw."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trine.firmware.configuration import Configuration
from trine.host.errors import BuildError, SetupError, UsageError
from trine.hw.accelerator import Accelerator
from trine.hw.bare_array import BareArray
from trine.sim.build import build
from trine.sim.errors import SimulatorError
from trine.sim.model import NativeModel
from trine.sim.transport import SimTransport
from trine.sim.verilog import to_verilog

STAGES = {
    "elaborate": ("elaborating the gateware", 0.0, 0.15),
    "translate": ("translating it to C++", 0.15, 0.3),
    "compile": ("compiling it", 0.3, 0.95),
    "link": ("linking", 0.95, 1.0),
}
"""What each stage of a build is called, and its share of the time: from, to."""

SOURCES = ("trine.hw", "trine.firmware", "trine.golden")
"""The packages that decide what the gateware is."""


def open_simulator(configuration: Configuration, progress: Callable[[str, float], None] | None = None,
                   trace: Path | None = None) -> SimTransport:
    """A simulated device of `configuration`, built or taken from the cache, just after power-up.

    progress: told what is done and how much of it all, 0 to 1, if it has to be built. trace: file for its waveforms.
    Raises BuildError if a tool fails, SetupError if one is missing or the cache cannot be used, UsageError if the trace
    cannot be written.
    """

    def report(stage: str, done: int, total: int) -> None:
        if progress is not None:
            name, start, end = STAGES.get(stage, (stage, 0.0, 1.0))
            progress(name, start + (end - start) * done / max(1, total))

    with builds():
        key = f"{configuration.canonical()} {configuration.clock_mhz}"
        library = build(lambda: Accelerator(configuration), key=key, sources=SOURCES, trace=trace is not None,
                        progress=report)
        try:
            return SimTransport(NativeModel(library, trace=trace))
        except OSError as error:
            raise UsageError(f"{trace}: cannot write the waveforms: {error.strerror}") from error


def export_verilog(configuration: Configuration) -> str:
    """The gateware of a configuration as SystemVerilog, the top module named as the configuration.

    Raises BuildError and SetupError as `open_simulator`.
    """
    name = "".join(c if c.isalnum() else "_" for c in configuration.name)
    with builds():
        return to_verilog(BareArray(configuration) if configuration.bare else Accelerator(configuration), name)


@contextmanager
def builds() -> Iterator[None]:
    """Around work of sim: its errors become BuildError or, if the machine lacks something, SetupError."""
    try:
        yield
    except SimulatorError as error:
        raise (SetupError if error.exit_code == SetupError.exit_code else BuildError)(str(error)) from error
