import pytest

from trine.firmware.assembler import End, Matvec
from trine.firmware.configuration import Link
from trine.firmware.counters import Counters
from trine.firmware.cycles import LinkUse, program_cycles
from trine.host.figures import busy_share, efficiency, link_seconds, token_rates
from trine.host.routed import Clock

LINK = Link("uart", 1000, 0.5)
CLOCK = Clock(2, "estimated", "a guess")


def test_link_seconds():
    assert link_seconds(LinkUse(300, 700, 3), LINK) == pytest.approx(1.0 + 1.5)


def test_token_rates():
    rates = token_rates(1_000_000, LinkUse(300, 700, 3), CLOCK, LINK)
    assert rates.array_tokens_per_s == pytest.approx(2.0)
    assert rates.offload_tokens_per_s == pytest.approx(1 / (0.5 + 2.5))
    assert rates.clock is CLOCK


def test_no_link():
    assert token_rates(100, LinkUse(), CLOCK, None).offload_tokens_per_s is None


def test_busy_share_leaves_out_what_comes_before_the_first_word(small):
    # Long enough for END to be fetched meanwhile: the only stall is the one before the first word.
    cycles = program_cycles([Matvec(0, 4, 6, 0, 0), End()], small)
    assert cycles.busy == 24
    assert busy_share(cycles, 1, small) == 24 / (cycles.cycles - cycles.weight_stall)
    assert busy_share(cycles + cycles, 2, small) == busy_share(cycles, 1, small)


def test_nothing_ran(small):
    assert busy_share(Counters(), 0, small) == 0
    assert efficiency(0, Counters(), small) == 0


def test_efficiency(small):
    # 5 x 7 weights take two row blocks of two chunks, of 4 x 6 trits each.
    assert efficiency(35, Counters(busy=4), small) == 35 / 96
