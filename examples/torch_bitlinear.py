"""A network of PyTorch, its linear layers made ternary and executed by a device; transformers is not needed for it.

    python examples/torch_bitlinear.py [--vectors N] [--device DEVICE]

The network is a gated feed-forward block with random master weights. Its two layers that share an input share a request
of the device. The same block in float32 on the processor, of the same ternary weights, gives the same bits.
"""

import argparse
import sys

try:
    import torch
    from torch import Tensor, nn
except ImportError as missing:
    print(f"torch_bitlinear.py: it needs PyTorch ({missing}): pip install '.[torch]'", file=sys.stderr)
    sys.exit(4)

from trine.firmware.compiler import compile_layers
from trine.golden.quantise import ternarise
from trine.host.device import Device
from trine.host.errors import MismatchError, bad_input, one_line_failures
from trine.host.layers import Layers
from trine.host.open import counted, open_device
from trine.host.torch import BitLinear

REQUESTS = [("gate", "up"), ("down",)]
"""The layers, those that share an input together."""


class FeedForward(nn.Module):
    """down(relu(gate(x))^2 * up(x))."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, inner, bias=False)
        self.up = nn.Linear(width, inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same shape."""
        return self.down(self.gate(x).relu().square() * self.up(x))


class OnProcessor(nn.Module):
    """A BitNet b1.58 layer of ternary weights float32 (N, K), without a device."""

    def __init__(self, weights: Tensor, weight_scale: Tensor) -> None:
        super().__init__()
        self.weights, self.weight_scale = weights, weight_scale

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) to (..., N)."""
        scale = 127 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5)
        codes = (x * scale).round().clamp(-128, 127)
        return nn.functional.linear(codes, self.weights) / (self.weight_scale * scale)


def move(network: nn.Module, device: Device) -> Layers:
    """Have the layers of REQUESTS executed by a device from now on."""
    names = [name for request in REQUESTS for name in request]
    ternary = {name: ternarise(network.get_submodule(name).weight.detach().numpy()) for name in names}
    with bad_input():
        image = compile_layers(REQUESTS, {name: weights for name, (weights, _) in ternary.items()},
                               device.configuration, "the network")
    layers = Layers(device, image)
    for name, (_, scale) in ternary.items():
        network.set_submodule(name, BitLinear(layers, name, torch.tensor([scale])))
    return layers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=5, metavar="N", help="(default: 5)")
    parser.add_argument("--device", default="golden:ulx3s_85f", help="as of trine run (default: golden:ulx3s_85f)")
    arguments = parser.parse_args()
    torch.manual_seed(1)
    network = FeedForward(64, 160)
    reference = FeedForward(64, 160)
    for name in ("gate", "up", "down"):
        weights, scale = ternarise(network.get_submodule(name).weight.detach().numpy())
        reference.set_submodule(name, OnProcessor(torch.from_numpy(weights).float(), torch.tensor([scale])))
    with one_line_failures(parser.prog), open_device(arguments.device) as device:
        layers = move(network, device)
        x = torch.randn(max(0, arguments.vectors), 64)
        with torch.no_grad():
            y = network(x)
            if not torch.equal(y, reference(x)):
                raise MismatchError("the device's outputs are not the processor's")
    print(network)
    print(f"{len(x)} vectors on {arguments.device}: {y.numel()} outputs, all equal to the processor's, bit for bit")
    print(f"requests: {layers.requests}, {len(REQUESTS)} a vector; "
          f"array cycles: {layers.counters.engine.cycles:,} ({counted(arguments.device)})")


if __name__ == "__main__":
    main()
