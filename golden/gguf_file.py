"""The header of a GGUF file: metadata and tensor descriptions, checked before anything is believed.

A file is the magic `GGUF`, a uint32 version, uint64 counts of tensors and of metadata, the metadata, the descriptions,
and the data, which begin at the next multiple of `general.alignment` (32 if it is not there). A string is a uint64
length and UTF-8; a metadata entry a key, a uint32 value type and the value; a description a name, a uint32 number of
dimensions, their uint64 sizes with the innermost first, a uint32 tensor type and a uint64 offset in the data. All is
little-endian.

The package `gguf` defines the tensor types and decodes them. Its reader maps files into memory and believes what they
say, so that a malformed one ends in whatever exception comes first; this one is strict, and reads only the header.
"""

import dataclasses
import math
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from trine.golden import i2s
from trine.golden.json_object import one_line

MOST_ENTRIES = 100_000  # metadata entries, and tensors
LARGEST_STRING = 2**20  # bytes, of a key, a name or a value; the longest published ones are chat templates
LARGEST_HEADER = 64 * 2**20  # bytes; a vocabulary of 256,000 tokens with its merges takes 25 MB
VERSIONS = (2, 3)

_ARRAY, _STRING, _BOOL = 9, 8, 7
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", _BOOL: "B", 10: "Q", 11: "q", 12: "d"}


@dataclasses.dataclass(frozen=True)
class GGUFTensor:
    """A tensor in a GGUF file.

    type: a value of gguf's GGMLQuantizationType, or `i2s.TYPE`. shape: the outermost dimension first, as in NumPy.
    offset, size: of its bytes in the file.
    """

    path: Path
    name: str
    type: int
    shape: tuple[int, ...]
    offset: int
    size: int

    @property
    def rows(self) -> int:
        """Vectors of the innermost dimension."""
        return math.prod(self.shape[:-1])

    @property
    def type_name(self) -> str:
        """The type as llama.cpp calls it."""
        return "I2_S" if self.type == i2s.TYPE else GGMLQuantizationType(self.type).name


@dataclasses.dataclass(frozen=True)
class GGUFHeader:
    """What a GGUF file says: its metadata by key, None in the place of arrays (tokens, merges); its tensors by name."""

    metadata: dict[str, Any]
    tensors: dict[str, GGUFTensor]


def read_gguf(path: Path) -> GGUFHeader:
    """The header of a GGUF file.

    Raises ValueError, in one line that begins with the path: a file that cannot be read or is cut short; another magic,
    version or byte order; more than MOST_ENTRIES entries or tensors, or LARGEST_HEADER bytes of them; a string above
    LARGEST_STRING or that is not UTF-8; an unknown value type; a key or name that stands twice; a tensor of more than
    four dimensions, an empty one, one of an unknown type or whose rows are no whole number of blocks; tensors that
    overlap or reach beyond the end.
    """
    try:
        with open(path, "rb") as file:
            return _Reader(path, file).header()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


