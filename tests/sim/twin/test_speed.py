"""The figures of chapter 5, from those of chapters 7 and 8."""

import pytest

from trine.sim.twin.bus_time import BusTime, utilisation
from trine.sim.twin.speed import FULL_SPEED, HIGH_SPEED, Line


def test_clocks():
    assert (FULL_SPEED.clock, HIGH_SPEED.clock) == (12_000_000, 60_000_000)
    assert (FULL_SPEED.rest, HIGH_SPEED.rest) == (Line.J, Line.SE0)


@pytest.mark.parametrize(("speed", "overhead"), [(FULL_SPEED, 13), (HIGH_SPEED, 55)])
def test_packets_a_frame_are_those_of_the_tables(speed, overhead):
    """Tables 5-9 and 5-10: bytes of a transaction that are not data, at the shortest, and what then fits."""
    assert speed.frame_bits // (8 * (speed.packet_bytes + overhead)) == speed.packets_a_frame


def test_a_transaction_is_never_longer_than_was_reckoned():
    """All ones: the sync pattern's last bit and then every sixth is followed by a stuffed one."""
    assert FULL_SPEED.packet_bits(3) == 8 + 24 + 4 + 3
    assert FULL_SPEED.transaction_bits(64) == 39 + 2 + (8 + 536 + 89 + 3) + 18 + (8 + 8 + 1 + 3) + 2


def test_utilisation():
    assert utilisation(19 * 64, 12_000, FULL_SPEED) == 1
    assert utilisation(3 * 13 * 512, 4 * 60_000, HIGH_SPEED) == 0.75


def test_a_difference_is_what_happened_between():
    after, before = BusTime(bits=36_000, naks=5, round_trips=2), BusTime(bits=12_000, naks=1)
    assert after - before == BusTime(bits=24_000, naks=4, round_trips=2)
    assert (after - before).seconds(FULL_SPEED) == 0.002
