"""The array's integer sums: exact, or through narrow saturating group accumulators.

Exact sums are the default. Narrow accumulators are here because int8 ones are what the first sketches of such arrays
call for, and their cost in accuracy deserves measuring: saturating at 8 bits over all of K leaves a language model
worse than chance, while 4-bit activations in groups of 16 never saturate at all (16 * 7 = 112).
"""

import dataclasses

import numpy as np

from trine.golden.arrays import Int8, Int32, Int64, require_dtype, require_range, require_weights

# Sums of this many columns stay within 2**30, so that one more step on top of a group accumulator fits in int32.
LARGEST_K = 2**23


@dataclasses.dataclass(frozen=True)
class AccumulatorMode:
    """How an array adds up.

    activation_bits: 8 or 4, the width of activation codes.
    group_accumulator_bits: width of the saturating group accumulator, 2 to 31; None for exact sums.
    group: columns to a group; None for all of K.
    depth: columns that one array step adds, at least 1; it divides `group`.

    Raises ValueError for any other value, and for a group without group_accumulator_bits.
    """

    activation_bits: int = 8
    group: int | None = None
    group_accumulator_bits: int | None = None
    depth: int = 1

    def __post_init__(self) -> None:
        if self.activation_bits not in (4, 8):
            raise ValueError(f"activation_bits must be 8 or 4, not {self.activation_bits!r}")
        if self.depth < 1:
            raise ValueError(f"depth must be at least 1, not {self.depth!r}")
        if self.group_accumulator_bits is None:
            if self.group is not None:
                raise ValueError(f"group {self.group!r} needs group_accumulator_bits")
        elif not 2 <= self.group_accumulator_bits <= 31:
            raise ValueError(f"group_accumulator_bits must be 2 to 31, not {self.group_accumulator_bits!r}")
        if self.group is not None and (self.group < 1 or self.group % self.depth):
            raise ValueError(f"group must be a positive multiple of the depth {self.depth}, not {self.group!r}")

    @property
    def exact(self) -> bool:
        """Whether there is no group accumulator."""
        return self.group_accumulator_bits is None

    @property
    def code_range(self) -> tuple[int, int]:
        """The least and the greatest code admitted: +-(2**(activation_bits - 1) - 1), and -128 too if exact."""
        top = int(2 ** (self.activation_bits - 1)) - 1
        return (-128 if self.exact and self.activation_bits == 8 else -top), top


def accumulate(weights: Int8, codes: Int8, mode: AccumulatorMode = AccumulatorMode()) -> Int32:
    """W @ q as the array computes it: `weights` int8 (N, K) in {-1, 0, +1}, `codes` int8 (K,), result int32 (N,).

    Codes (..., K), any number of vectors, give (..., N): each as if alone.

    Exact mode: a[n] = sum over k of weights[n, k] * codes[k]. Otherwise step i adds the exact sum of its columns
    i * depth, ..., i * depth + depth - 1 (columns past K count as zero) to a group accumulator, which saturates to
    -2**(bits - 1) .. 2**(bits - 1) - 1 after every step. After the last step of a group, and after the last of all, it
    is added exactly to the result and starts again from zero.

    Raises ValueError for other types and shapes, a weight outside {-1, 0, +1} or a code outside `mode.code_range`
    (naming value and index), and K above LARGEST_K.
    """
    require_weights(weights)
    require_dtype("codes", codes, np.int8)
    k = weights.shape[1]
    if codes.ndim == 0 or codes.shape[-1] != k:
        raise ValueError(f"codes must be (..., {k}) for weights {weights.shape}, not {codes.shape}")
    require_range("codes", codes, *mode.code_range)
    if k > LARGEST_K:
        raise ValueError(f"K must be at most {LARGEST_K} for int32 sums, not {k}")
    if mode.group_accumulator_bits is None:
        return _exact(weights, codes)
    high = int(2 ** (mode.group_accumulator_bits - 1)) - 1
    total = np.zeros((*codes.shape[:-1], weights.shape[0]), np.int32)
    group = np.zeros_like(total)
    for start in range(0, k, mode.depth):
        if mode.group is not None and start % mode.group == 0:
            total += group
            group[...] = 0
        group += _exact(weights[:, start : start + mode.depth], codes[..., start : start + mode.depth])
        np.clip(group, -high - 1, high, out=group)
    return total + group


def _exact(weights: Int8, codes: Int8) -> Int32:
    # A float64 matrix product is much faster than an integer one and exact: every product and every partial sum, in
    # whatever order, is an integer of magnitude at most 128 * K <= 2**30, and float64 holds all of them up to 2**53.
    return (codes.astype(np.float64) @ weights.T.astype(np.float64)).astype(np.int32)


def static_bound(weights: Int8, activation_bits: int = 8, admit_minimum: bool = False) -> Int64:
    """The largest |accumulator| that each row of `weights` int8 (N, K) can reach at any moment, int64 (N,).

    (2**(activation_bits - 1) - 1) * (nonzeros of the row), that is 127 or 7 each; 128 each with `admit_minimum`, where
    the code -128 is allowed. Raises ValueError for bits other than 8 or 4, and for `admit_minimum` with 4 bits, whose
    codes never reach -8.
    """
    require_weights(weights)
    if activation_bits not in (4, 8):
        raise ValueError(f"activation_bits must be 8 or 4, not {activation_bits!r}")
    if admit_minimum and activation_bits != 8:
        raise ValueError(f"admit_minimum needs activation_bits 8, not {activation_bits!r}")
    largest = int(2 ** (activation_bits - 1)) - (0 if admit_minimum else 1)
    nonzeros: Int64 = np.count_nonzero(weights, axis=1).astype(np.int64)
    return nonzeros * largest
