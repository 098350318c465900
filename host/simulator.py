"""The simulated device: the gateware of a configuration, compiled to native code."""

from collections.abc import Callable
from pathlib import Path

from trine.firmware.configuration import Configuration
from trine.host.errors import UsageError
from trine.host.tools import tools_run
from trine.hw.accelerator import Accelerator
from trine.sim.build import Progress, build
from trine.sim.errors import SimulatorError
from trine.sim.model import NativeModel
from trine.sim.transport import SimTransport

STAGES = {
    "elaborate": ("elaborating the gateware", 0.0, 0.15),
    "translate": ("translating it to C++", 0.15, 0.3),
    "compile": ("compiling it", 0.3, 0.95),
    "link": ("linking", 0.95, 1.0),
}
"""What each stage of a build is called, and its share of the time: from, to."""

SOURCES = ("trine.hw", "trine.firmware", "trine.golden")
"""The packages that decide what the gateware is."""


def build_progress(progress: Callable[[str, float], None] | None) -> Progress:
    """What tells `progress` of a build's stages: what is done, and how much of it all, 0 to 1."""

    def report(stage: str, done: int, total: int) -> None:
        if progress is not None:
            name, start, end = STAGES.get(stage, (stage, 0.0, 1.0))
            progress(name, start + (end - start) * done / max(1, total))

    return report


def open_simulator(configuration: Configuration, progress: Callable[[str, float], None] | None = None,
                   trace: Path | None = None) -> SimTransport:
    """A simulated device of `configuration`, built or taken from the cache, just after power-up.

    progress: told what is done and how much of it all, 0 to 1, if it has to be built. trace: file for its waveforms.
    Raises BuildError if a tool fails, SetupError if one is missing or the cache cannot be used, UsageError if the trace
    cannot be written.
    """
    with tools_run(SimulatorError):
        key = f"{configuration.canonical()} {configuration.clock_mhz}"
        library = build(lambda: Accelerator(configuration), key=key, sources=SOURCES, trace=trace is not None,
                        progress=build_progress(progress))
        try:
            return SimTransport(NativeModel(library, trace=trace))
        except OSError as error:
            raise UsageError(f"{trace}: cannot write the waveforms: {error.strerror}") from error
