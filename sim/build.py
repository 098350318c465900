"""Builds a native simulator of a component: a shared library with the C interface of shim.cc.

The way there: Amaranth elaborates the component to RTLIL, `systemverilog` writes that for Verilator, Verilator writes
C++, the machine's compiler makes it a library. Each step is slow enough to be worth keeping its result, so the result
is cached twice: under the sources that the design comes from, which saves everything, and under the translated design,
which saves the compiler's work after a change that does not change the design.

Optimisation levels were chosen by measurement on the 512-trit preset: -O2 for what runs every cycle (-O1 saves a
quarter of the compiler's time and costs a tenth of the speed, -O3 gains nothing), -O0 for what runs once.
"""

import importlib.metadata
import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from amaranth.lib import wiring

from trine.sim import harness, toolchain
from trine.sim.cache import Cache, key_of
from trine.sim.errors import CacheError, SimulatorError
from trine.sim.library import Library, load
from trine.sim.verilog import simulation_verilog

Factory = Callable[[], wiring.Component]
"""Makes a component that has not been elaborated."""

Progress = Callable[[str, int, int], None]
"""Told (stage, done, total): stages are "elaborate", "translate", "compile" and "link", in this order."""

TRANSLATE = (
    "--cc", "--prefix", "Vsim", "--top-module", harness.NAME, "-Wno-fatal", "-Wno-lint", "-Wno-style", "-O3",
    "--noassert", "--x-assign", "fast", "--x-initial", "unique",
    "--output-split", "1000", "--output-split-cfuncs", "1000",
)
TRACE = ("--trace-vcd", "--trace-max-array", "0", "--trace-max-width", "4096")
COMPILE = (
    "-std=c++20", "-fPIC", "-fvisibility=hidden", "-w", "-DVL_TIME_CONTEXT", "-DVL_USER_FATAL", "-DVL_USER_FINISH",
    "-DVL_USER_STOP", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0", "-DVM_TRACE_FST=0", "-DVM_TRACE_SAIF=0",
)
FAST, ONCE, RUNTIME = "-O2", "-O0", "-O1"
LIMIT = 900.0
"""Seconds that any one tool may take."""

LIBRARY = "sim.so"
SHIM = Path(__file__).parent / "shim.cc"


def build(
    factory: Factory,
    *,
    key: str = "",
    sources: Sequence[str] = (),
    trace: bool = False,
    cache: Cache | None = None,
    progress: Progress | None = None,
    jobs: int | None = None,
) -> Library:
    """The simulator of the component that `factory` makes, from the cache or newly built.

    key, sources: what the component depends on, parameters as text and the names of the packages or modules it comes
    from. If `sources` is given, a simulator that was built from the same sources with the same key is taken without
    calling `factory`; if not, the component is elaborated every time.
    trace: build one whose models can write waveforms; slower, and kept apart.
    jobs: compilers that run at once; as many as there are processors if not given.

    Raises UnsupportedDesign for a component that cannot be simulated, ToolMissing, ToolFailed, CacheError.
    """
    cache = cache or Cache()
    builder = _Builder(factory, trace, cache, progress or _silent, jobs or os.cpu_count() or 1)
    design = key_of("design", key, source_hash(*sources, "trine.sim"), *builder.identity) if sources else ""
    problem: SimulatorError | None = None
    for _ in range(3):
        if design:
            library = (cache.obtain("design", design, builder.note) / "library").read_text(encoding="ascii")
        else:
            library = builder.library()
        folder = cache.find("library", library)
        if folder is not None:
            try:
                load(folder / LIBRARY)
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
    """A hash over all Python and C++ files of the packages or modules of those names, which are not imported."""
    parts: list[str | bytes] = []
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.origin:
            raise ValueError(f"no module of the name {name!r}")
        origin = Path(spec.origin)
        files = sorted(origin.parent.rglob("*")) if spec.submodule_search_locations else [origin]
        for file in files:
            if file.suffix in (".py", ".cc") and file.is_file():
                parts += [file.relative_to(origin.parent).as_posix(), file.read_bytes()]
    return key_of(*parts)


