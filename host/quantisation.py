"""What the host's part of BitLinear costs a token: quantising the inputs and rescaling the sums, in float32.

An input is quantised once for all layers that share it; each layer's sums are rescaled. Times are those of golden's
functions, which the offloaded models call, on the machine at hand: timed. Operations are counted an element as NumPy
does them, a pass each, and stand beside the array's additions, one a weight.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from trine.golden.bitlinear import BitLinear

QUANTISE_OPERATIONS = 5
"""A code: magnitude, maximum, multiplication, rounding, clipping."""
RESCALE_OPERATIONS = 2
"""A sum: conversion, division."""
REPEATS = 100
"""Runs of which the fastest counts: another program can make a run slower, none faster."""


@dataclass(frozen=True)
class HostCost:
    """Of one token: seconds to quantise and to rescale (timed), float32 operations of both, additions of the array."""

    quantise_seconds: float
    rescale_seconds: float
    operations: int
    additions: int

    @property
    def seconds(self) -> float:
        """Both."""
        return self.quantise_seconds + self.rescale_seconds

    @property
    def operation_share(self) -> float:
        """Share of the float32 operations in all, those of the array included, 0 to 1."""
        return self.operations / (self.operations + self.additions)

    def time_share(self, seconds: float) -> float:
        """Share of the host's time if everything else takes so many seconds, one after the other, 0 to 1."""
        return self.seconds / (self.seconds + seconds)


def host_cost(requests: Sequence[tuple[str, ...]], shapes: Mapping[str, tuple[int, int]]) -> HostCost:
    """The cost of one token; requests: layers that share an input, shapes: (N, K) of each by name."""
    inputs = Counter(shapes[layers[0]][1] for layers in requests)
    outputs = Counter(shapes[layer][0] for layers in requests for layer in layers)
    linear = BitLinear(np.ones((1, 1), np.int8), np.float32(1))
    random = np.random.default_rng(0)
    quantise = _fastest({k: partial(linear.quantise, random.standard_normal(k, np.float32)) for k in inputs})
    rescale = _fastest({n: partial(linear.rescale, random.integers(-1000, 1000, n, np.int32), np.ones(1, np.float32))
                        for n in outputs})
    operations = (QUANTISE_OPERATIONS * sum(columns * times for columns, times in inputs.items())
                  + RESCALE_OPERATIONS * sum(rows * times for rows, times in outputs.items()))
    return HostCost(sum(times * quantise[columns] for columns, times in inputs.items()),
                    sum(times * rescale[rows] for rows, times in outputs.items()), operations,
                    sum(n * k for n, k in shapes.values()))


def _fastest(works: Mapping[int, Callable[[], object]]) -> dict[int, float]:
    """Seconds of the fastest of REPEATS calls of each, one of each in turn: what disturbs, disturbs all alike."""
    fastest = dict.fromkeys(works, math.inf)
    for _ in range(REPEATS):
        for size, work in works.items():
            started = time.perf_counter()
            work()
            fastest[size] = min(fastest[size], time.perf_counter() - started)
    return fastest
