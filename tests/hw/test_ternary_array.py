"""hw.array.ternary_array: either dataflow against golden.accumulate, through the one interface."""

import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hw.computed import Computed, expected_beats, simulation
from tests.hw.configurations import every_variant, small
from tests.hw.products import KINDS, make_product
from trine.hw.array.adder_array import AdderArray
from trine.hw.array.table_array import TableArray
from trine.hw.array.ternary_array import make_array


def test_dataflow():
    assert isinstance(make_array(small()), AdderArray)
    assert isinstance(make_array(small(dataflow="tables", packing="trit3x5", depth=6, result_width=4)), TableArray)


PAUSES = [(0, 0), (0.8, 0), (0, 0.5), (0.5, 0.3)]


@every_variant
@settings(max_examples=5, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(shapes=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=3),
       pauses=st.sampled_from(PAUSES), seed=st.integers(0, 1000))
def test_shapes(variant, shapes, pauses, seed):
    """Products of any shape, back to back, whatever pauses."""
    configuration, _ = simulation(variant)
    products = [make_product(configuration, rows, columns, seed + index)
                for index, (rows, columns) in enumerate(shapes)]
    assert Computed(variant, products, pauses, seed).results.payloads == expected_beats(products)


@every_variant
def test_extremes(variant):
    """The largest sums of either sign, nothing but zeros, one row, one column: all in one go, twice, the second time
    with pauses."""
    configuration, _ = simulation(variant)
    lanes, depth = configuration.lanes, configuration.depth
    products = [make_product(configuration, lanes + 1, 2 * depth + 1, seed, weights, codes)
                for seed, (weights, codes) in enumerate(itertools.product(KINDS, KINDS))]
    products += [make_product(configuration, rows, columns, rows, "random", codes)
                 for rows, columns in ((1, 1), (1, 3 * depth), (3 * lanes, 1), (lanes, depth)) for codes in KINDS]
    for pauses in ((0, 0), (0.3, 0.3)):
        assert Computed(variant, products, pauses).results.payloads == expected_beats(products)
