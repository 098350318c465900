"""A published model on a board: what a token takes there, from the plan of its layers and the cycle model alone.

The plan (firmware/planner.py) and the cycle model say exactly what a device would execute and what would cross its
link; no weights are made. Weights that do not stay in the weight memory are sent again for every token.

A token's time is the sum of three parts, for a device computes, takes weights and takes inputs one after the other:

    array        engine cycles / clock                                derived, or estimated where no clock was routed
    activations  bytes of inputs and results / rate + round trips     estimated, as every link's rate
    weights      bytes of streamed loads / rate + round trips         estimated
"""

from collections.abc import Mapping
from dataclasses import dataclass

from trine.firmware.configuration import Configuration, Link
from trine.firmware.counters import Counters
from trine.firmware.cycles import LinkUse, request_bytes, request_cycles
from trine.firmware.planner import plan_model
from trine.host.errors import UsageError, bad_input
from trine.host.figures import link_seconds
from trine.host.published import Published
from trine.host.routed import Clock


@dataclass(frozen=True)
class Work:
    """Products of a token: weights multiplied, engine cycles, and what inputs and results take on the link."""

    weights: int
    counters: Counters
    link_use: LinkUse

    def __add__(self, other: "Work") -> "Work":
        return Work(self.weights + other.weights, self.counters + other.counters, self.link_use + other.link_use)


NO_WORK = Work(0, Counters(), LinkUse())


@dataclass(frozen=True)
class Workload:
    """A token of `model` on a device.

    clock: of its figures. kinds: the products by the layers of a block that share an input ("q_proj, k_proj, v_proj"),
    those of all blocks together. weight_words: weight words of all layers, padding included; resident_words: of these,
    those that stay in the weight memory. loads: how often a token fills the weight memory, wholly or in part; 0 if all
    stays. weight_use: what these loads take on the link.
    """

    model: Published
    configuration: Configuration
    link: Link
    clock: Clock
    kinds: Mapping[str, Work]
    weight_words: int
    resident_words: int
    loads: int
    weight_use: LinkUse

    @property
    def total(self) -> Work:
        """All products of a token."""
        return sum(self.kinds.values(), NO_WORK)

    @property
    def array_seconds(self) -> float:
        """The array's time."""
        return self.total.counters.cycles / self.clock.hz

    @property
    def activation_seconds(self) -> float:
        """The link's time for inputs and results."""
        return link_seconds(self.total.link_use, self.link)

    @property
    def weight_seconds(self) -> float:
        """The link's time for weights."""
        return link_seconds(self.weight_use, self.link)

    @property
    def resident_seconds(self) -> float:
        """What it would be if all weights stayed, the tiles being what they are."""
        return self.array_seconds + self.activation_seconds

    @property
    def offload_seconds(self) -> float:
        """All of it."""
        return self.resident_seconds + self.weight_seconds

    @property
    def resident_bound(self) -> str:
        """What would take most of it if all weights stayed: "array" or "link"."""
        return "array" if self.array_seconds >= self.activation_seconds else "link"

    @property
    def bound(self) -> str:
        """What takes most of it: "array", "link", or "weight memory", too small, so that the link brings weights."""
        return "weight memory" if self.weight_seconds > self.resident_seconds else self.resident_bound

    @property
    def packed_bytes(self) -> int:
        """Bytes of weight memory that hold all ternary weights, padding included."""
        return self.weight_words * self.configuration.lanes * self.configuration.slice_bits // 8

    @property
    def padding(self) -> float:
        """Share of the trits in the weight words that are no weights, 0 to 1."""
        return 1 - self.model.ternary_weights / (self.weight_words * self.configuration.trits_per_cycle)

    @property
    def link_bytes(self) -> int:
        """Bytes that cross the link."""
        return self.total.link_use.total + self.weight_use.total


def analyse(model: Published, configuration: Configuration, clock: Clock) -> Workload:
    """What a token of `model` takes on a device.

    Where it does not pay to let any of a single block stay, all blocks are planned and streamed alike, so that one
    stands for all: what stays saves the same with more blocks, and costs each of them. Raises UsageError for a device
    without a link, and one whose buffers are too small to cut the layers.
    """
    if configuration.link is None:
        raise UsageError(f"{configuration.name} has no link that weights could come over; give it one (link)")
    times = model.config.num_hidden_layers
    with bad_input():
        plan = plan_model(model.requests[: len(model.requests) // times], model.shapes, configuration)
        if plan.loads[0].words:
            plan, times = plan_model(model.requests, model.shapes, configuration), 1
    kinds: dict[str, Work] = {}
    weight_use = LinkUse()
    for request in plan.requests:
        name = ", ".join(layer.rpartition(".")[2] for layer in request.layers)
        use, with_loads = (request_bytes(request, configuration, loads) for loads in ((), plan.loads))
        work = Work(sum(request.rows) * request.columns, request_cycles(request, configuration), use)
        kinds[name] = sum([work] * times, kinds.get(name, NO_WORK))
        weights = LinkUse(with_loads.to_device - use.to_device, with_loads.from_device - use.from_device,
                          with_loads.round_trips - use.round_trips)
        weight_use += weights * times
    resident, *streamed = plan.loads
    return Workload(model, configuration, configuration.link, clock, kinds, plan.words * times, resident.words,
                    len(streamed) * times, weight_use)