class _Builder:
    def __init__(self, factory: Factory, trace: bool, cache: Cache, progress: Progress, jobs: int) -> None:
        self._factory, self._trace, self._cache, self._progress, self._jobs = factory, trace, cache, progress, jobs
        self._verilator = toolchain.find_verilator()
        self._flags = (*COMPILE, f"-DVM_TRACE={int(trace)}", f"-DVM_TRACE_VCD={int(trace)}")
        #: What decides the result besides the design and the compiler.
        self.identity = (
            *TRANSLATE, *TRACE, *self._flags, FAST, ONCE, RUNTIME, self._verilator.version,
            importlib.metadata.version("amaranth"), toolchain.processor(), SHIM.read_text(encoding="utf-8"),
        )

    def note(self, folder: Path) -> None:
        """Makes the entry that leads from a design's sources to its library."""
        (folder / "library").write_text(self.library(), encoding="ascii")

    def library(self) -> str:
        """The key of the library in the cache, where it is from now on."""
        self._progress("elaborate", 0, 1)
        text = simulation_verilog(self._factory())
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
        (work / SHIM.name).write_bytes(SHIM.read_bytes())
        self._progress("translate", 0, 1)
        flags = (*TRANSLATE, *(TRACE if self._trace else ()))
        toolchain.run(
            [self._verilator.program, *flags, "--Mdir", ".", "design.sv"],
            limit=LIMIT, folder=work, environment=self._verilator.environment,
        )
        self._progress("translate", 1, 1)

        objects = self._runtime()
        units = self._units(work)
        commands = [self._command(f"{name}.cpp", f"{name}.o", level, work) for name, level in units]
        commands.append(self._command(SHIM.name, "shim.o", FAST, work))
        self._compile(commands, work)
        objects += [Path(f"{name}.o") for name, _ in units] + [Path("shim.o")]
        self._progress("link", 0, 1)
        link: toolchain.Command = [*self._compiler.command, "-shared", "-o", folder / LIBRARY, *objects, "-lpthread"]
        toolchain.run(link, limit=LIMIT, folder=work)
        for path in work.iterdir():
            path.unlink()
        work.rmdir()
        self._progress("link", 1, 1)

    def _units(self, work: Path) -> list[tuple[str, str]]:
        """Groups the generated files into about as many units as pay: names without suffix, and levels.

        Every unit reads Verilator's headers again, which takes as long as many a generated file.
        """
        files = sorted(work.glob("Vsim*.cpp"), key=lambda path: -path.stat().st_size)
        fast = [path for path in files if "Slow" not in path.stem]
        units: list[list[Path]] = [[] for _ in range(max(1, min(2 * self._jobs, 8, len(fast))))]
        for path in fast:
            min(units, key=lambda unit: sum(file.stat().st_size for file in unit)).append(path)
        result = [(f"unit_{index}", FAST, unit) for index, unit in enumerate(units)]
        result.append(("once", ONCE, [path for path in files if "Slow" in path.stem]))
        for name, _, unit in result:
            text = "".join(f'#include "{path.name}"\n' for path in sorted(unit))
            (work / f"{name}.cpp").write_text(text, encoding="ascii")
        return [(name, level) for name, level, _ in result]

    def _runtime(self) -> list[Path]:
        """Verilator's own library as objects, compiled once for all designs."""
        include = self._verilator.root / "include"
        names = ["verilated", "verilated_threads", *(["verilated_vcd_c"] if self._trace else [])]
        level = FAST if self._trace else RUNTIME

        def make(folder: Path) -> None:
            commands = [self._command(include / f"{name}.cpp", f"{name}.o", level, folder) for name in names]
            self._compile(commands, folder)

        key = key_of("runtime", level, self._verilator.version, self._compiler.version, *self._compiler.command,
                     *self._flags, toolchain.processor())
        folder = self._cache.obtain("runtime", key, make)
        return [folder / f"{name}.o" for name in names]

    def _command(self, source: Path | str, target: str, level: str, folder: Path) -> toolchain.Command:
        include = self._verilator.root / "include"
        native = self._compiler.native_flags if level == FAST else ()
        return [*self._compiler.command, *self._flags, level, *native, f"-I{include}", f"-I{include / 'vltstd'}",
                f"-I{folder}", "-c", "-o", target, source]

    def _compile(self, commands: Sequence[toolchain.Command], folder: Path) -> None:
        self._progress("compile", 0, len(commands))
        toolchain.run_all(
            commands, limit=LIMIT, folder=folder, jobs=self._jobs,
            finished=lambda done: self._progress("compile", done, len(commands)),
        )
