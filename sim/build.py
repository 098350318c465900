"""Builds a native simulator of a component: a shared library with the C interface of its harness.

The way there: Amaranth elaborates the component to RTLIL, `systemverilog` writes that for Verilator, Verilator writes
C++, the machine's compiler makes it a library. Each step is slow enough to be worth keeping its result, so the result
is cached twice: under the sources that the design comes from, which saves everything, and under the translated design,
which saves the compiler's work after a change that does not change the design.

Flags were chosen by measurement on the 512-trit preset: -O2 for what runs every cycle, with all that the processor
has, because its vector instructions suit an adder tree (without: 30 % slower; -O1: 35 % slower; -O3: no gain), -O0 for
what runs once. Splitting Verilator's output into files that can be compiled at the same time costs a tenth of the speed
and gains little: a compiler reads a second of headers for each.
"""

import functools
import importlib.metadata
import importlib.util
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from amaranth.lib import wiring

from trine.sim import toolchain
from trine.sim.cache import Cache, key_of
from trine.sim.errors import CacheError, SimulatorError
from trine.sim.harness import NAME, STREAMS, Harness
from trine.sim.library import Library, load
from trine.sim.verilog import simulation_verilog

Factory = Callable[[], wiring.Component]
"""Makes a component that has not been elaborated."""

Progress = Callable[[str, int, int], None]
"""Told (stage, done, total): stages are "elaborate", "translate", "compile" and "link", in this order."""

TRANSLATE = (
    "--cc", "--prefix", "Vsim", "--top-module", NAME, "-Wno-fatal", "-Wno-lint", "-Wno-style", "-O3",
    "--noassert", "--x-assign", "fast", "--x-initial", "unique",
)
TRACE = ("--trace-vcd", "--trace-max-array", "32", "--trace-max-width", "4096", "--timescale", "1ns/1ns")
UNDEFINED = ("--x-assign", "unique")
COMPILE = (
    "-std=c++20", "-fPIC", "-fvisibility=hidden", "-w", "-DVL_TIME_CONTEXT", "-DVL_USER_FATAL", "-DVL_USER_FINISH",
    "-DVL_USER_STOP", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0", "-DVM_TRACE_FST=0", "-DVM_TRACE_SAIF=0",
)
FAST, RARELY, ONCE = "-O2", "-O1", "-O0"
RUNTIME = ("verilated", "verilated_threads")
RUNTIME_TRACE = ("verilated_vcd_c",)
LIMIT = 900.0
"""Seconds that any one tool may take."""

LIBRARY = "sim.so"
COMMON = Path(__file__).parent / "simulator.h"
"""What the shims of all harnesses include."""


def build(
    factory: Factory,
    *,
    harness: Harness = STREAMS,
    key: str = "",
    sources: Sequence[str] = (),
    trace: bool = False,
    cache: Cache | None = None,
    progress: Progress | None = None,
    jobs: int | None = None,
) -> Library:
    """The simulator of the component that `factory` makes, from the cache or newly built.

    harness: how the component is driven.
    key, sources: what the component depends on, parameters as text and the names of the packages or modules it comes
    from. If `sources` is given, a simulator that was built from the same sources with the same key is taken without
    calling `factory`; if not, the component is elaborated every time.
    trace: build one whose models can write waveforms; slower, and kept apart.
    jobs: compilers that run at once; as many as there are processors if not given.

    Raises UnsupportedDesign for a component that cannot be simulated, ToolMissing, ToolFailed, CacheError.
    """
    return build_verilog(
        lambda: simulation_verilog(factory(), harness), harness=harness, key=key,
        sources=(*sources, "trine.sim") if sources else (), trace=trace, cache=cache, progress=progress, jobs=jobs,
    )


