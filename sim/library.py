"""A compiled simulator on disk, and how to get at its functions."""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trine.sim.errors import SimulatorError

POINTER, SIZE = ctypes.c_void_p, ctypes.c_size_t

Functions = Mapping[str, tuple[Any, Sequence[Any]]]
"""The functions of a library, without the prefix of their names: what they return and what they take (ctypes)."""

STREAM_FUNCTIONS: Functions = {
    "open": (POINTER, [ctypes.c_int64, ctypes.c_char_p]),
    "close": (None, [POINTER]),
    "cycles": (ctypes.c_uint64, [POINTER]),
    "pending": (ctypes.c_uint64, [POINTER]),
    "error": (ctypes.c_char_p, [POINTER]),
    "stalls": (None, [POINTER, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint32]),
    "queue": (None, [POINTER, ctypes.c_char_p, SIZE]),
    "transfer": (ctypes.c_int64,
                 [POINTER, ctypes.c_char_p, SIZE, ctypes.c_uint64, ctypes.c_uint64, ctypes.POINTER(SIZE)]),
    "run": (ctypes.c_int64, [POINTER, ctypes.c_uint64]),
    "reset": (ctypes.c_int64, [POINTER]),
}
"""Of shim.cc."""


@dataclass(frozen=True)
class Library:
    """A compiled simulator: the file, and whether its models can write waveforms."""

    path: Path
    traced: bool


def load(path: Path, functions: Functions = STREAM_FUNCTIONS) -> ctypes.CDLL:
    """The library's functions; raises SimulatorError if this machine cannot load it or it has not all of them."""
    try:
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in functions.items():
            function: Any = library[f"trine_{name}"]
            function.restype, function.argtypes = result, arguments
            setattr(library, f"trine_{name}", function)
        return library
    except (OSError, AttributeError) as error:
        raise SimulatorError(f"cannot load the compiled simulator {path}: {error}") from error
