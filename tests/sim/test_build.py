"""Simulators are built once, shared by processes, and built again when the cache is damaged."""

import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from trine.sim.build import LIBRARY, build, build_verilog, source_hash
from trine.sim.cache import Cache
from trine.sim.errors import CacheError, ToolMissing, UnsupportedDesign
from trine.sim.model import NativeModel
from trine.sim.verilog import simulation_verilog


class Adder(wiring.Component):
    """Answers every byte with the byte plus `number`, after one cycle."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def __init__(self, number: int) -> None:
        self._number = number
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(self.i.payload + self._number)]
        return m


class Stages:
    """Records the stages that a build went through."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, int, int]] = []

    def __call__(self, stage: str, done: int, total: int) -> None:
        self.reports.append((stage, done, total))

    @property
    def names(self) -> list[str]:
        """Each stage once, in order."""
        return list(dict.fromkeys(stage for stage, _, _ in self.reports))


def answers(library, data):
    with NativeModel(library) as model:
        return model.transfer(data, len(data)).output


IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from tests.sim.test_build import Adder, Stages, answers
from trine.sim.build import build
from trine.sim.cache import Cache
stages = Stages()
library = build(lambda: Adder(2), key="2", sources=("tests.sim.test_build",), cache=Cache(Path(sys.argv[1])),
                progress=stages)
assert answers(library, b"abc") == b"cde"
print(library.path, *stages.names)
"""
ALL_STAGES = ["elaborate", "translate", "compile", "link"]


def build_elsewhere(cache, processes=1):
    """(path of the library, what each of the processes, which run at the same time, reported).

    A process that has loaded a library keeps it, whatever becomes of the file; so damage is looked at from others.
    """
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(cache.folder.parent)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    outputs = [process.communicate(timeout=300)[0].split() for process in running]
    assert [process.returncode for process in running] == [0] * processes
    assert len({output[0] for output in outputs}) == 1
    return Path(outputs[0][0]), [output[1:] for output in outputs]


def test_two_processes_build_once(cache):
    _, stages = build_elsewhere(cache, processes=2)
    assert sorted(stages) == [[], ALL_STAGES]


@pytest.mark.parametrize("damage", ["truncated", "unloadable"])
def test_a_damaged_library_is_built_again(cache, damage):
    path, _ = build_elsewhere(cache)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-4096])
    else:  # as from another system: whole, but not for this one
        cache.remove("library", path.parent.name)
        cache.obtain("library", path.parent.name, lambda folder: (folder / LIBRARY).write_bytes(b"\x7fELF?"))
    assert build_elsewhere(cache) == (path, [ALL_STAGES])
    assert build_elsewhere(cache) == (path, [[]])


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One of this file's own: its tests ask what was built and what was found, which other workers must not change."""
    return Cache(tmp_path_factory.mktemp("simulators"))


@pytest.fixture(scope="module")
def adder(cache):
    """(library, what the build reported) of a simulator that was built with sources."""
    stages = Stages()
    return build(lambda: Adder(1), key="1", sources=("tests.sim.test_build",), cache=cache, progress=stages), stages


def no_component():
    raise AssertionError("the component was made, though it is in the cache")


def test_progress(adder):
    _, stages = adder
    assert stages.names == ALL_STAGES
    for name in stages.names:
        reports = [(done, total) for stage, done, total in stages.reports if stage == name]
        assert [done for done, _ in reports] == list(range(reports[-1][1] + 1))


def test_known_sources_need_neither_component_nor_compiler(adder, cache, no_tools):
    stages = Stages()
    again = build(no_component, key="1", sources=("tests.sim.test_build",), cache=cache, progress=stages)
    assert again == adder[0]
    assert stages.reports == []


def test_the_same_design_from_other_sources_is_not_compiled_again(adder, cache):
    stages = Stages()
    assert build(lambda: Adder(1), cache=cache, progress=stages) == adder[0]
    assert stages.names == ["elaborate"]
    stages = Stages()
    assert build(lambda: Adder(1), key="1", sources=("trine.sim.errors",), cache=cache, progress=stages) == adder[0]
    assert stages.names == ["elaborate"]


def test_another_key_is_another_simulator(adder, cache):
    with pytest.raises(AssertionError, match="was made"):
        build(no_component, key="3", sources=("tests.sim.test_build",), cache=cache)


def test_no_compiler(tmp_path, monkeypatch, no_tools):
    monkeypatch.setitem(sys.modules, "ziglang", None)
    with pytest.raises(ToolMissing, match=r"needs a C\+\+ compiler and found none"):
        build(lambda: Adder(1), cache=Cache(tmp_path / "cache"))


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="make it writable, or set TRINE_CACHE"):
        build(lambda: Adder(1), cache=Cache(tmp_path / "file"))


def test_a_component_without_streams(tmp_path):
    class Deaf(wiring.Component):
        """Has one stream of two."""

        i: In(stream.Signature(8))

        def elaborate(self, platform):
            return Module()

    with pytest.raises(UnsupportedDesign, match="Deaf has no byte stream 'o'"):
        build(Deaf, cache=Cache(tmp_path))


def test_source_hash(tmp_path, monkeypatch):
    package = tmp_path / "hashed_package"
    package.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in (("__init__.py", ""), ("one.py", "1"), ("shim.cc", "2"), ("common.h", "2"), ("notes.txt", "3")):
        (package / name).write_text(text)
    before = source_hash("hashed_package")
    (package / "notes.txt").write_text("other")
    assert source_hash("hashed_package") == before
    for name in ("one.py", "shim.cc", "common.h"):
        (package / name).write_text("other")
        assert source_hash("hashed_package") != before
        before = source_hash("hashed_package")
    assert source_hash("hashed_package.one") != before
    with pytest.raises(ValueError, match="no module of the name 'no_such_package'"):
        source_hash("no_such_package")


def test_the_repository_is_not_written_to(adder):
    assert not list(Path(__file__).parent.glob("Vsim*"))


def test_text_is_translated_once_and_compiled_in_a_hurry(cache):
    """And what is compiled in a hurry is another simulator, with the same answers."""
    calls = []

    def translate():
        calls.append(1)
        return simulation_verilog(Adder(9))

    quick = [build_verilog(translate, key="9", sources=("trine.hw.bare_array",), quick=True, cache=cache)
             for _ in range(2)]
    assert len(calls) == 1
    assert quick[0] == quick[1] != build(lambda: Adder(9), cache=cache)
    assert answers(quick[0], b"abc") == b"jkl"
