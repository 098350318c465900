import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from trine.host import cli


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def figures(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def trine(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs `trine` in this process; a failure must be one line on standard error and nothing on standard output."""

    def run(*arguments: object) -> Outcome:
        code = cli.invoke([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        if code:
            failure = captured.err.splitlines()[-1]
            assert failure.startswith("trine: ")
            assert "Traceback" not in captured.err
            assert "unexpected" not in failure
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def refused(trine: Callable[..., Outcome]) -> Callable[..., str]:
    """Runs `trine` on bad input: exit code 2, one line, nothing done; returns the line."""

    def run(*arguments: object) -> str:
        outcome = trine(*arguments)
        assert outcome.code == 2, outcome
        assert outcome.out == ""
        assert outcome.err.count("\n") == 1
        return outcome.err

    return run
