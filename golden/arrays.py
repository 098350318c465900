"""Array types of the golden model, and the checks every entry point makes on what it is given."""

from typing import Any

import numpy as np
import numpy.typing as npt

Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]


def first(wrong: Bool) -> tuple[int, ...]:
    """Index of the first true element in C order; `wrong` must have one."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))


def require_dtype(name: str, array: npt.NDArray[Any], dtype: npt.DTypeLike) -> None:
    """Raise ValueError unless `array` is a NumPy array of exactly `dtype`: the golden model never converts silently."""
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name} must be an array of {np.dtype(dtype)}, not {type(array).__name__}")
    if array.dtype != np.dtype(dtype):
        raise ValueError(f"{name} must be {np.dtype(dtype)}, not {array.dtype}")


def require_finite(name: str, array: npt.NDArray[Any]) -> None:
    """Raise ValueError naming the first NaN or infinity of a float array."""
    wrong = ~np.isfinite(array)
    if wrong.any():
        at = first(wrong)
        raise ValueError(f"{name} must be finite, but {name}[{', '.join(map(str, at))}] is {array[at]}")


def require_range(name: str, array: npt.NDArray[Any], low: int, high: int) -> None:
    """Raise ValueError naming the first element outside low..high, both included."""
    if array.size and (array.min() < low or array.max() > high):
        at = first((array < low) | (array > high))
        raise ValueError(f"{name} must be in {low}..{high}, but {name}[{', '.join(map(str, at))}] is {array[at]}")


def require_weights(weights: Int8) -> None:
    """Raise ValueError unless `weights` is a non-empty int8 (N, K) of -1, 0 and +1."""
    require_dtype("weights", weights, np.int8)
    if weights.ndim != 2 or weights.size == 0:
        raise ValueError(f"weights must be a non-empty (N, K) matrix, not of shape {weights.shape}")
    require_range("weights", weights, -1, 1)