def build_verilog(
    translate: Callable[[], str],
    *,
    harness: Harness = STREAMS,
    key: str = "",
    sources: Sequence[str] = (),
    trace: bool = False,
    quick: bool = False,
    cache: Cache | None = None,
    progress: Progress | None = None,
    jobs: int | None = None,
) -> Library:
    """The simulator of the SystemVerilog text that `translate` gives, which contains the module of the harness.

    key, sources: as in `build`, for the text; `translate` is called only if there is no simulator under them.
    quick: compile without optimisation, in a third of the time, what will run a few thousand cycles only; and constants
    that are undefined in the text become random bits, not zeros.
    The rest is as in `build`. Raises what `translate` raises, ToolMissing, ToolFailed, CacheError.
    """
    cache = cache or Cache()
    builder = _Builder(translate, harness.shim, trace, quick, cache, progress or _silent, jobs or os.cpu_count() or 1)
    design = key_of("design", key, source_hash(*sources), *builder.identity) if sources else ""
    problem: SimulatorError | None = None
    for _ in range(3):
        if design:
            library = (cache.obtain("design", design, builder.note) / "library").read_text(encoding="ascii")
        else:
            library = builder.library()
        folder = cache.find("library", library)
        if folder is not None:
            try:
                load(folder / LIBRARY, harness.functions)
                return Library(folder / LIBRARY, trace)
            except SimulatorError as error:  # made by tools, or on a system, that this one does not go with
                problem = error
                cache.remove("library", library)
        if design:
            cache.remove("design", design)
    raise problem or CacheError(f"the cache folder {cache.folder} loses what is written to it")


def _silent(stage: str, done: int, total: int) -> None:
    pass


def source_hash(*names: str) -> str:
    """A hash over all Python, C++ and Verilog files of the packages or modules of those names; none is imported."""
    parts: list[str | bytes] = []
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.origin:
            raise ValueError(f"no module of the name {name!r}")
        origin = Path(spec.origin)
        files = sorted(origin.parent.rglob("*")) if spec.submodule_search_locations else [origin]
        for file in files:
            if file.suffix in (".py", ".cc", ".h", ".v") and file.is_file():
                parts += [file.relative_to(origin.parent).as_posix(), file.read_bytes()]
    return key_of(*parts)


