"""Packings: how trits in {-1, 0, +1} are stored as codes of a few bits, and how the codes are numbered.

One rule numbers them all. A code is a sign, its top bit, and an index, the bits below. The index is the order in which
a table builder meets the partial sums of a group of activations: it starts from zero and walks the upper half of the
reflected ternary Gray code (`gray_walk`), so each next sum is the last one plus or minus a single activation. A code
is then the address of its own partial sum, negated if the sign is set, and a table array needs no decoder.

Weighed against it: plain base 3 in a byte needs as few bits, but a decoder of 23 to 25 LUTs a trit; an escape code for
groups with few nonzeros needs 2.5 to 7. With groups of one trit the rule gives the ordinary two-bit code (bit 0
nonzero, bit 1 negative), which an adder array uses without decoding, so `trit2` is no special case.
"""

import dataclasses
import functools

import numpy as np

from trine.golden.arrays import Bool, Int8, UInt8, first, require_dtype, require_range


def gray_walk(n: int) -> Int8:
    """The upper half of the reflected ternary Gray code over `n` digits: int8 ((3**n + 1) // 2, n), from zero.

    The whole code goes from (-1, ..., -1) to (+1, ..., +1), digit 0 changing fastest, exactly one digit by one at each
    step. Its middle element is zero and it is antisymmetric around it, so every group of trits or its negation, and
    only zero both, is in this half. Row i is the group with index i and sign 0. ValueError unless 1 <= n <= 12.
    """
    if not 1 <= n <= 12:
        raise ValueError(f"a group has 1 to 12 trits, not {n!r}")
    code = np.zeros((1, 0), np.int8)
    for _ in range(n):
        thirds = ((-1, code), (0, code[::-1]), (1, code))
        code = np.concatenate([np.insert(part, part.shape[1], digit, axis=1) for digit, part in thirds])
    return code[len(code) // 2 :]


@dataclasses.dataclass(frozen=True)
class Packing:
    """A code of `bits_per_code` bits for `trits_per_code` trits; trit 0 of a group is its lowest column.

    Bit `bits_per_code - 1` is the sign and the bits below are the index into `gray_walk(trits_per_code)`. A code of one
    bit is the sign alone, of a weight that is +1 or -1 and never 0. Every other code is unused: an index past the walk,
    and index 0 with the sign set (minus zero, 0b10 in `trit2`).

    Raises ValueError if the bits do not hold an index for every group, or are more than 8.
    """

    name: str
    trits_per_code: int
    bits_per_code: int

    def __post_init__(self) -> None:
        if not 1 <= self.bits_per_code <= 8:
            raise ValueError(f"{self.name}: a code has 1 to 8 bits, not {self.bits_per_code!r}")
        if self.trits_per_code < 1:
            raise ValueError(f"{self.name}: a code holds at least one trit, not {self.trits_per_code!r}")
        indices = (3**self.trits_per_code + 1) // 2
        if self.has_zero and indices > 2 ** (self.bits_per_code - 1):
            raise ValueError(f"{self.name}: {self.trits_per_code} trits do not fit in {self.bits_per_code} bits")

    @property
    def has_zero(self) -> bool:
        """Whether a trit can be 0; with a packing that has none, padding activations must be 0 instead."""
        return (self.trits_per_code, self.bits_per_code) != (1, 1)

    @property
    def bits_per_trit(self) -> float:
        """Storage for one weight, in bits."""
        return self.bits_per_code / self.trits_per_code

    @property
    def codes(self) -> tuple[int, ...]:
        """Every valid code, ascending: 3**trits_per_code of them, or 2 without a zero."""
        return tuple(int(code) for code in np.flatnonzero(_tables(self).used))

    def encode(self, trits: Int8) -> UInt8:
        """Codes uint8 (...) of `trits` int8 (..., trits_per_code).

        Raises ValueError for another type or shape, and for a trit outside {-1, 0, +1}, or 0 where there is no zero,
        naming it and its index.
        """
        require_dtype("trits", trits, np.int8)
        if trits.ndim == 0 or trits.shape[-1] != self.trits_per_code:
            raise ValueError(f"{self.name}: trits must be (..., {self.trits_per_code}), not {trits.shape}")
        require_range("trits", trits, -1, 1)
        if not self.has_zero and not trits.all():
            raise ValueError(f"{self.name} has no zero, but trits[{', '.join(map(str, first(trits == 0)))}] is 0")
        return _tables(self).code_of[_base_three(trits)]

    def decode(self, codes: UInt8) -> Int8:
        """Trits int8 (..., trits_per_code) of `codes` uint8 (...).

        Raises ValueError for another type and for an unused code, minus zero included, naming it and its index.
        """
        require_dtype("codes", codes, np.uint8)
        tables = _tables(self)
        known = tables.used[codes]
        if not np.all(known):
            at = first(~np.asarray(known))
            raise ValueError(f"{self.name}: code {int(codes[at]):#b} at index {list(at)} is not in use")
        return tables.trits_of[codes]


@dataclasses.dataclass(frozen=True)
class _Tables:
    trits_of: Int8  # (256, trits_per_code), zeros where unused
    used: Bool  # (256,)
    code_of: UInt8  # (3**trits_per_code,), by _base_three


def _base_three(trits: Int8) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """The rank of each group (..., n) among all 3**n: a dense key to look codes up by, seen nowhere outside."""
    return (trits.astype(np.int64) + 1) @ 3 ** np.arange(trits.shape[-1])


@functools.cache
def _tables(packing: Packing) -> _Tables:
    trits_of = np.zeros((256, packing.trits_per_code), np.int8)
    used = np.zeros(256, np.bool_)
    code_of = np.zeros(3**packing.trits_per_code, np.uint8)
    sign = 1 << (packing.bits_per_code - 1)
    walk = gray_walk(packing.trits_per_code)
    pairs = [(0, walk[1]), (1, -walk[1])]  # the sign alone
    if packing.has_zero:
        pairs = [*enumerate(walk), *((sign | i, -walk[i]) for i in range(1, len(walk)))]
    for code, trits in pairs:
        trits_of[code], used[code], code_of[_base_three(trits)] = trits, True, code
    return _Tables(trits_of, used, code_of)


PACKINGS: dict[str, Packing] = {
    packing.name: packing
    for packing in (
        Packing("bit1", 1, 1),
        Packing("trit2", 1, 2),
        Packing("trit3x5", 3, 5),
        Packing("trit5x8", 5, 8),
    )
}
