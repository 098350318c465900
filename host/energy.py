"""Arithmetic energy of matrix products, by the model of the BitNet papers; everything here is estimated.

Energies of an operation are Table 2 of arXiv 2310.11453, which has them from Horowitz (ISSCC 2014; 45 nm) and Zhang et
al. (PokeBNN, CVPR 2022; 7 nm); Table 4 of arXiv 2504.12285 repeats those of FP16 and INT8 at 7 nm. For one token, a
layer (N, K) takes

    float: N * K * mul + N * (K - 1) * add        ternary: N * (K - 1) * add(INT8) + (N + K) * mul(FP32)

(equations 16 to 18 there, with one row of activations). The multiplications of a ternary layer are those of quantising
its input and rescaling its sums, which trine does in float32; a shared input is counted with each layer, as there. So
for big layers the ratio of float16 to ternary goes to (add + mul) / add(INT8) = 71.4 at 7 nm, the figure of arXiv
2402.17764.

With zeros skipped, only the weights that are not zero are added. Which share that is, is known of a model's weights
only; NONZERO_SHARE is that of master weights with a normal distribution, rounded as b1.58 does it.

What is left out, as in the papers: reading and moving weights and activations, attention, embeddings and the head.
INT8 additions flatter every accelerator whose sums are wider, trine's too; and these are energies of standard cells,
not of an FPGA. The ratios compare arithmetic, and nothing here says what a board takes.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

NODES = (45, 7)
"""Process nodes, nm."""

NONZERO_SHARE = math.erfc(1 / (2 * math.sqrt(math.pi)))
"""0.690: P(|w| > mean|w| / 2) of a normal distribution, whose mean|w| is sqrt(2 / pi) standard deviations."""


@dataclass(frozen=True)
class Operation:
    """Energy of an addition and of a multiplication of one number format, pJ."""

    add: float
    mul: float


OPERATIONS: dict[str, dict[int, Operation]] = {
    "float32": {45: Operation(0.9, 3.7), 7: Operation(0.38, 1.31)},
    "float16": {45: Operation(0.4, 1.1), 7: Operation(0.16, 0.34)},
    "int8": {45: Operation(0.03, 0.2), 7: Operation(0.007, 0.07)},
}
"""By number format and node."""

ARITHMETIC = (*OPERATIONS, "ternary", "ternary, zeros skipped")
"""The ways to compute a layer that are compared; int8 is 8-bit weights and activations."""


def token_energy(shapes: Iterable[tuple[int, int]]) -> dict[str, dict[int, float]]:
    """Joules that the matrix products of a token take, by arithmetic and node; shapes: (N, K) of each layer."""
    layers = list(shapes)
    products = sum(n * k for n, k in layers)
    additions = sum(n * (k - 1) for n, k in layers)
    scalings = sum(n + k for n, k in layers)
    energies: dict[str, dict[int, float]] = {name: {} for name in ARITHMETIC}
    for node in NODES:
        for name, operations in OPERATIONS.items():
            cost = operations[node]
            energies[name][node] = (products * cost.mul + additions * cost.add) * 1e-12
        add, scale = OPERATIONS["int8"][node].add, scalings * OPERATIONS["float32"][node].mul
        energies["ternary"][node] = (additions * add + scale) * 1e-12
        energies["ternary, zeros skipped"][node] = (NONZERO_SHARE * additions * add + scale) * 1e-12
    return energies