class _Builder:
    def __init__(
        self, translate: Callable[[], str], shim: Path, trace: bool, quick: bool, cache: Cache, progress: Progress,
        jobs: int,
    ) -> None:
        self._translate, self._shim, self._trace, self._quick = translate, shim, trace, quick
        self._cache, self._progress, self._jobs = cache, progress, jobs
        self._verilator = toolchain.find_verilator()
        #: What decides the result besides the design and the compiler.
        self.identity = (
            *TRANSLATE, *TRACE, str(trace), str(quick), *COMPILE, FAST, ONCE, RARELY, self._verilator.version,
            importlib.metadata.version("amaranth"), toolchain.processor(),
            *(path.read_text(encoding="utf-8") for path in (COMMON, shim)),
        )

    def note(self, folder: Path) -> None:
        """Makes the entry that leads from a design's sources to its library."""
        (folder / "library").write_text(self.library(), encoding="ascii")

    def library(self) -> str:
        """The key of the library in the cache, where it is from now on."""
        self._progress("elaborate", 0, 1)
        text = self._translate()
        self._progress("elaborate", 1, 1)
        # Nothing is built on a machine that lacks the compiler; what is cached works without.
        self._compiler = toolchain.find_compiler()
        key = key_of("library", text, self._compiler.version, *self._compiler.command, *self.identity)
        self._cache.obtain("library", key, lambda folder: self._make(folder, text))
        return key

    def _make(self, folder: Path, text: str) -> None:
        work = folder / "work"
        work.mkdir()
        (work / "design.sv").write_text(text, encoding="utf-8")
        for path in (COMMON, self._shim):
            (work / path.name).write_bytes(path.read_bytes())
        self._progress("translate", 0, 1)
        flags = (*TRANSLATE, *(TRACE if self._trace else ()), *(UNDEFINED if self._quick else ()))
        toolchain.run(
            [self._verilator.program, *flags, "--Mdir", ".", "design.sv"],
            limit=LIMIT, folder=work, environment=self._verilator.environment,
        )
        self._progress("translate", 1, 1)

        runtime = {name: self._runtime_key(name) for name in (*RUNTIME, *(RUNTIME_TRACE if self._trace else ()))}
        missing = [name for name, key in runtime.items() if self._cache.find("runtime", key) is None]
        level = ONCE if self._quick else FAST
        units = _group_units(work, self._jobs, level)
        commands = [self._command(Path(f"{name}.cpp"), level) for name, level in units.items()]
        commands += [self._runtime_command(name) for name in missing]
        commands.append(self._command(Path(self._shim.name), level))
        self._progress("compile", 0, len(commands))
        toolchain.run_all(
            commands, limit=LIMIT, folder=work, jobs=self._jobs,
            finished=lambda done: self._progress("compile", done, len(commands)),
        )
        objects = [f"{name}.o" for name in (*units, *missing, self._shim.stem)]
        for name in missing:
            self._cache.obtain("runtime", runtime[name], functools.partial(_copy, work / f"{name}.o"))
        for name in runtime.keys() - set(missing):
            entry = self._cache.find("runtime", runtime[name])
            if entry is None:
                raise CacheError(f"the cache folder {self._cache.folder} loses what is written to it")
            objects.append(str(entry / f"{name}.o"))

        self._progress("link", 0, 1)
        link: toolchain.Command = [*self._compiler.command, "-shared", "-o", folder / LIBRARY, *objects, "-lpthread"]
        toolchain.run(link, limit=LIMIT, folder=work)
        shutil.rmtree(work)
        self._progress("link", 1, 1)

    def _runtime_key(self, name: str) -> str:
        """The key of a file of Verilator's own library, compiled once for all designs."""
        words = [str(word) for word in self._runtime_command(name)]
        return key_of("runtime", self._verilator.version, self._compiler.version, toolchain.processor(), *words)

    def _runtime_command(self, name: str) -> toolchain.Command:
        level = FAST if name in RUNTIME_TRACE else RARELY
        return self._command(self._verilator.root / "include" / f"{name}.cpp", level, trace=name in RUNTIME_TRACE)

    def _command(self, source: Path, level: str, trace: bool | None = None) -> toolchain.Command:
        include = self._verilator.root / "include"
        traced = int(self._trace if trace is None else trace)
        native = self._compiler.native_flags if level == FAST else ()
        return [
            *self._compiler.command, *COMPILE, f"-DVM_TRACE={traced}", f"-DVM_TRACE_VCD={traced}", level, *native,
            "-I.", f"-I{include}", f"-I{include / 'vltstd'}", "-c", "-o", f"{source.stem}.o", source,
        ]


def _group_units(work: Path, jobs: int, level: str) -> dict[str, str]:
    """Writes files that include the generated ones, and returns their names, without suffix, with their levels.

    level: of what runs every cycle. As many as pay: each reads Verilator's headers again, which takes as long as 300 kB
    of generated text.
    """
    files = sorted(work.glob("Vsim*.cpp"), key=lambda path: -path.stat().st_size)
    levels = {}
    for name, slow, flag in (("unit", False, level), ("once", True, ONCE)):
        group = [path for path in files if ("Slow" in path.stem) == slow]
        total = sum(path.stat().st_size for path in group)
        units: list[list[Path]] = [[] for _ in range(max(1, min(jobs, total // 300_000, len(group))))]
        for path in group:
            min(units, key=lambda unit: sum(file.stat().st_size for file in unit)).append(path)
        for index, unit in enumerate(units):
            text = "".join(f'#include "{path.name}"\n' for path in sorted(unit))
            (work / f"{name}_{index}.cpp").write_text(text, encoding="ascii")
            levels[f"{name}_{index}"] = flag
    return levels


def _copy(source: Path, folder: Path) -> None:
    shutil.copyfile(source, folder / source.name)
