"""An instance of a compiled simulator: what the models of all harnesses have in common."""

import ctypes
from collections.abc import Callable
from typing import Any

from trine.sim.errors import SimulatorError


class Instance:
    """One instance, just after it was made; it must not be used by two threads at once.

    Parameters
    ----------
    functions: of the library (`load`). arguments: of its `open`.

    Raises SimulatorError with what the library says, if it cannot make one.
    """

    _handle: int | None = None
    """None before it is open, and when it is closed."""

    def __init__(self, functions: ctypes.CDLL, *arguments: Any) -> None:
        self._functions = functions
        self._handle = functions.trine_open(*arguments)
        if functions.trine_error(self._handle):
            try:
                self._check(-1)
            finally:
                self.close()

    def close(self) -> None:
        """Ends the model, and completes its waveforms if it has any; calling it twice does no harm."""
        handle, self._handle = self._handle, None
        if handle:
            self._functions.trine_close(handle)

    def __del__(self) -> None:
        self.close()

    def _open(self) -> int:
        """The handle; ValueError if it is closed."""
        if not self._handle:
            raise ValueError("the model is closed")
        return self._handle

    def _check(self, result: int) -> None:
        """Raises SimulatorError if a call returned less than 0."""
        if result < 0:
            message = self._functions.trine_error(self._open()).decode(errors="replace")
            raise SimulatorError(f"the simulation failed: {message}")

    def _in_parts(self, call: Callable[[int], int], cycles: int, at_once: int) -> None:
        """Calls with at most so many cycles at once until all are done, so that Ctrl-C is heeded."""
        while cycles > 0:
            part = min(cycles, at_once)
            self._check(call(part))
            cycles -= part


def seed_argument(seed: int | None) -> int:
    """What `open` takes for a seed, and for None."""
    return -1 if seed is None else seed & 0x7FFFFFFF
