"""tests.formal.proof: verdicts are told apart, and no verdict is an error."""

import pytest
from amaranth.hdl import Assert, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from tests.formal import proof
from tests.formal.proof import ProofError, Verdict, at_end, bounded, by_induction


class CounterSpecification(wiring.Component):
    """A counter of three bits that starts at `start` and goes on from 4 to 0, is never at `never`."""

    enable: In(1)

    def __init__(self, start=0, never=6):
        self._start, self._never = start, never
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        count = Signal(3, init=self._start)
        with m.If(self.enable):
            m.d.sync += count.eq(count + 1)
            with m.If(count == 4):
                m.d.sync += count.eq(0)
        m.d.comb += Assert(count != self._never)
        return m


def test_proved():
    assert by_induction(CounterSpecification(never=5), depth=2) is Verdict.PROVED
    assert bounded(CounterSpecification(never=3), depth=3) is Verdict.PROVED


def test_proved_at_end():
    assert at_end(CounterSpecification(never=3), depth=3) is Verdict.PROVED
    assert at_end(CounterSpecification(never=3), depth=4) is Verdict.REFUTED


def test_refuted():
    assert by_induction(CounterSpecification(never=3), depth=4) is Verdict.REFUTED
    assert bounded(CounterSpecification(never=3), depth=4) is Verdict.REFUTED


def test_unknown():
    """Nothing says that 5, from which 6 follows, cannot be reached."""
    assert by_induction(CounterSpecification(never=6), depth=2) is Verdict.UNKNOWN


def test_missing_tool(monkeypatch, tmp_path):
    monkeypatch.setattr(proof.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(ProofError, match=r"yowasp-sby is missing: pip install 'trine\[test\]'$"):
        bounded(CounterSpecification(), depth=1)


def test_failed_tool(monkeypatch):
    monkeypatch.setattr(proof, "SCRIPT", proof.SCRIPT.replace("prep -top top", "prep -top missing"))
    with pytest.raises(ProofError, match=r"^sby ended with 16:\n(?s:.*)ERROR"):
        bounded(CounterSpecification(), depth=1)


def test_time_limit(monkeypatch):
    monkeypatch.setattr(proof, "TIME_LIMIT", 1)
    with pytest.raises(ProofError, match=r"^sby ended with 8:\n(?s:.*)TIMEOUT"):
        bounded(CounterSpecification(), depth=1_000_000)
