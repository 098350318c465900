"""One layer of each system: quantise a float32 vector, add it up in integers, rescale the sums.

The three steps are separate methods because only the middle one runs on a device.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from trine.golden.accumulate import AccumulatorMode, accumulate
from trine.golden.arrays import Float32, Int8, Int32, first, require_weights
from trine.golden.quantise import quantise_activations, quantise_binary, quantise_binary_unsigned

LINEAR_CLASSES = ("bitlinear", "autobitlinear")

# Executes, for one vector, the layers that share it as their input: (their names, codes int8 (K,)) to their sums,
# int32 (N_i,) each. The hook through which a device does the integer part of a model.
Multiply = Callable[[tuple[str, ...], Int8], Sequence[Int32]]

EXACT = AccumulatorMode()


@dataclasses.dataclass(frozen=True, eq=False)
class BitLinear:
    """A BitNet b1.58 layer: float32 (..., K) to float32 (..., N), without a bias.

    weights: int8 (N, K) in {-1, 0, +1}.
    weight_scale: a positive finite float32; 1 / mean|W| of the master weights for `bitlinear`.
    linear_class: what transformers does with weight_scale: "bitlinear" divides by it, "autobitlinear" (which
        microsoft/bitnet-b1.58-2B-4T declares) multiplies. Nothing in the numbers tells which is meant.

    Raises ValueError for any other value.
    """

    weights: Int8
    weight_scale: np.float32
    linear_class: str = "bitlinear"

    def __post_init__(self) -> None:
        require_weights(self.weights)
        _require_scale("weight_scale", self.weight_scale)
        if self.linear_class not in LINEAR_CLASSES:
            raise ValueError(f"linear_class must be one of {', '.join(LINEAR_CLASSES)}, not {self.linear_class!r}")

    def quantise(self, x: Float32, bits: int = 8) -> tuple[Int8, Float32]:
        """(codes int8 (..., K), scale float32 (..., 1)) of x (..., K): `quantise_activations`."""
        return quantise_activations(x, bits)

    def accumulate(self, codes: Int8, mode: AccumulatorMode = EXACT) -> Int32:
        """Integer sums (..., N) of codes (..., K): `accumulate`."""
        return accumulate(self.weights, codes, mode)

    def rescale(self, accumulators: Int32, scale: Float32) -> Float32:
        """The layer's output (..., N) from its accumulators (..., N) and the scale (..., 1) of its input.

        `a / (weight_scale * scale)` for bitlinear, `a / scale * weight_scale` for autobitlinear, in float32 and in this
        order. The first is what transformers computes, and equal to it where |a| < 2**24. In the second transformers
        divides the codes before it sums them, so that it differs by the rounding of its sums.
        """
        sums = accumulators.astype(np.float32)
        if self.linear_class == "bitlinear":
            return sums / (self.weight_scale * scale)
        return sums / scale * self.weight_scale

    def __call__(self, x: Float32) -> Float32:
        """The layer: quantise, accumulate exactly, rescale."""
        codes, scale = self.quantise(x)
        return self.rescale(self.accumulate(codes), scale)


@dataclasses.dataclass(frozen=True, eq=False)
class BinaryLinear:
    """A layer of the original BitNet (arXiv 2310.11453): float32 (..., K) to float32 (..., N), without a bias.

    weights: int8 (N, K) in {-1, +1}.
    beta: a positive finite float32; mean|W| of the master weights.
    unsigned: whether the input is shifted to start at zero, as the paper does before a nonlinearity.

    Raises ValueError for any other value.
    """

    weights: Int8
    beta: np.float32
    unsigned: bool = False

    def __post_init__(self) -> None:
        require_weights(self.weights)
        if not self.weights.all():
            n, k = first(self.weights == 0)
            raise ValueError(f"binary weights have no zero, but weights[{n}, {k}] is 0")
        _require_scale("beta", self.beta)

    def quantise(self, x: Float32, bits: int = 8) -> tuple[Int8, Float32, Float32]:
        """(codes int8 (..., K), gamma (..., 1), minimum (..., 1)) of x (..., K); minimum is 0 unless `unsigned`."""
        if self.unsigned:
            return quantise_binary_unsigned(x, bits)
        codes, gamma = quantise_binary(x, bits)
        return codes, gamma, np.zeros_like(gamma)

    def accumulate(self, codes: Int8, mode: AccumulatorMode = EXACT) -> Int32:
        """Integer sums (..., N) of codes (..., K): `accumulate`."""
        return accumulate(self.weights, codes, mode)

    def rescale(self, accumulators: Int32, gamma: Float32, minimum: Float32, *, bits: int = 8) -> Float32:
        """The layer's output (..., N): `a * (beta * gamma / Q)`, Q = 2**(bits - 1), in float32 and in this order.

        If unsigned, `+ minimum * (beta * sum of the row of B)`: what shifting the input by its minimum took away.
        """
        output: Float32 = accumulators.astype(np.float32) * (self.beta * gamma / np.float32(2 ** (bits - 1)))
        if not self.unsigned:
            return output
        row_sums: Float32 = self.weights.sum(axis=1, dtype=np.int32).astype(np.float32)
        return output + minimum * (self.beta * row_sums)

    def __call__(self, x: Float32) -> Float32:
        """The layer: quantise, accumulate exactly, rescale."""
        codes, gamma, minimum = self.quantise(x)
        return self.rescale(self.accumulate(codes), gamma, minimum)


def call_multiply(
    multiply: Multiply, linears: Mapping[str, BitLinear | BinaryLinear], names: tuple[str, ...], codes: Int8
) -> Sequence[Int32]:
    """multiply(names, codes); ValueError unless it returns an int32 (N,) for each of the named layers."""
    results = multiply(names, codes)
    if len(results) != len(names):
        raise ValueError(f"multiply must return {len(names)} results for {', '.join(names)}, not {len(results)}")
    for name, sums in zip(names, results, strict=True):
        n = linears[name].weights.shape[0]
        if sums.dtype != np.int32 or sums.shape != (n,):
            raise ValueError(f"multiply must return int32 ({n},) for {name}, not {sums.dtype} {sums.shape}")
    return results


def _require_scale(name: str, value: np.float32) -> None:
    if not isinstance(value, np.float32):
        raise ValueError(f"{name} must be a float32, not {type(value).__name__}")
    if not np.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be positive and finite, not {value}")
