from dataclasses import replace

import pytest

from trine.firmware.machine import Machine
from trine.firmware.presets import PRESETS
from trine.host.errors import UsageError
from trine.host.identify import ask, identify, presets_of
from trine.host.info import NoAnswer
from trine.host.transport import GoldenTransport


def info_of(preset, **changes):
    return ask(GoldenTransport(Machine(replace(PRESETS[preset], **changes))))


def test_ask(small):
    found = ask(GoldenTransport(Machine(small, build_id=77)))
    assert (found.lanes, found.depth, found.build_id, found.clock_khz) == (4, 6, 77, 1000)


def test_ask_nobody(transport):
    transport.to_device = lambda data: b""
    with pytest.raises(NoAnswer, match=r"no answer to HELLO"):
        ask(transport)


@pytest.mark.parametrize(("preset", "kind", "first"), [
    ("icebreaker", "uart", "icebreaker"),
    ("ulx3s_85f", "uart", "ulx3s_85f"),
    ("ulx3s_85f", "usb-full-speed", "orangecrab_85f"),
    ("ulx3s_85f", "usb-high-speed", "butterstick"),
    ("ulx3s_25f", "uart", "ulx3s_25f"),
    ("ulx3s_85f", None, "ulx3s_85f"),
])
def test_presets_of(preset, kind, first):
    found = presets_of(info_of(preset), kind)
    assert found[0].name == first
    assert {one.configuration_hash for one in found} == {PRESETS[preset].configuration_hash}


def test_presets_of_a_clock(monkeypatch):
    """A preset whose clock the device has comes before one with its kind of link."""
    slow = replace(PRESETS["butterstick"], name="slow", clock_mhz=50)
    monkeypatch.setitem(PRESETS, "slow", slow)
    assert presets_of(info_of("butterstick", clock_mhz=50), "uart")[0] is slow


def test_identify(small):
    assert identify(GoldenTransport(Machine(PRESETS["cynthion"])), "it", None) is PRESETS["cynthion"]
    with pytest.raises(UsageError, match=r"it has 4 lanes x 6 columns, .* is no preset's .*--config"):
        identify(GoldenTransport(Machine(small)), "it", None)
