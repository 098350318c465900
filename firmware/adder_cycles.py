"""Cycles of the adder array (hw.array.adder_array).

Cycle 0 is the one in which a run is accepted. Instruction i is *issued* in cycle `issue_i`, is offered its first weight
word in cycle `first_i`, and takes its last in cycle `last_i`:

    issue_1 = FETCH                                first_1 = FETCH + FIRST_WORD
    issue_{i+1} = max(issue_i + FETCH, last_i)     first_{i+1} = max(issue_i + FETCH + FIRST_WORD, last_i + 1)

A word a cycle is taken, except that the last words of consecutive row blocks are beats_per_row_block cycles apart at
the least, because a row block's results leave one beat a cycle. The run ends in the cycle after the last result was
stored:

    end = max(issue_n + FETCH, last_n + array_latency + beats_per_row_block)

Of the cycles 1 to end, those that take a word are `busy`; those in which a word has to wait for results to leave, and
those after END was reached, are `drain`; in the others an instruction is being fetched: `weight_stall`.
"""

from collections.abc import Sequence

from trine.firmware.assembler import Matvec
from trine.firmware.configuration import Configuration
from trine.firmware.counters import Counters

FETCH = 4
"""Cycles to fetch and decode an instruction, from the issue of the one before."""
FIRST_WORD = 2
"""Cycles from an issue to the first weight word."""
CHAIN = 4
"""Terms that an adder tree adds one after the other, a cycle each but for the first two, before the levels begin."""


def array_latency(configuration: Configuration) -> int:
    """Cycles from a row block's last weight word to its first result beat: word, codes and trits, the adder tree's
    chains and levels, the accumulators, and the register from which a row block leaves."""
    chain = min(configuration.depth, CHAIN)
    levels = (-(-configuration.depth // CHAIN) - 1).bit_length()
    accumulators = 1 if configuration.accumulator_mode.exact else 2
    return 2 + max(1, chain - 1) + levels + accumulators + 1


def product_cycles(products: Sequence[Matvec], configuration: Configuration) -> Counters:
    """What a run of `products`, and the end of the program behind them, adds to the counters."""
    spacing = configuration.beats_per_row_block
    busy = weight_stall = drain = 0
    issue = last = 0
    last_of_block = -spacing  # nothing is leaving when a run begins
    first = FETCH + FIRST_WORD
    for operation in products:
        issue = max(issue + FETCH, last)
        weight_stall += first - (last + 1)
        period = max(operation.chunks, spacing)
        wait = max(0, last_of_block + spacing - (first + operation.chunks - 1))
        busy += operation.row_blocks * operation.chunks
        drain += wait + (operation.row_blocks - 1) * (period - operation.chunks)
        last = last_of_block = first + operation.chunks - 1 + wait + (operation.row_blocks - 1) * period
        first = max(issue + FETCH + FIRST_WORD, last + 1)
    ending = issue + FETCH
    stored = last + array_latency(configuration) + configuration.beats_per_row_block if busy else 0
    end = max(ending, stored)
    fetching = max(0, ending - (last + 1))
    return Counters(cycles=end, busy=busy, weight_stall=weight_stall + fetching, drain=drain + end - last - fetching)
