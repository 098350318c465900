import json

import pytest

from trine.firmware.link import Region
from trine.firmware.machine import Machine
from trine.host import open as module


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_passes(trine, here):
    outcome = trine("selftest", "--device", "golden:tinyfpga_bx")
    assert outcome.code == 0
    assert outcome.out.count("ok     ") == 4
    assert outcome.out.endswith("The report is in trine-selftest.md.\n")
    assert [path.name for path in here.iterdir()] == ["trine-selftest.md"]
    assert (here / "trine-selftest.md").read_text().startswith("# trine selftest of golden:tinyfpga_bx: passed\n")


def test_json_and_output(trine, here):
    outcome = trine("selftest", "--device", "golden:tinyfpga_bx", "--json", "-o", "mine.md", "--seed", 3)
    assert outcome.code == 0
    assert outcome.figures["passed"] is True
    assert outcome.figures["seed"] == 3
    pasted = (here / "mine.md").read_text().split("```json\n")[1].split("```")[0]
    assert json.loads(pasted) == outcome.figures


def test_broken_device(trine, here, monkeypatch):
    class Wrong(Machine):
        def _multiply(self, operation):
            super()._multiply(operation)
            self._memories[Region.RESULTS][0] ^= 1

    monkeypatch.setattr(module, "Machine", Wrong)
    outcome = trine("selftest", "--device", "golden:tinyfpga_bx")
    assert outcome.code == 1
    assert "FAILED weight memory: weight word 0, lane 0, columns 0 to 4: the device says " in outcome.out
    assert "FAILED array: random 1x1, row 0: the device says " in outcome.out
    assert "golden:tinyfpga_bx: weight memory: weight word 0" in outcome.err
    assert "trine-selftest.md has the report" in outcome.err
    assert (here / "trine-selftest.md").read_text().startswith("# trine selftest of golden:tinyfpga_bx: FAILED\n")


def test_configuration_of_ones_own(trine, small_toml):
    outcome = trine("selftest", "--device", "golden", "--config", small_toml, "--json")
    assert outcome.figures["preset"] == "mine"


def test_wrong_options(refused, trine, here):
    assert "unknown device" in refused("selftest", "--device", "fpga")
    assert "there is no folder" in refused("selftest", "--device", "golden", "-o", here / "no" / "such" / "folder.md")


def test_report_that_cannot_be_written(trine, here):
    (here / "folder").mkdir()
    outcome = trine("selftest", "--device", "golden:tinyfpga_bx", "-o", "folder")
    assert outcome.code == 2
    assert outcome.out == ""
    assert [path.name for path in here.iterdir()] == ["folder"]
