"""The quantised layers of a model, taken over by a device."""

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from torch import nn

from trine.firmware.compiler import SHARED_INPUTS, compile_layers
from trine.firmware.configuration import Configuration
from trine.firmware.cycles import token_bytes
from trine.host.device import Device
from trine.host.errors import UsageError, bad_input
from trine.host.layers import Layers
from trine.host.torch.bitlinear import BitLinear
from trine.host.torch.transformers_layers import TernaryWeights, TheirLayer, find_layers, make_module

SIBLINGS = tuple(tuple(name.rpartition(".")[2] for name in names) for names in SHARED_INPUTS)
"""Names under which layers of one parent share an input, in this family of decoders."""


class Offloaded:
    """A model whose layers a device executes, until `restore`; a context manager, which restores it.

    Members: the model; `layers`, the image on the device, and what was executed and compared since.
    """

    def __init__(self, model: nn.Module, layers: Layers, originals: Mapping[str, nn.Module]) -> None:
        self.model = model
        self.layers = layers
        self._originals = dict(originals)

    def restore(self) -> None:
        """Put the model's own layers back; twice does no harm. The device stays open, and the image loaded."""
        for name, module in self._originals.items():
            self.model.set_submodule(name, module)
        self._originals.clear()

    def figures(self) -> dict[str, Any]:
        """What was done since the model was offloaded, by name; "link": by the link's own count, where it counts.

        requests: vectors that were executed, and `requests_a_pass` of one vector through all layers, a token.
        results_shared: vectors of layers whose sums were there already. bytes_a_pass: by the cycle model, what a token
        sends, loads that are streamed included, and what it gets.
        """
        layers = self.layers
        use = token_bytes(layers.image, layers.device.configuration)
        return {
            "layers": sum(len(plan.layers) for plan in layers.image.requests),
            "requests_a_pass": len(layers.image.requests),
            "requests": layers.requests,
            "results_shared": layers.shared,
            "array_cycles": layers.counters.engine.cycles,
            "bytes_a_pass": {"to_device": use.to_device, "from_device": use.from_device},
            "integers_compared": layers.integers_compared,
            "link": layers.device.link_figures(),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.restore()


def offload(model: nn.Module, device: Device, *, verify: bool = False,
            progress: Callable[[float], None] | None = None) -> Offloaded:
    """Let a device execute the layers of a model that transformers has quantised: the model is changed in place.

    Every BitLinear and AutoBitLinear becomes a `trine.host.torch.BitLinear`, which computes the same; all else is left
    alone. Layers of one parent named q_proj, k_proj and v_proj, or gate_proj and up_proj, are one request: for a
    BitNetForCausalLM or a quantised Llama that is 4 requests a layer and token. Others are a request each.

    model: any module that has such layers below it, on the CPU. device: executes them from here on; load no other image
    before `restore`. What it cannot hold is streamed whenever it is needed (firmware/planner.py). verify: compare every
    integer with golden's and every cycle with the cycle model's. progress: as of `Device.load`.

    Raises UsageError, and leaves the model as it was, for: none of these layers; an array that does not add 8-bit codes
    exactly, since it would give other sums; weights that are not ternary or do not suit the device; what BitLinear
    refuses. DeviceError if the device fails.
    """
    found = find_layers(model)
    _require_layers(model, found)
    _require_exact(device.configuration)
    weights = TernaryWeights(found)
    with bad_input():
        image = compile_layers(_requests(found), weights, device.configuration, type(model).__name__)
    layers = Layers(device, image, weights if verify else None, progress)
    modules = {name: make_module(name, layer, layers) for name, layer in found.items()}
    for name, module in modules.items():
        model.set_submodule(name, module)
    return Offloaded(model, layers, found)


def _requests(found: Mapping[str, TheirLayer]) -> list[tuple[str, ...]]:
    """The names of all layers, siblings together; a layer that normalises its input has it for itself."""
    requests: dict[tuple[str, tuple[str, ...], int], list[str]] = {}
    for name, layer in found.items():
        parent, _, own = name.rpartition(".")
        siblings = next((names for names in SIBLINGS if own in names and layer.rms_norm is None), (own,))
        requests.setdefault((parent, siblings, layer.in_features), []).append(name)
    return [tuple(names) for names in requests.values()]


def _require_layers(model: nn.Module, found: Iterable[str]) -> None:
    kind = type(model).__name__
    if any(isinstance(module, BitLinear) for module in model.modules()):
        raise UsageError(f"this {kind} is offloaded already; restore it first")
    if "" in found:
        raise UsageError(f"the model is a single {kind}, which cannot be replaced in place; put it into a module")
    if not list(found):
        raise UsageError(f"this {kind} has no BitLinear or AutoBitLinear of transformers; load it with its "
                         "quantization_config (quant_method bitnet)")


def _require_exact(configuration: Configuration) -> None:
    mode = configuration.accumulator_mode
    if not mode.exact or mode.activation_bits != 8:
        raise UsageError(f"{configuration.name} adds {mode.activation_bits}-bit codes "
                         f"{'exactly' if mode.exact else 'in narrow accumulators'}; the layers of a model need exact "
                         "sums of 8-bit codes (activation_bits, group_accumulator_bits)")
