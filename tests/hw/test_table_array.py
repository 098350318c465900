"""hw.array.table_array, cycle by cycle against its documentation; its sums: test_ternary_array.py."""

import itertools

import pytest

from tests.hw.computed import Computed, expected_beats, simulation
from tests.hw.configurations import TABLE_VARIANTS
from tests.hw.products import make_product
from trine.firmware.table_cycles import COMMAND_TO_WRITE, array_latency, table_steps

every_table_variant = pytest.mark.parametrize("variant", TABLE_VARIANTS)

SHAPES = [[(1, 1)], [(1, 5)], [(30, 1)], [(30, 4)], [(3, 3), (1, 1), (2, 4)], [(200, 3), (150, 2), (1, 1)]]
"""Row blocks and chunks of products, one behind the other: fewer row blocks than a table has steps, and more."""


def predicted(products, configuration, start):
    """The cycles in which words are taken, in a simulation of its own: one event after another.

    start: the cycle in which the first command is taken. Each next one is, after the last tables of the one before.
    """
    steps, banks = table_steps(configuration), configuration.table_banks
    words: list[int] = []
    written = command = start
    begun_before = 0
    freed = [start - 1] * banks  # when the tables became free, oldest first
    for product in products:
        for chunk in range(product.chunks):
            begun = max(written + 2, freed.pop(0) + 1)
            if chunk == 0:
                begun = max(begun, command + COMMAND_TO_WRITE)
            written = begun + steps - 1
            taken = max(written - 1 + (banks == 2), words[-1] if words else 0)
            if banks == 2 and words:
                taken = max(taken, begun_before + 3)
            begun_before = taken + 1
            words += range(begun_before, begun_before + product.row_blocks)
            freed.append(words[-1])
        command = taken + 1
    return words


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@every_table_variant
def test_timing(variant, shapes):
    """Every word and every beat in the cycle that the documentation says."""
    configuration, simulated = simulation(variant)
    products = [make_product(configuration, blocks * configuration.lanes, chunks * configuration.depth, blocks)
                for blocks, chunks in shapes]
    computed = Computed(variant, products)
    start = computed.commands.cycles[0]
    words = predicted(products, configuration, start)
    assert computed.weights.cycles == words
    ends = [words[sum(len(product.words) for product in products[: index + 1]) - 1 - product.row_blocks + 1 + row]
            for index, product in enumerate(products) for row in range(product.row_blocks)]
    assert simulated.dut.latency == array_latency(configuration)
    assert computed.results.cycles == [cycle + simulated.dut.latency for cycle in ends]
    assert computed.results.payloads == expected_beats(products)
    offered = computed.weights.offered[0]
    assert computed.waiting.cycles((0, 1)) == sorted(set(range(offered, words[-1])) - set(words))
    assert not computed.waiting.cycles((1, 0))
    assert computed.active.cycles() == list(range(start + 1, words[-1] + 1))


@every_table_variant
def test_pauses_of_weights(variant):
    """Words that come late find their tables, however far these are ahead by then."""
    configuration, _ = simulation(variant)
    products = [make_product(configuration, rows * configuration.lanes, chunks * configuration.depth, rows)
                for rows, chunks in itertools.product((1, 2, 3, 20), (1, 3))]
    for pause in (0.9, 0.99):
        assert Computed(variant, products, (0, pause), seed=5).results.payloads == expected_beats(products)