class _Reader:
    """Takes a header apart, from the front to the back, never beyond the file's end."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._left = self._size = os.fstat(file.fileno()).st_size

    def header(self) -> GGUFHeader:
        if self._size < 4 or self._bytes(4) != b"GGUF":
            raise ValueError("not a GGUF file")
        version = self._number("I")
        if version not in VERSIONS:
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big") in VERSIONS
            raise ValueError("a big-endian GGUF file, which is not read" if swapped else
                             f"GGUF version must be {' or '.join(map(str, VERSIONS))}, not {version}")
        tensor_count, entry_count = self._number("Q"), self._number("Q")
        if max(tensor_count, entry_count) > MOST_ENTRIES:
            counts = f"{tensor_count} tensors and {entry_count} metadata entries"
            raise ValueError(f"{counts}; at most {MOST_ENTRIES} are read")
        metadata = self._metadata(entry_count)
        descriptions = [self._description() for _ in range(tensor_count)]
        data = self._size - self._left
        alignment = metadata.get("general.alignment", 32)
        if type(alignment) is not int or not 1 <= alignment <= 2**16:
            raise ValueError(f"general.alignment must be 1 to 65536, not {alignment!r:.20}")
        return GGUFHeader(metadata, self._tensors(descriptions, -(-data // alignment) * alignment))

    def _metadata(self, count: int) -> dict[str, Any]:
        metadata: dict[str, Any] = {}
        for _ in range(count):
            key = self._string()
            if key in metadata:
                raise ValueError(f"the key {one_line(key)} stands twice")
            metadata[key] = self._value(key, self._number("I"))
        return metadata

    def _value(self, key: str, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            self._skip_array(key)
            return None
        if kind not in _SCALARS:
            raise ValueError(f"{one_line(key)} is of the unknown value type {kind}")
        value = self._number(_SCALARS[kind])
        return bool(value) if kind == _BOOL else value

    def _skip_array(self, key: str) -> None:
        kind, count = self._number("I"), self._number("Q")
        if kind in _SCALARS:
            self._skip(count * struct.calcsize(_SCALARS[kind]))
        elif kind == _STRING:
            if count * 8 > self._left:
                raise ValueError("not a whole GGUF file (it ends within its header)")
            for _ in range(count):
                self._skip(self._number("Q"))
        else:
            raise ValueError(f"{one_line(key)} is an array of the unknown value type {kind}")

    def _description(self) -> tuple[str, tuple[int, ...], int, int]:
        """(name, shape, type, offset) of the next tensor."""
        name, dimensions = self._string(), self._number("I")
        if not 1 <= dimensions <= 4:
            raise ValueError(f"{one_line(name)} must have 1 to 4 dimensions, not {dimensions}")
        shape = tuple(self._number("Q") for _ in range(dimensions))[::-1]
        return name, shape, self._number("I"), self._number("Q")

    def _tensors(self, descriptions: list[tuple[str, tuple[int, ...], int, int]], data: int) -> dict[str, GGUFTensor]:
        tensors: dict[str, GGUFTensor] = {}
        for name, shape, kind, offset in descriptions:
            if name in tensors:
                raise ValueError(f"the tensor {one_line(name)} stands twice")
            tensors[name] = GGUFTensor(self._path, name, kind, shape, data + offset, _count_bytes(name, shape, kind))
        end, before = data, "the header"
        for tensor in sorted(tensors.values(), key=lambda tensor: tensor.offset):
            if tensor.offset < end:
                raise ValueError(f"{one_line(tensor.name)} overlaps {one_line(before)}")
            end, before = tensor.offset + tensor.size, tensor.name
        if end > self._size:
            raise ValueError(f"not a whole GGUF file ({self._size} bytes, but {one_line(before)} ends at {end})")
        return tensors

    def _number(self, code: str) -> Any:
        (value,) = struct.unpack(f"<{code}", self._bytes(struct.calcsize(code)))
        return value

    def _string(self) -> str:
        length = self._number("Q")
        if length > LARGEST_STRING:
            raise ValueError(f"a string of {length} bytes in the header; at most {LARGEST_STRING} are read")
        try:
            return self._bytes(length).decode()
        except UnicodeDecodeError:
            raise ValueError("a string in the header is not UTF-8") from None

    def _bytes(self, count: int) -> bytes:
        self._take(count)
        data = self._file.read(count)
        if len(data) < count:
            raise ValueError("cut short while it was read")
        return data

    def _skip(self, count: int) -> None:
        self._take(count)
        self._file.seek(count, os.SEEK_CUR)

    def _take(self, count: int) -> None:
        if count > self._left:
            raise ValueError("not a whole GGUF file (it ends within its header)")
        self._left -= count
        if self._size - self._left > LARGEST_HEADER:
            raise ValueError(f"a header of more than {LARGEST_HEADER} bytes")


def _count_bytes(name: str, shape: tuple[int, ...], kind: int) -> int:
    """Bytes of a tensor; ValueError for an unknown type, no elements, and rows that are no whole number of blocks."""
    if 0 in shape:
        raise ValueError(f"{one_line(name)} is empty: {shape}")
    if kind == i2s.TYPE:
        return i2s.count_bytes(math.prod(shape))
    try:
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    except (ValueError, KeyError):
        raise ValueError(f"{one_line(name)} is of the unknown tensor type {kind}") from None
    if shape[-1] % block:
        raise ValueError(f"{one_line(name)} has rows of {shape[-1]}, no whole number of blocks of {block}")
    return math.prod(shape) // block * size
