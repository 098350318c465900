"""Every integer and every cycle of a device, compared with golden and with the cycle model as soon as it was executed.

The comparison is per run of a program, against golden's own sums of the weights as they were before they were packed,
so that compiler, packing, link, memories and array are all between the two sides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trine.firmware.configuration import Configuration
from trine.firmware.counters import CAUSES, Counters
from trine.firmware.cycles import request_cycles
from trine.firmware.plan import RequestPlan
from trine.golden.accumulate import accumulate
from trine.golden.arrays import Int8
from trine.host.device import Execution
from trine.host.errors import MismatchError
from trine.host.loads import TileRun


@dataclass
class Tally:
    """What has been compared so far, and was equal: integers (results), and the requests and runs they came from."""

    integers: int = 0
    requests: int = 0
    runs: int = 0


class Verifier:
    """Compares the executions of one model.

    Parameters: the configuration of the device; the weights int8 (N, K) of every layer that is compared, by name, each
    of which is asked for when its request was executed, and kept until another was. `tally` counts what was found
    equal.
    """

    def __init__(self, configuration: Configuration, weights: Mapping[str, Int8]) -> None:
        self._configuration = configuration
        self._weights = weights
        self._expected: dict[tuple[str, ...], Counters] = {}
        self._read: tuple[tuple[str, ...], list[Int8]] = (), []  # of the last request, which often comes again
        self.tally = Tally()

    def check(self, plan: RequestPlan, codes: Int8, execution: Execution) -> None:
        """Compare one execution of `plan` on `codes`.

        Raises MismatchError at the first result that differs from golden's, with layer, row, both values and the cycle
        at which the program had retired; then at the first cause whose cycles differ from the cycle model's.
        """
        if self._read[0] != plan.layers:
            self._read = plan.layers, [self._weights[layer] for layer in plan.layers]
        for run in execution.runs:
            self._check_run(plan, self._read[1], codes, run)
            self.tally.runs += 1
        if plan.layers not in self._expected:
            self._expected[plan.layers] = request_cycles(plan, self._configuration)
        expected, found = self._expected[plan.layers], execution.counters.engine
        if found != expected:
            raise MismatchError(f"{', '.join(plan.layers)}: {_difference(expected, found)}")
        self.tally.requests += 1

    def _check_run(self, plan: RequestPlan, weights: Sequence[Int8], codes: Int8, run: TileRun) -> None:
        tile = run.tile
        columns = slice(tile.first_column, tile.first_column + tile.columns)
        for output in tile.outputs:
            name = plan.layers[output.layer_index]
            rows = slice(output.first_row, output.first_row + output.rows)
            part = np.ascontiguousarray(weights[output.layer_index][rows, columns])
            expected = accumulate(part, codes[columns], self._configuration.accumulator_mode)
            found = run.results[output.layer_index][rows]
            wrong = np.flatnonzero(found != expected)
            if wrong.size:
                first = int(wrong[0])
                where = "" if tile.columns == plan.columns else f" (columns {columns.start} to {columns.stop - 1})"
                raise MismatchError(
                    f"{name}, row {output.first_row + first}{where}: the device says {int(found[first])}, golden "
                    f"{int(expected[first])}; {wrong.size} of {output.rows} rows differ, retired at cycle {run.cycle}")
            self.tally.integers += output.rows


def _difference(expected: Counters, found: Counters) -> str:
    """The first cause in which two counts differ, in words."""
    for cause in CAUSES:
        counted, predicted = getattr(found, cause), getattr(expected, cause)
        if counted != predicted:
            return f"{counted} cycles of {cause}, the cycle model says {predicted}"
    return f"{found.cycles} cycles, the cycle model says {expected.cycles}"
