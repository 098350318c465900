"""The layers of an image on a device, one by one, for programs that know nothing of requests.

A network that is written layer by layer, as in PyTorch, asks for one product after another; a device would rather hear
of all layers that share an input at once, for each exchange with a board takes about a millisecond. So the first layer
of a request that is asked for executes it whole, and what it computes for the others is kept for them. Whether they
mean the same input is decided by the codes themselves: an array that is the same object may have been written to, and
one that is another may hold the same numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from trine.firmware.counters import Counters
from trine.firmware.image import Image
from trine.firmware.plan import RequestPlan
from trine.golden.arrays import Int8, Int32
from trine.host.device import Device, Execution
from trine.host.errors import UsageError
from trine.host.verify import Verifier


@dataclass(frozen=True, eq=False)
class _Kept:
    """Results int32 (V, N) of the layers of a request that did not ask yet, and the codes int8 (V, K) they are of."""

    codes: Int8
    results: dict[str, Int32]


class Layers:
    """An image on a device, executed by the names of its layers.

    Parameters: the device; the image, which is loaded; the weights int8 (N, K) of its layers by name, if every integer
    is to be compared with golden's and every cycle with the cycle model's (MismatchError); progress as of
    `Device.load`. Raises UsageError and DeviceError as `Device.load`.

    Members, all since then: `requests` that were executed, a vector each; `shared`, vectors whose sums were there
    already; `counters`, what the requests added to the device's.
    """

    def __init__(self, device: Device, image: Image, weights: Mapping[str, Int8] | None = None,
                 progress: Callable[[float], None] | None = None) -> None:
        self.device = device
        self.image = image
        self.requests = 0
        self.shared = 0
        self.counters = Counters()
        self._verifier = None if weights is None else Verifier(device.configuration, weights)
        self._plans = {name: plan for plan in image.requests for name in plan.layers}
        self._kept: _Kept | None = None
        device.load(image, progress)
        device.watch(self._watch)

    @property
    def integers_compared(self) -> int:
        """Results that were compared with golden's, and equal; 0 without weights to compare with."""
        return 0 if self._verifier is None else self._verifier.tally.integers

    def shape(self, name: str) -> tuple[int, int]:
        """(N, K) of a layer; UsageError if there is none of that name."""
        plan = self._plan(name)
        return plan.rows[plan.layers.index(name)], plan.columns

    def sums(self, name: str, codes: Int8) -> Int32:
        """The sums int32 (..., N) of one layer on codes int8 (..., K), any number of vectors.

        Executes the layer's request, unless another layer of the request was asked for last, with equal codes, and this
        one not since. Only the last request's results are kept. Raises UsageError as `Device.execute`, and for a name
        that is none; DeviceError; MismatchError.
        """
        plan = self._plan(name)
        if not isinstance(codes, np.ndarray) or codes.dtype != np.int8 or codes.shape[-1:] != (plan.columns,):
            found = f"{codes.dtype} {codes.shape}" if isinstance(codes, np.ndarray) else type(codes).__name__
            raise UsageError(f"{name}: codes must be int8 (..., {plan.columns}), not {found}")
        vectors = codes.reshape(-1, plan.columns)
        kept = self._kept
        if kept is not None and name in kept.results and np.array_equal(kept.codes, vectors):
            self.shared += len(vectors)
        else:
            self._kept = None  # what is kept must be of one whole execution
            self._kept = kept = self._execute(plan, vectors)
        rows = plan.rows[plan.layers.index(name)]
        return kept.results.pop(name).reshape(*codes.shape[:-1], rows)

    def _execute(self, plan: RequestPlan, vectors: Int8) -> _Kept:
        executions = self.device.execute_all(plan, vectors)
        results = {name: np.array([execution.results[index] for execution in executions], np.int32).reshape(-1, rows)
                   for index, (name, rows) in enumerate(zip(plan.layers, plan.rows, strict=True))}
        return _Kept(vectors.copy(), results)

    def _plan(self, name: str) -> RequestPlan:
        if name not in self._plans:
            raise UsageError(f"{self.image.name}: no layer {name!r}; its layers are {', '.join(self._plans)}")
        return self._plans[name]

    def _watch(self, plan: RequestPlan, codes: Int8, execution: Execution) -> None:
        if self._verifier is not None:
            self._verifier.check(plan, codes, execution)
        self.requests += 1
        self.counters += execution.counters
