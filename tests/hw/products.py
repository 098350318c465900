"""Matrix-vector products for arrays and devices, at random and at the extremes, and what golden makes of them."""

import numpy as np

from trine.firmware.configuration import Configuration
from trine.firmware.layout import pack_weights
from trine.sim import netlist_check

KINDS = ("random", "least", "greatest", "zero")
"""What a product's weights or codes are."""


class Product(netlist_check.Product):
    """`weights` int8 (N, K) times `codes` int8 (K,) on a device of `configuration`."""

    @property
    def weight_bytes(self) -> bytes:
        """The weight words, as they travel on the link."""
        return pack_weights(self.weights, self.configuration)

    @property
    def words(self) -> list[int]:
        """The weight words as the array takes them: slices side by side, without the padding to bytes."""
        configuration, data = self.configuration, self.weight_bytes
        size, lanes = configuration.slice_bytes, configuration.lanes
        slices = [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]
        return [sum(part << (configuration.slice_bits * lane) for lane, part in enumerate(slices[at : at + lanes]))
                for at in range(0, len(slices), lanes)]

    @property
    def result_beats(self) -> list[int]:
        """The results as the array gives them, beat after beat, each as one unsigned integer."""
        size = self.configuration.beat_bytes
        data = self.results.astype("<i4").tobytes()
        return [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]


def make_product(configuration: Configuration, rows: int, columns: int, seed: int = 0, weights: str = "random",
                 codes: str = "random") -> Product:
    """A product of that size; where the packing has no zero, zero weights are +1."""
    rng = np.random.default_rng(seed)
    least, greatest = configuration.accumulator_mode.code_range
    trit = {"least": -1, "greatest": 1, "zero": 0}.get(weights)
    code = {"least": least, "greatest": greatest, "zero": 0}.get(codes)
    matrix = rng.integers(-1, 2, (rows, columns), np.int8) if trit is None else np.full((rows, columns), trit, np.int8)
    vector = rng.integers(least, greatest + 1, columns, np.int8) if code is None else np.full(columns, code, np.int8)
    if not configuration.codec.has_zero:
        matrix[matrix == 0] = 1
    return Product(configuration, matrix, vector)
