"""Proves what a specification asserts, with SymbiYosys and the solver Yices, both from pip.

A specification is a component that contains the one it is about, drives it, says with `Assume` what the contract asks
of its surroundings and with `Assert` what it promises. Its inputs, the reset among them, are free: a proof is about
every value they can have, in every cycle, and it knows nothing of the component but its ports.

A specification that nothing could break would be proved as well. So each takes `wrong`, the name of one thing to say
wrongly about a component that is right, and has to be refuted then.
"""

import enum
import os
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring

from trine.hw.build import tools

TIME_LIMIT = 300
"""Seconds after which a proof has failed."""

SCRIPT = """\
[options]
mode {mode}
depth {depth}
timeout {limit}
{more}vcd off
[engines]
smtbmc yices
[script]
read_rtlil top.il
prep -top top
[files]
top.il
"""


class Verdict(enum.Enum):
    """What a run found; the values are the exit codes of `sby`."""

    PROVED = 0
    REFUTED = 2
    """an assertion fails in a state that can be reached from reset; the log says which one, and in which cycle"""
    UNKNOWN = 4
    """no such state was found, but the induction fails: the specification lacks an invariant, or needs more depth"""


class ProofError(Exception):
    """There is no verdict: a tool is missing or failed, or took too long."""


def by_induction(specification: wiring.Component, depth: int) -> Verdict:
    """Whether the assertions hold for ever: in the first `depth` cycles, and after any `depth` in which they did.

    Raises ProofError.
    """
    return _run(specification, "prove", depth)


def bounded(specification: wiring.Component, depth: int) -> Verdict:
    """Whether the assertions hold in the first `depth` cycles after reset; without a clock, 1 is for ever.

    Raises ProofError.
    """
    return _run(specification, "bmc", depth)


def at_end(specification: wiring.Component, depth: int) -> Verdict:
    """Whether the assertions hold in the last of `depth` cycles after reset: one question for the solver, not `depth`.

    It is for a specification that remembers what it has seen wrong, and whose inputs leave little open: the solver gets
    no help from what holds in the cycles before. Raises ProofError.
    """
    return _run(specification, "bmc", depth, f"skip {depth - 1}\n")


def kept(m: Module, stream: Any) -> Value:
    """1 unless the stream breaks its rule: what is offered stays, unchanged, until it is taken."""
    payload = Value.cast(stream.payload)
    waiting = Signal()
    offered = Signal.like(payload)
    m.d.sync += [waiting.eq(stream.valid & ~stream.ready), offered.eq(payload)]
    return ~waiting | (stream.valid & (payload == offered))


def delayed(m: Module, value: Any, cycles: int, *, reset_less: bool = False) -> Value:
    """`value` as it was so many cycles ago; 0 if there was a reset since, but not for `reset_less`."""
    for _ in range(cycles):
        register = Signal(value.shape(), reset_less=reset_less)
        m.d.sync += register.eq(value)
        value = register
    return value


def _run(specification: wiring.Component, mode: str, depth: int, more: str = "") -> Verdict:
    tools.prepare("yosys")
    scripts = Path(sysconfig.get_path("scripts"))
    command: list[str | Path] = [scripts / "yowasp-sby", "-f", "proof.sby"]
    for option, tool in (("--yosys", "yosys"), ("--smtbmc", "yosys-smtbmc"), ("--witness", "yosys-witness")):
        command += [option, scripts / f"yowasp-{tool}"]
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}  # the solver
    with tempfile.TemporaryDirectory(prefix="trine-") as name:
        folder = Path(name)
        (folder / "top.il").write_text(rtlil.convert(specification, name="top"), encoding="utf-8")
        script = SCRIPT.format(mode=mode, depth=depth, limit=TIME_LIMIT, more=more)
        (folder / "proof.sby").write_text(script, encoding="utf-8")
        try:
            run = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        except FileNotFoundError as error:
            raise ProofError(f"{error.filename} is missing: pip install 'trine[test]'") from None
    print(run.stdout)  # pytest shows it beside a test that failed
    if run.returncode not in {verdict.value for verdict in Verdict}:
        raise ProofError(f"sby ended with {run.returncode}:\n{run.stdout[-2000:]}")
    return Verdict(run.returncode)
