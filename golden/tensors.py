"""Reading safetensors files, BF16 included, with errors of one line.

`safetensors.numpy` refuses BF16, which published BitNet checkpoints use, so the raw bytes are widened here: a BF16 is
the upper half of a float32.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors

from trine.golden.arrays import Float32, Int8, UInt8, require_finite


def _bfloat16(data: bytes) -> Float32:
    return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)


_READERS: dict[str, Callable[[bytes], npt.NDArray[Any]]] = {
    "I8": lambda data: np.frombuffer(data, np.int8),
    "U8": lambda data: np.frombuffer(data, np.uint8),
    "F16": lambda data: np.frombuffer(data, "<f2").astype(np.float32),
    "BF16": _bfloat16,
    "F32": lambda data: np.frombuffer(data, "<f4").astype(np.float32),
}


class TensorFile:
    """A safetensors file read into memory: each tensor is taken once, by name, shape and kind.

    Tensors of F16, BF16 and F32 become float32, exactly; those of I8 and U8 stay.

    Raises ValueError, here and in every method, in one line that begins with the path: a file that cannot be read or is
    cut short, a tensor of another type.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            stored = safetensors.deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}") from error
        except safetensors.SafetensorError as error:
            raise ValueError(f"{path}: not a whole safetensors file ({error})") from error
        self._left: dict[str, npt.NDArray[Any]] = {}
        for name, tensor in stored:
            if tensor["dtype"] not in _READERS:
                raise ValueError(f"{path}: {name} is of type {tensor['dtype']}, not one of {', '.join(_READERS)}")
            self._left[name] = _READERS[tensor["dtype"]](tensor["data"]).reshape(tensor["shape"])

    def floats(self, name: str, *shapes: tuple[int, ...]) -> Float32:
        """Take the float32 tensor `name`, of one of `shapes` and finite throughout."""
        tensor: Float32 = self._take(name, np.dtype(np.float32), shapes)
        try:
            require_finite(name, tensor)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from error
        return tensor

    def bytes(self, name: str, *shapes: tuple[int, ...]) -> UInt8:
        """Take the uint8 tensor `name`, of one of `shapes`."""
        return self._take(name, np.dtype(np.uint8), shapes)

    def integers(self, name: str, *shapes: tuple[int, ...]) -> Int8:
        """Take the int8 tensor `name`, of one of `shapes`."""
        return self._take(name, np.dtype(np.int8), shapes)

    def close(self) -> None:
        """Check that every tensor has been taken: one that nobody expects is refused by name."""
        if self._left:
            raise ValueError(f"{self.path}: unknown tensor {min(self._left)}")

    def _take(self, name: str, dtype: np.dtype[Any], shapes: tuple[tuple[int, ...], ...]) -> npt.NDArray[Any]:
        if name not in self._left:
            raise ValueError(f"{self.path}: tensor {name} is missing")
        tensor = self._left.pop(name)
        if tensor.dtype != dtype:
            raise ValueError(f"{self.path}: {name} must be {dtype}, not {tensor.dtype}")
        if tensor.shape not in shapes:
            raise ValueError(f"{self.path}: {name} must be {' or '.join(map(str, shapes))}, not {tensor.shape}")
        return tensor
