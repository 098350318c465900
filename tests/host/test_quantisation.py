import pytest

from trine.host.quantisation import HostCost, host_cost

SHAPES = {"q": (6, 10), "k": (2, 10), "down": (10, 40)}


def test_operations_by_hand():
    """Five for each of 10 + 40 inputs, the shared one once; two for each of 6 + 2 + 10 sums."""
    cost = host_cost([("q", "k"), ("down",)], SHAPES)
    assert cost.operations == 5 * 50 + 2 * 18
    assert cost.additions == 60 + 20 + 400
    assert cost.operation_share == 286 / (286 + 480)


def test_time_grows_with_the_requests():
    once, twice = host_cost([("q", "k")], SHAPES), host_cost([("q", "k")] * 1000, SHAPES)
    assert 0 < once.quantise_seconds < 0.001
    assert 0 < once.rescale_seconds < 0.001
    assert twice.quantise_seconds > 100 * once.quantise_seconds
    assert twice.rescale_seconds > 100 * once.rescale_seconds


def test_time_share():
    cost = HostCost(0.02, 0.01, 1, 1)
    assert cost.seconds == pytest.approx(0.03)
    assert cost.time_share(0.27) == pytest.approx(0.1)
