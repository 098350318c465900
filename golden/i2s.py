"""I2_S, the ternary format of bitnet.cpp (Microsoft's fork of llama.cpp): read with a stated layout, never written.

A tensor of N * K weights, row by row, is cut into blocks; a block's bytes hold, in bits 7:6, 5:4, 3:2 and 1:0, weight +
1 of its first, second, third and last quarter. After all blocks comes the scale, a little-endian float32 by which every
weight is multiplied, and 28 bytes that mean nothing.

A block is 128 weights where an x86 machine wrote the file and 64 where an ARM did, and nothing in the file tells which:
both give weights, and one of them gives the wrong order. (x86 builds without ACT_PARALLEL, which is not the default,
interleave four rows instead; such files are neither.)
"""

import numpy as np

from trine.golden.arrays import Int8, UInt8, first, require_dtype

TYPE = 36  # in the fork's enumeration of tensor types; llama.cpp's own has no such type
BLOCKS = {"x86": 128, "arm": 64}  # weights
SCALE_BYTES = 4


def count_bytes(weights: int) -> int:
    """Bytes that a tensor of so many weights takes, its scale included."""
    return weights // 4 + SCALE_BYTES


def unpack_i2s(data: UInt8, shape: tuple[int, int], layout: str) -> tuple[Int8, np.float32]:
    """(ternary weights int8 (N, K), scale) of a tensor's bytes, uint8 (count_bytes(N * K),).

    layout: a key of BLOCKS. Raises ValueError for N * K that is no multiple of its block, another number of bytes, and
    the code 3, naming its row and column.
    """
    require_dtype("I2_S data", data, np.uint8)
    n, k = shape
    block = BLOCKS[layout]
    if n * k % block:
        raise ValueError(f"{n} x {k} weights are no whole number of the {layout} layout's blocks of {block}")
    if data.shape != (count_bytes(n * k),):
        raise ValueError(f"{n} x {k} weights take {count_bytes(n * k)} bytes of I2_S, not {data.size}")
    quarters = data[:-SCALE_BYTES].reshape(-1, 1, block // 4)
    shifts = np.array([6, 4, 2, 0], np.uint8).reshape(1, 4, 1)
    codes = (quarters >> shifts & np.uint8(3)).reshape(n, k)
    if (codes == 3).any():
        raise ValueError(f"code 3 at row and column {first(codes == 3)} is no weight")
    return codes.astype(np.int8) - np.int8(1), np.frombuffer(data[-SCALE_BYTES:], "<f4")[0].astype(np.float32)
