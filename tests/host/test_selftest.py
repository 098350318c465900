import json
from dataclasses import replace

import pytest

from tests.host.running import RunningMachine
from tests.host.usb_bus import Bus, BusDevice
from tests.hw.streams import parse_responses
from trine.firmware.link import Frame, Region, Request
from trine.firmware.machine import Machine
from trine.host import selftest as module
from trine.host.device import Device
from trine.host.selftest import selftest
from trine.host.simulator import open_simulator
from trine.host.transport import GoldenTransport
from trine.host.usb import UsbTransport

PARTS = ["loopback", "weight memory", "array", "throughput"]


@pytest.fixture
def wide(small):
    """With room for layers of many shapes."""
    return replace(small, activation_chunks=8, weight_words=64, maximum_payload=256)


def run(machine, board=False):
    device = Device(GoldenTransport(machine), machine.configuration)
    return selftest(device, "it", 0, board=board, progress=lambda part, done: None)


def results(report):
    return [(check.name, check.passed) for check in report.checks]


def test_passes(wide):
    report = run(Machine(wide, build_id=0xBEEF))
    assert results(report) == [(part, True) for part in PARTS]
    assert report.failure is None
    figures = report.figures()
    assert figures["passed"] is True
    assert figures["build_id"] == "000000000000beef"
    checks = {check["name"]: check for check in figures["checks"]}
    assert checks["weight memory"]["trits"] == wide.weight_trits
    assert checks["array"]["layers"] == 17
    assert checks["array"]["integers"] > 200
    assert checks["throughput"]["evidence"] == "timed"
    assert figures["link_faults"] == 0


def test_report_can_be_pasted(wide):
    report = run(Machine(wide))
    text = report.markdown()
    assert text.startswith("# trine selftest of it: passed\n")
    assert "| weight memory | ok | 1,536 trits held 3 patterns each; " in text
    pasted = text.split("```json\n")[1].split("```")[0]
    assert json.loads(pasted) == report.figures()


def test_a_wrong_integer(wide):
    """The last lane adds one too many where a row has several chunks."""
    class Wrong(Machine):
        def _sums(self, operation, row_blocks, chunks):
            sums = super()._sums(operation, row_blocks, chunks)
            sums[-1] += chunks > 1
            return sums

    report = run(Wrong(wide))
    assert results(report) == [("loopback", True), ("weight memory", True), ("array", False), ("throughput", True)]
    assert str(report.failure).startswith(
        "array: random 32x48, row 31: the device says -390, golden -391; 1 of 32 rows differ, retired at cycle 1")
    assert report.markdown().startswith("# trine selftest of it: FAILED\n")
    assert report.figures()["passed"] is False


def test_a_wrong_cycle(wide):
    class Slow(Machine):
        def _run(self, payload):
            answer = super()._run(payload)
            self._counters = replace(self._counters, cycles=self._counters.cycles + 1, drain=self._counters.drain + 1)
            return answer

    report = run(Slow(wide))
    assert report.failure is not None
    assert "cycles of drain, the cycle model says" in report.failure


def test_a_stuck_weight(wide):
    class Stuck(Machine):
        def _write(self, payload):
            answer = super()._write(payload)
            self._memories[Region.WEIGHTS][200] |= 2
            return answer

    report = run(Stuck(wide))
    assert not dict(results(report))["weight memory"]
    assert "weight memory: weight word 25, lane 0, columns 0 to 4: the device says " in str(report.failure)


class Lying(GoldenTransport):
    """Good frames with a wrong payload: the loopback's 33rd byte is another one."""

    def write(self, data):
        super().write(data)
        answers = b""
        for frame in parse_responses(bytes(self._received)):
            payload = bytearray(frame.payload)
            if frame.opcode == Request.ECHO | 0x80 and len(payload) > 32:
                payload[32] ^= 1
            answers += Frame(frame.opcode, frame.sequence, bytes(payload)).encode()
        self._received[:] = answers


def test_a_loopback_that_lies(wide):
    report = selftest(Device(Lying(Machine(wide)), wide), "it", 0, board=False, progress=lambda part, done: None)
    assert report.failure == "loopback: 33 bytes were sent, 33 came back, wrong from byte 32 on"
    assert results(report)[1:] == [(part, True) for part in PARTS[1:]]


def test_a_device_that_stops_answering(wide):
    class Dying(Machine):
        gone = False

        def _run(self, payload):
            self.gone = True
            return super()._run(payload)

        def feed(self, data):
            return b"" if self.gone else super().feed(data)

    report = run(Dying(wide))
    assert results(report) == [("loopback", True), ("weight memory", False), ("array", False), ("throughput", False)]
    assert "no good answer" in str(report.failure)
    assert report.checks[-1].detail == "not run"


@pytest.mark.parametrize(("mhz", "passed"), [(1.0, True), (3.0, False)])
def test_clock_of_a_board(wide, monkeypatch, mhz, passed):
    monkeypatch.setattr(module, "CLOCK_SECONDS", 0.1)
    report = run(RunningMachine(wide, mhz), board=True)
    assert results(report)[-1] == ("clock", passed)
    assert report.failure is None or "MHz by the host's time, the device says 1 MHz" in report.failure


def test_over_usb(wide):
    device = Device(UsbTransport(backend=Bus(BusDevice(wide))), wide)
    with device:
        report = selftest(device, "usb", 0, board=False, progress=lambda part, done: None)
    assert report.failure is None


def test_gateware(small):
    """The whole of it on the simulated gateware, cycles included."""
    with Device(open_simulator(small), small, timeout=60) as device:
        report = selftest(device, "sim", 0, board=False, progress=lambda part, done: None)
    assert report.failure is None
    assert report.checks[1].figures["trits"] == small.weight_trits
