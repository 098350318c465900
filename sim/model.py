"""A running simulator: one component, cycle by cycle, with bytes in and out.

Everything happens in bulk: a call from Python costs as much as dozens of cycles, so each call simulates a whole
transaction.
"""

import ctypes
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from trine.sim.instance import Instance, seed_argument
from trine.sim.library import Library, load

FOREVER = 2**62
CHUNK = 1 << 16
"""Cycles of one call into the library: a fraction of a second, so that Ctrl-C and time limits are heeded."""


class Transfer(NamedTuple):
    """What a transaction did: bytes that came out, bytes that went in, cycles it took."""

    output: bytes
    consumed: int
    cycles: int


class NativeModel(Instance):
    """One instance of the simulated component, just after its registers were given their initial values.

    Between calls time stands still. Any number of models, of one library or of several, work side by side; one model
    must not be used by two threads at once.

    Parameters
    ----------
    library: what `build` returned.
    trace: file to write waveforms to (VCD, two time units a cycle); needs a library built with trace=True. The file is
        complete when the model is closed.
    seed: what memories without initial content contain, and the registers of their read ports: bits that depend on
        the seed and nothing else, or zeros for None. Memories with initial content have it, registers have their
        initial values.

    Raises ValueError for a trace without a traced library, OSError if the trace cannot be written, SimulatorError if
    the library cannot be loaded.
    """

    def __init__(self, library: Library, *, trace: Path | str | None = None, seed: int | None = 0) -> None:
        if trace is not None:
            if not library.traced:
                raise ValueError("waveforms need a library that was built with trace=True")
            with open(trace, "wb"):  # an error now rather than an empty file later
                pass
        name = None if trace is None else str(trace).encode()
        super().__init__(load(library.path), seed_argument(seed), name)

    @property
    def cycles(self) -> int:
        """Clock edges since the model was made."""
        return int(self._functions.trine_cycles(self._open()))

    @property
    def pending(self) -> int:
        """Input bytes that the component has not taken yet."""
        return int(self._functions.trine_pending(self._open()))

    def transfer(
        self, data: bytes = b"", want: int = 0, max_cycles: int = FOREVER, *, idle_cycles: int = FOREVER,
        keep_on: Callable[[], bool] | None = None,
    ) -> Transfer:
        """One transaction: offers `data` and simulates until `want` bytes have come.

        Input is offered at one byte a cycle whenever the component is ready, behind what is pending; output is always
        welcome until `want` bytes came. With `want` 0 the end is when all input is taken, and bytes that come
        meanwhile are kept for the next transaction. The end comes earlier after `max_cycles`, after `idle_cycles` in
        a row in which no byte moves either way, or when `keep_on`, which is asked several times a second, says False.
        What was not taken then stays pending, and the next call goes on with it.

        Raises ValueError for a negative count.
        """
        if want < 0 or max_cycles < 0 or idle_cycles < 0:
            raise ValueError(f"counts must not be negative, not {(want, max_cycles, idle_cycles)!r}")
        handle, before = self._open(), self.pending
        self._functions.trine_queue(handle, data, len(data))
        output, cycles = bytearray(), 0
        count = ctypes.c_size_t()
        buffer = ctypes.create_string_buffer(max(want, 1))
        while True:
            limit = min(CHUNK, max_cycles - cycles)
            done = self._functions.trine_transfer(
                handle, buffer, want - len(output), limit, min(idle_cycles, FOREVER), ctypes.byref(count)
            )
            self._check(done)
            output += buffer.raw[: count.value]
            cycles += done
            finished = len(output) >= want and (want > 0 or not self.pending)
            stopped = done < limit or cycles >= max_cycles or (keep_on is not None and not keep_on())
            if finished or stopped:
                return Transfer(bytes(output), before + len(data) - self.pending, cycles)

    def run(self, cycles: int) -> None:
        """Simulates so many cycles; pending input is offered, output is not taken. ValueError for a negative number."""
        if cycles < 0:
            raise ValueError(f"cycles must not be negative, not {cycles!r}")
        self._in_parts(lambda part: int(self._functions.trine_run(self._open(), part)), cycles, CHUNK)

    def reset(self) -> None:
        """Holds `rst` for one clock edge: registers return to their initial values, memories keep their content.

        Takes two cycles. Pending input, and output that nobody has asked for, is dropped.
        """
        self._check(self._functions.trine_reset(self._open()))

    def stall(self, seed: int, input: float = 0.5, output: float = 0.5) -> None:
        """From now on, pauses both streams at random: the chance, for each cycle, not to offer or not to take a byte.

        Chances from 0 (never) to 1 (always), else ValueError. A byte that is offered stays offered until it is taken.
        """
        for chance in (input, output):
            if not 0 <= chance <= 1:
                raise ValueError(f"a chance is a number from 0 to 1, not {chance!r}")
        chances = [min(int(chance * 2**32), 2**32 - 1) for chance in (input, output)]
        self._functions.trine_stalls(self._open(), seed & 0xFFFFFFFF, *chances)

    def __enter__(self) -> "NativeModel":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
