"""One layer, from an array of NumPy to a device: made ternary, compiled, loaded, executed, compared with golden.

    python examples/numpy_linear.py [--weights FILE.npy] [--vectors N] [--device DEVICE]

FILE.npy holds master weights, float32 (N, K); without it they are random, 96 x 200. Only NumPy is needed.
"""

import argparse
from pathlib import Path

import numpy as np

from trine.firmware.compiler import compile_layers
from trine.golden.arrays import Float32
from trine.golden.bitlinear import BitLinear
from trine.golden.quantise import ternarise
from trine.host.device import Device
from trine.host.errors import MismatchError, UsageError, bad_input, one_line_failures
from trine.host.open import counted, open_device


def read_weights(path: Path | None) -> Float32:
    """Master weights (N, K): those of a file, or random ones."""
    if path is None:
        return np.random.default_rng(1).standard_normal((96, 200), np.float32)
    with bad_input():
        weights = np.load(path, allow_pickle=False)
    if not isinstance(weights, np.ndarray) or weights.ndim != 2:
        raise UsageError(f"{path}: the weights must be one array (N, K)")
    return weights.astype(np.float32)


def execute(device: Device, master: Float32, x: Float32) -> Float32:
    """y (..., N) of the layer with these weights on x (..., K); MismatchError unless golden says the same."""
    with bad_input():
        linear = BitLinear(*ternarise(master))
        image = compile_layers([("layer",)], {"layer": linear.weights}, device.configuration, "the layer")
    device.load(image)
    codes, scale = linear.quantise(x)  # int8 (..., K), float32 (..., 1)
    sums = device.linear("layer", codes)  # int32 (..., N): the only step that the device takes part in
    if not np.array_equal(sums, linear.accumulate(codes)):
        raise MismatchError("the device's sums are not golden's")
    return linear.rescale(sums, scale)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, metavar="FILE.npy")
    parser.add_argument("--vectors", type=int, default=3, metavar="N", help="random inputs (default: 3)")
    parser.add_argument("--device", default="golden:ulx3s_85f", help="as of trine run (default: golden:ulx3s_85f)")
    arguments = parser.parse_args()
    with one_line_failures(parser.prog), open_device(arguments.device) as device:
        master = read_weights(arguments.weights)
        n, k = master.shape
        with bad_input():
            x = np.random.default_rng(2).standard_normal((arguments.vectors, k), np.float32)
        before = device.counters()
        y = execute(device, master, x)
        cycles = (device.counters() - before).engine.cycles
    print(f"layer {n} x {k} on {arguments.device}, {len(x)} vectors: {y.size} sums, all equal to golden's")
    print(f"array cycles: {cycles:,} ({counted(arguments.device)})")


if __name__ == "__main__":
    main()
