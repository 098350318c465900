"""A device: what answers the link protocol, whether it is a board, a simulation or the functional machine.

    with open_device("golden:ulx3s_85f") as device:
        device.load(image)
        y = device.linear("model.layers.0.mlp.down_proj", x)

Everything that goes wrong is a `TrineError` with one line that says what. Wrong input is refused before anything is
sent; faults of the link are repaired and retried within limits (connection.py); nothing waits for ever.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from types import TracebackType
from typing import Any, Self, cast

import numpy as np

from trine.firmware.configuration import Configuration
from trine.firmware.counters import Counters
from trine.firmware.image import Image
from trine.firmware.link import Request
from trine.firmware.plan import RequestPlan
from trine.firmware.traffic import (
    Message,
    TrafficError,
    check_codes,
    exchanges,
)
from trine.golden.arrays import Float32, Int8, Int32
from trine.host.compiled import Linear, apply_linear, restore_model
from trine.host.connection import Connection
from trine.host.errors import DeviceError, UsageError, bad_input
from trine.host.info import Info, greet, read_counters, read_info
from trine.host.loads import Loads, TileRun
from trine.host.transport import Transport


@dataclass(frozen=True, eq=False)
class Execution:
    """One request, executed.

    runs: its tiles in order. results: their sum, int32 (N_i,) per layer. counters: what the request added to them, the
    link's cycles included.
    """

    runs: tuple[TileRun, ...]
    results: tuple[Int32, ...]
    counters: Counters


VECTORS_AT_ONCE = 16
"""Vectors in one exchange: so many that waiting for its last answer costs each of them little; so few that there is not
much to do again after a fault."""

Watcher = Callable[[RequestPlan, Int8, Execution], None]
"""Told of each request with its codes and what came of it, as soon as it was executed."""


class Device:
    """A device of a known configuration at the other end of a transport.

    timeout: seconds that one response may take.

    Raises DeviceError, here and in every method: the device does not answer or is not of this configuration.
    """

    def __init__(self, transport: Transport, configuration: Configuration, timeout: float = 10.0) -> None:
        self._connection = Connection(transport, timeout)
        self._configuration = configuration
        self._loads: Loads | None = None
        self._watcher: Watcher | None = None
        self._follower: Callable[[float], None] | None = None
        try:
            self.hello()
            found = self.info()
            if found.configuration_hash != configuration.configuration_hash:
                raise DeviceError(f"the device has {found.lanes} lanes x {found.depth} columns, and another "
                                  f"configuration ({found.configuration_hash:016x}) than {configuration.name} "
                                  f"({configuration.configuration_hash:016x}); open it with its own")
        except BaseException:
            self.close()
            raise

    @property
    def configuration(self) -> Configuration:
        """What the device is."""
        return self._configuration

    @property
    def image(self) -> Image:
        """The image that it executes; UsageError if none was loaded."""
        return self._present.image

    @property
    def link_faults(self) -> int:
        """Faults of the link that were repaired since the device was opened."""
        return self._connection.faults

    @property
    def exchanges(self) -> int:
        """Exchanges with the device since it was opened, those that were done again included."""
        return self._connection.exchanges

    def link_figures(self) -> dict[str, Any]:
        """What the link counted of itself since an image was loaded, by name; nothing where nobody counts."""
        return {}

    def hello(self) -> None:
        """Greet the device and resynchronise; DeviceError if it does not answer or speaks another protocol."""
        greet(self._connection)

    def info(self) -> Info:
        """What the device is, and which image it holds."""
        return read_info(self._connection)

    def load(self, image: Image, progress: Callable[[float], None] | None = None, *, force: bool = False) -> None:
        """Write load 0 of `image`, all of one that is resident, unless the device says that it holds it already.

        progress: told how much is done, 0 to 1. force: load it even then. Raises UsageError for an image of another
        configuration, or that is damaged in its file; after a DeviceError, of a device that was reset meanwhile too, no
        image is loaded. Nobody watches the new image yet.
        """
        if image.configuration_hash != self._configuration.configuration_hash:
            raise UsageError(f"the image is for another configuration ({image.configuration_name}) than this device's "
                             f"({self._configuration.name}); compile the model for it")
        self._loads = self._watcher = None
        self.__dict__.pop("_linears", None)
        loads = Loads(self._connection, self._configuration, image)
        if force or self.info().image_id != image.image_id:
            loads.write_first(progress)
        self._loads = loads

    def watch(self, watcher: Watcher) -> None:
        """Let `watcher` see every request that is executed until another image is loaded; what it raises is raised."""
        self._watcher = watcher

    def follow(self, follower: Callable[[float], None] | None) -> None:
        """Tell `follower`, from now on and while requests are executed, how far in its loads a pass of a model is."""
        self._follower = follower

    def execute(self, plan: RequestPlan, codes: Int8) -> Execution:
        """Run one request of the loaded image on `codes` int8 (plan.columns,).

        That is one round trip; or, if the request is streamed, as many as it has exchanges (traffic.exchanges). The
        counters are read in the same round trips. Raises UsageError for another type or shape, for a code that the
        configuration's accumulator mode does not admit, and for an image that is damaged in its file.
        """
        return self.execute_all(plan, codes[np.newaxis] if isinstance(codes, np.ndarray) else codes)[0]

    def execute_all(self, plan: RequestPlan, codes: Int8,
                    progress: Callable[[float], None] | None = None) -> list[Execution]:
        """Run one request of the loaded image on each of `codes` int8 (n, plan.columns), as `execute` does.

        VECTORS_AT_ONCE of them share their round trips, and loads that are streamed are written once for all. The
        counters of the first include that. progress: told how much is done, 0 to 1.
        """
        if not isinstance(codes, np.ndarray):
            raise UsageError(f"{', '.join(plan.layers)}: codes must be an array of int8, not {type(codes).__name__}")
        loads, image = self._present, self.image
        self._check_request(plan, codes)
        groups = exchanges(plan, image.loads, self._configuration)
        if len(codes) > 1:  # each load by itself, so that it is written once for all
            groups = [tuple(group) for _, group in groupby(plan.tiles, lambda tile: tile.load)]
        runs: list[list[TileRun]] = [[] for _ in codes]
        totals = [Counters() for _ in codes]
        if progress is not None:
            progress(0.0)
        for index, tiles in enumerate(groups):
            for start in range(0, len(codes), VECTORS_AT_ONCE):
                vectors = codes[start : start + VECTORS_AT_ONCE]
                for number, (found, counters) in enumerate(loads.run(plan, tiles, vectors), start):
                    runs[number] += found
                    totals[number] += counters
                if progress is not None:
                    progress((index + (start + len(vectors)) / len(codes)) / len(groups))
            if self._follower is not None:
                streamed = len(image.loads) - 1
                self._follower(tiles[-1].load / streamed if streamed else 1.0)
        executions = []
        for number, vector in enumerate(codes):
            results = tuple(sum(run.results[i] for run in runs[number]) + np.zeros(rows, np.int32)
                            for i, rows in enumerate(plan.rows))
            executions.append(Execution(tuple(runs[number]), results, totals[number]))
            if self._watcher is not None:
                self._watcher(plan, vector, executions[-1])
        return executions

    def run_request(self, plan: RequestPlan, codes: Int8) -> list[Int32]:
        """The results int32 (N_i,) of each layer of a request on `codes` int8 (plan.columns,)."""
        return list(self.execute(plan, codes).results)

    def linear(self, layer: str, x: Int8 | Float32,
               progress: Callable[[float], None] | None = None) -> Int32 | Float32:
        """One layer of the loaded image on vectors x (..., K), one after another: results (..., N).

        int8 x are activation codes, and the results its int32 sums. float32 x is quantised as the layer's model
        does, and its results are rescaled to float32. progress: told how much is done, 0 to 1. Raises UsageError for
        another type or shape, NaN or infinity, a code that the configuration does not admit, a layer that the image
        does not have, and float32 for an image of bare layers (compile_layer, compile_layers), which has no scales.
        """
        plan = next((plan for plan in self.image.requests if layer in plan.layers), None)
        if plan is None:
            known = ", ".join(name for plan in self.image.requests for name in plan.layers)
            raise UsageError(f"{self.image.name}: no layer {layer!r}; its layers are {known}")
        if not isinstance(x, np.ndarray) or x.dtype not in (np.int8, np.float32):
            found = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
            raise UsageError(f"{layer}: x must be an array of int8 codes or of float32, not {found}")
        if x.ndim == 0 or x.shape[-1] != plan.columns:
            raise UsageError(f"{layer}: x must be (..., {plan.columns}), not {x.shape}")
        index = plan.layers.index(layer)
        if x.dtype == np.int8:
            return self._sums(plan, index, cast(Int8, x), progress)
        with bad_input():
            linear = self._linears.get(layer)
        if linear is None:
            raise UsageError(f"{self.image.name}: an image of bare layers has no scales; give int8 codes")
        return apply_linear(linear, cast(Float32, x), self._configuration.activation_bits,
                            lambda codes: self._sums(plan, index, codes, progress))

    def counters(self) -> Counters:
        """One snapshot of all counters."""
        return read_counters(self._connection)

    def echo(self, data: bytes) -> bytes:
        """`data`, sent and returned; UsageError if it is longer than the device's maximum payload."""
        if len(data) > self._configuration.maximum_payload:
            raise UsageError(f"an echo has at most {self._configuration.maximum_payload} bytes, not {len(data)}")
        (payload,) = self._connection.exchange([(Request.ECHO, data)])
        return payload

    def request(self, messages: Sequence[Message]) -> list[bytes]:
        """The responses' payloads to requests of one's own (link.py), in order: one round trip.

        No image is taken to be loaded afterwards. Raises DeviceError, also if the device refuses one.
        """
        self._loads = None
        return self._connection.exchange(messages)

    def close(self) -> None:
        """Let go of the device; calling it twice does no harm."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    @property
    def _present(self) -> Loads:
        if self._loads is None:
            raise UsageError("no image is loaded; call load(image) first")
        return self._loads

    def _sums(self, plan: RequestPlan, index: int, codes: Int8, progress: Callable[[float], None] | None) -> Int32:
        """The sums (..., N) of layer `index` of a request on codes (..., K)."""
        vectors = codes.reshape(-1, plan.columns)
        sums = [execution.results[index] for execution in self.execute_all(plan, vectors, progress)]
        return np.array(sums, np.int32).reshape(*codes.shape[:-1], plan.rows[index])

    @cached_property
    def _linears(self) -> Mapping[str, Linear]:
        """The layers of the loaded image's model, with their scales; none if it is of bare layers."""
        model = restore_model(self.image, self._configuration)
        return {} if model is None else model.linears

    def _check_request(self, plan: RequestPlan, codes: Int8) -> None:
        """Raises UsageError unless `plan` is one of the image's and each of `codes` suits it."""
        if plan not in self.image.requests:
            raise UsageError(f"{', '.join(plan.layers)} is no request of the loaded image {self.image.name}")
        try:
            for vector in codes:
                check_codes(plan, vector, self._configuration)
        except TrafficError as error:
            raise UsageError(str(error)) from error
