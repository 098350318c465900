"""Routed reports: the clock that a preset reaches after place and route, as `trine report` wrote it down.

They are committed in reports/ of a checkout and shipped in the wheel, so both are found from where this file is.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trine.firmware.configuration import Configuration
from trine.host.errors import UsageError

REPORTS = Path(__file__).resolve().parents[1] / "reports"


@dataclass(frozen=True)
class Clock:
    """A clock to turn cycles into seconds with.

    mhz: the clock (> 0). evidence: what a figure computed with it may be called, "derived" or "estimated". source: in a
    few words where the clock comes from.
    """

    mhz: float
    evidence: str
    source: str

    @property
    def hz(self) -> float:
        """Cycles a second."""
        return self.mhz * 1e6


def read_report(preset: str, folder: Path = REPORTS) -> dict[str, Any] | None:
    """The routed report of a preset, None if there is none; UsageError if the file is not one."""
    path = folder / f"{preset}.json"
    if not path.is_file():
        return None
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(report, dict):
            raise ValueError("not an object")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a routed report: {error}; write it again with trine report {preset}") from error
    return report


def clock_of(configuration: Configuration, folder: Path = REPORTS) -> Clock:
    """The clock at which figures for a configuration may be given.

    With a routed report of this name, part and trits per cycle: the slowest of its seeds, but no more than the
    preset's clock, at which the board would run it; such figures are derived. Otherwise the configuration's own clock,
    which nobody has shown to be reached; such figures are estimated. UsageError for a damaged report.
    """
    report = read_report(configuration.name, folder)
    if report is None or any(report.get(key) != getattr(configuration, key) for key in ("part", "trits_per_cycle")):
        return Clock(configuration.clock_mhz, "estimated", "the preset's clock, not routed")
    try:
        fmax = min(float(seed["fmax_mhz"]["sync"]) for seed in report["seeds"])
        seeds = len(report["seeds"])
        worst = f"worst of {seeds} seeds" if seeds > 1 else "a single seed"
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{folder / configuration.name}.json: no clocks in it: {error!r}") from error
    if fmax >= configuration.clock_mhz:
        return Clock(configuration.clock_mhz, "derived", f"the preset's clock; {worst} routes at {fmax:.1f} MHz")
    return Clock(fmax, "derived", f"{worst}, routed")
