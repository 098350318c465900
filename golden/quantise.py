"""Quantisers: float32 activations and master weights to the integers the array works on.

Two systems. BitNet b1.58 (arXiv 2402.17764, as transformers runs it): `quantise_activations` and `ternarise`. The
original BitNet (arXiv 2310.11453): `quantise_binary`, `quantise_binary_unsigned` and `binarise`. Rounding is half to
even throughout. All arithmetic on activations is float32, in the order written here, because another order rounds
differently and another code follows; the means of weights are taken in float64 and rounded once.
"""

import numpy as np

from trine.golden.arrays import Float32, Int8, require_dtype, require_finite

SMALLEST = np.float32(1e-5)  # the least magnitude a scale is computed from: zero input gives codes 0, not NaN


def quantise_activations(x: Float32, bits: int = 8) -> tuple[Int8, Float32]:
    """BitNet b1.58 activations: (codes int8 (..., K), scale float32 (..., 1)); x is about codes / scale.

    Along the last axis, with Q = 2**(bits - 1) - 1: `scale = Q * (1 / max(max|x|, 1e-5))`, two float32 roundings as
    torch computes `Q / t`; `codes = clip(round(x * scale))`, to -128..127 for 8 bits and to -7..7 for 4. The smallest
    code that occurs is -Q.

    Raises ValueError for a dtype other than float32, an empty last axis, NaN or infinity (naming its index), and bits
    other than 8 or 4.
    """
    top = _top(bits)
    _require_vectors(x)
    largest = np.maximum(np.abs(x).max(-1, keepdims=True), SMALLEST)
    scale = np.float32(top) * (np.float32(1) / largest)
    low = -128 if bits == 8 else -top
    return np.clip(np.rint(x * scale), low, top).astype(np.int8), scale


def ternarise(w: Float32) -> tuple[Int8, np.float32]:
    """BitNet b1.58 weights: (T int8 in {-1, 0, +1} of the shape of w, weight_scale); w is about T / weight_scale.

    `weight_scale = 1 / max(mean|w|, 1e-5)`; `T = clip(round(w * weight_scale), -1, 1)`, multiplied in float32 by the
    rounded scale, as transformers does. Raises ValueError for another dtype, no weights, NaN or infinity.
    """
    _require_master(w)
    weight_scale = np.float32(1) / max(np.float32(np.abs(w).mean(dtype=np.float64)), SMALLEST)
    return np.clip(np.rint(w * weight_scale), -1, 1).astype(np.int8), weight_scale


def binarise(w: Float32) -> tuple[Int8, np.float32]:
    """BitNet weights: (B int8 in {-1, +1} of the shape of w, beta); w is about beta * B.

    `B = Sign(w - mean w)`, with Sign(0) = -1; `beta = mean|w|`. Raises ValueError as `ternarise`.
    """
    _require_master(w)
    sign = np.where(w > w.mean(dtype=np.float64), 1, -1).astype(np.int8)
    return sign, np.float32(np.abs(w).mean(dtype=np.float64))


def quantise_binary(x: Float32, bits: int = 8) -> tuple[Int8, Float32]:
    """BitNet activations: (codes int8 (..., K), gamma float32 (..., 1)); x is about codes * gamma / Q.

    Along the last axis, with Q = 2**(bits - 1): `gamma = max(max|x|, 1e-5)`;
    `codes = clip(round(x / gamma * Q), -(Q - 1), Q - 1)`. Q is a power of two, so there is one rounding before the
    integer. The paper clips at Q - epsilon before rounding, which would give Q itself: one more than int8 holds. It
    takes gamma over the whole input, here it is per vector. Raises ValueError as `quantise_activations`.
    """
    half = _top(bits) + 1
    _require_vectors(x)
    gamma = np.maximum(np.abs(x).max(-1, keepdims=True), SMALLEST)
    return np.clip(np.rint(x / gamma * np.float32(half)), 1 - half, half - 1).astype(np.int8), gamma


def quantise_binary_unsigned(x: Float32, bits: int = 8) -> tuple[Int8, Float32, Float32]:
    """BitNet activations before a nonlinearity: (codes int8 (..., K), gamma and minimum float32 (..., 1) each).

    x is about codes * gamma / Q + minimum. Along the last axis, with Q = 2**(bits - 1): `minimum = min x`;
    `gamma = max(max(x - minimum), 1e-5)`; `codes = clip(round((x - minimum) / gamma * Q), 0, Q - 1)`. gamma is the
    range of x - minimum, so that [0, Q) holds all of it; with the paper's max|x| a signed input would be cut off at
    half of its range. Raises ValueError as `quantise_activations`, and where max x - min x is no float32.
    """
    half = _top(bits) + 1
    _require_vectors(x)
    minimum = x.min(-1, keepdims=True)
    with np.errstate(over="ignore"):
        shifted = x - minimum
    require_finite("x - min x", shifted)
    gamma = np.maximum(shifted.max(-1, keepdims=True), SMALLEST)
    return np.clip(np.rint(shifted / gamma * np.float32(half)), 0, half - 1).astype(np.int8), gamma, minimum


def _top(bits: int) -> int:
    """The largest code of `bits` bits."""
    if bits not in (4, 8):
        raise ValueError(f"activation bits must be 8 or 4, not {bits!r}")
    return int(2 ** (bits - 1)) - 1


def _require_vectors(x: Float32) -> None:
    require_dtype("x", x, np.float32)
    if x.ndim == 0 or x.shape[-1] == 0:
        raise ValueError(f"x must be (..., K) with K at least 1, not {x.shape}")
    require_finite("x", x)


def _require_master(w: Float32) -> None:
    require_dtype("w", w, np.float32)
    if w.size == 0:
        raise ValueError(f"w must have elements, but is of shape {w.shape}")
    require_finite("w", w)
