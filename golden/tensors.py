"""Tensors in safetensors files: everything about them from the header at once, their bytes when they are asked for.

A file is a uint64 n, little-endian, n bytes of JSON, {name: {"dtype", "shape", "data_offsets": [begin, end]}} and
perhaps `__metadata__`, and the data. The package `safetensors` reads the same; this reader stands beside it because
that one has no BF16 in NumPy, which published BitNet checkpoints use (a BF16 is the upper half of a float32), and
widens nothing piece by piece, so that embeddings of gigabytes would be in memory twice.
"""

import dataclasses
import math
import os
import struct
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from trine.golden.arrays import Float32
from trine.golden.chunks import join_finite, read_chunks
from trine.golden.json_object import one_line, parse_object

LARGEST_HEADER = 16 * 2**20  # bytes; the format's own limit is 100 MB, and 100,000 tensors take 12 MB
CHUNK = 8 * 2**20  # bytes that are read, and widened, at a time


def _bfloat16(data: bytes) -> Float32:
    return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)


_FLOATS: dict[str, tuple[int, Callable[[bytes], Float32]]] = {
    "F32": (4, lambda data: np.frombuffer(data, "<f4").astype(np.float32, copy=False)),
    "F16": (2, lambda data: np.frombuffer(data, "<f2").astype(np.float32)),
    "BF16": (2, _bfloat16),
}
_INTEGERS: dict[str, npt.DTypeLike] = {"I8": np.int8, "U8": np.uint8}

FLOATS = tuple(_FLOATS)


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file: its type and shape, and where its bytes begin. Reading it opens the file anew each time.

    Every method raises ValueError, in one line that begins with the path.
    """

    path: Path
    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def require(self, dtypes: Collection[str], *shapes: tuple[int, ...]) -> Self:
        """The tensor itself; ValueError unless it is of one of `dtypes` and one of `shapes`."""
        if self.dtype not in dtypes:
            raise ValueError(f"{self.path}: {self.name} must be of type {' or '.join(dtypes)}, not {self.dtype}")
        if self.shape not in shapes:
            raise ValueError(f"{self.path}: {self.name} must be {' or '.join(map(str, shapes))}, not {self.shape}")
        return self

    def floats(self) -> Float32:
        """The values of an F32, F16 or BF16 tensor as float32, exactly; ValueError naming the first that is not finite.

        Needs the memory of the result and a few times CHUNK.
        """
        width, widen = _FLOATS[self.dtype]
        chunks = read_chunks(self.path, self.offset, math.prod(self.shape) * width, CHUNK)
        return join_finite(self.path, self.name, self.shape, map(widen, chunks))

    def integers(self) -> npt.NDArray[Any]:
        """The values of an I8 or U8 tensor, int8 or uint8."""
        data = b"".join(read_chunks(self.path, self.offset, math.prod(self.shape), CHUNK))
        return np.frombuffer(data, _INTEGERS[self.dtype]).reshape(self.shape)


def read_tensors(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a safetensors file by name, in the order of its header, of the types I8, U8, F16, BF16 and F32.

    Raises ValueError, in one line that begins with the path: a file that cannot be read or is cut short; a header above
    LARGEST_HEADER, that is no JSON object, or has a name twice; a tensor of another type, without a shape of sizes, or
    whose bytes are not as many as its shape says; tensors whose bytes overlap, leave a gap or end elsewhere than the
    file.
    """
    try:
        header, data_offset, size = _read_header(path)
        return _tensors(path, header, data_offset, size)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read_header(path: Path) -> tuple[dict[str, Any], int, int]:
    """(the header, where the data begin, the file's size)."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        prefix = file.read(8)
        (length,) = struct.unpack("<Q", prefix) if len(prefix) == 8 else (0,)
        if length > LARGEST_HEADER:
            raise ValueError(f"not a safetensors file (a header of {length} bytes; at most {LARGEST_HEADER} are read)")
        if length == 0 or 8 + length > size:
            raise ValueError("not a whole safetensors file (it ends within its header)")
        try:
            return parse_object(file.read(length)), 8 + length, size
        except ValueError as error:
            raise ValueError(f"not a safetensors file (its header: {error})") from error


def _tensors(path: Path, header: dict[str, Any], data_offset: int, size: int) -> dict[str, StoredTensor]:
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("not a safetensors file (__metadata__ must be an object of strings)")
    tensors: dict[str, StoredTensor] = {}
    spans: list[tuple[int, int, str]] = []
    for name, fields in header.items():
        dtype, shape, (begin, end) = _fields(name, fields)
        width = _FLOATS[dtype][0] if dtype in _FLOATS else 1
        if end - begin != math.prod(shape) * width:
            raise ValueError(f"{one_line(name)} has {end - begin} bytes, not the {math.prod(shape) * width} of {dtype} "
                             f"{shape}")
        spans.append((begin, end, name))
        tensors[name] = StoredTensor(path, name, dtype, shape, data_offset + begin)
    expected = 0
    for begin, end, name in sorted(spans):
        if begin != expected:
            raise ValueError(f"{one_line(name)} begins at byte {begin} of the data, not at {expected}, where the one "
                             "before ends")
        expected = end
    if data_offset + expected != size:
        raise ValueError(f"not a whole safetensors file ({size} bytes, not the {data_offset + expected} of its header)")
    return tensors


def _fields(name: str, fields: Any) -> tuple[str, tuple[int, ...], tuple[int, int]]:
    """(dtype, shape, data_offsets) of one tensor's entry in a header."""
    name = one_line(name)
    if not isinstance(fields, dict) or fields.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name} must have dtype, shape and data_offsets")
    dtype, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if dtype not in (*_INTEGERS, *FLOATS):
        raise ValueError(f"{name} is of type {str(dtype)!a:.20}, not one of {', '.join([*_INTEGERS, *FLOATS])}")
    if not _sizes(shape):
        raise ValueError(f"the shape of {name} must be a list of sizes, not {shape!r:.80}")
    if not _sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"the data_offsets of {name} must be [begin, end], not {offsets!r:.80}")
    return dtype, tuple(shape), (offsets[0], offsets[1])


def _sizes(value: Any) -> bool:
    """Whether a value is a list of counts that 64 bits hold, few enough to be multiplied."""
    return isinstance(value, list) and len(value) <= 8 and all(type(n) is int and 0 <= n < 2**63 for n in value)
