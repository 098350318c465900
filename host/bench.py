"""Single layers on a device: where their cycles go, and that these and every integer are what they should be."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trine.firmware.compiler import compile_layer
from trine.firmware.configuration import Configuration
from trine.firmware.counters import CAUSES, Counters
from trine.firmware.cycles import LinkUse, request_bytes
from trine.golden.accumulate import accumulate
from trine.golden.arrays import Int8
from trine.host.device import Device
from trine.host.errors import MismatchError, UsageError, bad_input
from trine.host.figures import busy_share, efficiency, link_seconds
from trine.host.routed import Clock
from trine.host.runner import Runner

DEFAULT_SHAPES = ((160, 160), (280, 160), (160, 280), (2560, 2560), (6912, 2560))
"""Rows and columns of the layers of austen-small, and of two of a published 2-billion-weight model."""


@dataclass(frozen=True)
class LayerResult:
    """One layer of rows x columns random ternary weights, executed once, everything compared.

    loads: how often the weight memory was filled. runs: programs that were run. counters: the engine's. link_use: what
    crosses the link for one input, without the weights.
    """

    configuration: Configuration
    rows: int
    columns: int
    loads: int
    runs: int
    integers: int
    counters: Counters
    link_use: LinkUse

    @property
    def name(self) -> str:
        """Rows x columns."""
        return f"{self.rows}x{self.columns}"

    @property
    def busy(self) -> float:
        """Share of the cycles from first word to last result in which a word was accepted, weights resident."""
        return busy_share(self.counters, self.runs, self.configuration)

    @property
    def efficiency(self) -> float:
        """Share of the accepted trits that are weights and no padding."""
        return efficiency(self.rows * self.columns, self.counters, self.configuration)

    def gtrit_per_s(self, clock: Clock) -> float:
        """10**9 weights a second by the array alone."""
        return self.rows * self.columns / self.counters.cycles * clock.hz / 1e9

    def offload_gtrit_per_s(self, clock: Clock) -> float | None:
        """The same with the board's link, weights resident; None without a link."""
        if self.configuration.link is None:
            return None
        seconds = self.counters.cycles / clock.hz + link_seconds(self.link_use, self.configuration.link)
        return self.rows * self.columns / seconds / 1e9

    def figures(self, clock: Clock) -> dict[str, Any]:
        """What the JSON says of it."""
        return {
            "layer": self.name,
            "rows": self.rows,
            "columns": self.columns,
            "loads": self.loads,
            "runs": self.runs,
            "cycles": self.counters.cycles,
            "cycles_by_cause": {cause: getattr(self.counters, cause) for cause in CAUSES
                                if cause not in ("link_stall", "idle")},
            "cycles_equal_model": True,  # a single one that is not ends the run
            "busy": self.busy,
            "efficiency": self.efficiency,
            "gtrit_per_s": self.gtrit_per_s(clock),
            "offload_gtrit_per_s": self.offload_gtrit_per_s(clock),
            "link_bytes": self.link_use.to_device + self.link_use.from_device,
            "integers_compared": self.integers,
            "integers_equal": True,
        }


def parse_shapes(text: str) -> list[tuple[int, int]]:
    """(rows, columns) of each of "160x160,280x160"; UsageError for anything else and sizes of 0 or over 65,536."""
    shapes = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,6})x(\d{1,6})\s*", part)
        if found is None or not all(1 <= int(size) <= 1 << 16 for size in found.groups()):
            raise UsageError(f"a shape is ROWSxCOLUMNS, each 1 to 65536, such as 160x280, not {part.strip()!r}")
        shapes.append((int(found[1]), int(found[2])))
    return shapes


def random_layer(rows: int, columns: int, configuration: Configuration, seed: int) -> tuple[Int8, Int8]:
    """(weights (rows, columns), codes (columns,)): every trit the packing has and every code equally likely."""
    rng = np.random.default_rng([seed, rows, columns])
    trits = (-1, 0, 1) if configuration.codec.has_zero else (-1, 1)
    low, high = configuration.accumulator_mode.code_range
    return rng.choice(np.array(trits, np.int8), (rows, columns)), rng.integers(low, high + 1, columns).astype(np.int8)


def bench_layer(device: Device, rows: int, columns: int, seed: int,
                progress: Callable[[float], None] | None = None) -> LayerResult:
    """Executes one layer on a device.

    progress: told how much is done, 0 to 1. Raises UsageError if the device cannot execute such a layer, MismatchError
    if an integer is not golden's or a cycle not the cycle model's.
    """
    configuration = device.configuration
    weights, codes = random_layer(rows, columns, configuration, seed)
    name = f"{rows}x{columns}"
    with bad_input():
        image = compile_layer(name, weights, configuration)
    runner = Runner(device, image, weights={name: weights})
    (plan,) = image.requests
    device.follow(progress)
    (total,) = device.run_request(plan, codes)
    device.follow(None)
    expected = accumulate(weights, codes, configuration.accumulator_mode)
    if (total != expected).any():
        row = int(np.flatnonzero(total != expected)[0])
        raise MismatchError(f"{name}, row {row}: the parts add up to {total[row]}, golden says {expected[row]}")
    loads = sum(load.words > 0 for load in image.loads)
    return LayerResult(configuration, rows, columns, loads, runner.tally.runs, runner.tally.integers,
                       runner.counters.engine, request_bytes(plan, configuration))


def bench(device: Device, shapes: Sequence[tuple[int, int]], seed: int,
          progress: Callable[[str, float], None] | None = None) -> list[LayerResult]:
    """`bench_layer` of each shape; progress is told the layer and how much of all weights is done, 0 to 1."""
    sizes = [rows * columns for rows, columns in shapes]
    results = []
    for index, (rows, columns) in enumerate(shapes):
        def report(done: float, index: int = index, name: str = f"{rows}x{columns}") -> None:
            if progress is not None:
                progress(name, (sum(sizes[:index]) + done * sizes[index]) / sum(sizes))

        report(0.0)
        results.append(bench_layer(device, rows, columns, seed, report))
    return results
