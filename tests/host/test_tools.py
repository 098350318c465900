import pytest

from trine.host.errors import BuildError, MismatchError, SetupError, UsageError
from trine.host.tools import tools_run
from trine.hw.build import errors as hw
from trine.sim import errors as sim


@pytest.mark.parametrize(("error", "expected", "message"), [
    (hw.ToolFailed("nextpnr failed\n    its log\n    more of it"), BuildError, "nextpnr failed"),
    (hw.ToolMissing("no yosys"), SetupError, "no yosys"),
    (hw.ReportError("no report"), UsageError, "no report"),
    (sim.ToolFailed("g++ failed:\nwhy"), BuildError, "g++ failed: why"),
    (sim.ToolMissing("no g++"), SetupError, "no g++"),
    (sim.NetlistMismatch("3 is not 4"), MismatchError, "3 is not 4"),
    (sim.CacheError("read only"), SetupError, "read only"),
])
def test_errors(error, expected, message):
    with pytest.raises(expected) as caught, tools_run(hw.BuildError, sim.SimulatorError):
        raise error
    assert str(caught.value) == message


def test_others_stay():
    with pytest.raises(sim.ToolMissing), tools_run(hw.BuildError):
        raise sim.ToolMissing("not asked for")
