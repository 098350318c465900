"""A compiled simulator on disk, and how to get at its functions."""

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trine.sim.errors import SimulatorError


@dataclass(frozen=True)
class Library:
    """A compiled simulator: the file, and whether its models can write waveforms."""

    path: Path
    traced: bool


def load(path: Path) -> ctypes.CDLL:
    """The library's functions; raises SimulatorError if this machine cannot load it."""
    try:
        library = ctypes.CDLL(str(path))
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        name: str
        result: Any
        arguments: list[Any]
        for name, result, arguments in (
            ("open", pointer, [ctypes.c_int64, ctypes.c_char_p]),
            ("close", None, [pointer]),
            ("cycles", ctypes.c_uint64, [pointer]),
            ("pending", ctypes.c_uint64, [pointer]),
            ("error", ctypes.c_char_p, [pointer]),
            ("stalls", None, [pointer, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint32]),
            ("queue", None, [pointer, ctypes.c_char_p, size]),
            ("transfer", ctypes.c_int64,
             [pointer, ctypes.c_char_p, size, ctypes.c_uint64, ctypes.c_uint64, ctypes.POINTER(size)]),
            ("run", ctypes.c_int64, [pointer, ctypes.c_uint64]),
            ("reset", ctypes.c_int64, [pointer]),
        ):
            function: Any = library[f"trine_{name}"]
            function.restype, function.argtypes = result, arguments
            setattr(library, f"trine_{name}", function)
        return library
    except (OSError, AttributeError) as error:
        raise SimulatorError(f"cannot load the compiled simulator {path}: {error}") from error
