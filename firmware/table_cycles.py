"""Cycles of the table array (hw.array.table_array).

Cycle 0 is the one in which a run is accepted. Instruction i is *offered* in cycle `offer_i` to weight memory and array,
which take it when they are free; the next instruction is fetched when both have. The builder takes it in `command_i`,
the weight memory in `fetch_i`, and its first word is there in `word_i`:

    offer_1 = FETCH            offer_{i+1} = max(fetch_i, command_i) + FETCH
    fetch_i   = max(offer_i, the cycle in which the address of the last word before it is issued)
    command_i = max(offer_i, the cycle after the last tables of the instruction before are taken)
    word_i    = max(fetch_i + FIRST_WORD, the cycle after the last word before it)

For each chunk, all of whose row blocks are taken one after the other, a cycle each, before the next chunk's, the first
of the S = (3**g - 1) / 2 entries of its tables is written in cycle

    write = max(command_i + COMMAND_TO_WRITE, or 2 cycles after the last entry of the chunk before it,
                the cycle after the last word of the chunk that used the same tables)

its tables are taken in cycle

    max(write + S - 2, that of the last word before it), or, with two banks,
    max(write + S - 1, that of the last word before it, 3 cycles after that of the first word of the chunk before)

and its first word in the cycle after, or in word_i if that is later.

The run ends in the cycle after the last result was stored: end = max(offer_n's end + FETCH, last_n + latency + 1). Of
the cycles 1 to end, those that take a word are `busy`, those in which a word is there and its tables are not are
`table_build`, those after the last word when END was reached are `drain`, and the others `weight_stall`.
"""

from collections.abc import Sequence

from trine.firmware.adder_cycles import FETCH
from trine.firmware.assembler import Matvec
from trine.firmware.configuration import Configuration
from trine.firmware.counters import Counters

COMMAND_TO_WRITE = 6
"""Cycles from a command to the first entry of its tables."""

PARTIAL_SUM = 4
"""Cycles from a word to the next one that may be added to the same partial sum."""


def array_latency(configuration: Configuration) -> int:
    """Cycles from a row block's last weight word to its results: word (two, if registered), table, tree, total."""
    return 2 * (configuration.table_banks == 1) + 1 + (configuration.codes_per_slice - 1).bit_length() + 1


def first_word_cycle(configuration: Configuration) -> int:
    """The cycle of a run in which its first weight word is taken: when the first tables are there."""
    return FETCH + COMMAND_TO_WRITE + table_steps(configuration) - 2 + configuration.table_banks


def table_steps(configuration: Configuration) -> int:
    """Entries that are written to build a chunk's tables, a cycle each."""
    return int(3**configuration.codec.trits_per_code - 1) // 2


def product_cycles(products: Sequence[Matvec], configuration: Configuration) -> Counters:
    """What a run of `products`, and the end of the program behind them, adds to the counters."""
    banks = configuration.table_banks
    steps = table_steps(configuration)
    never = -(1 << 62)
    busy = weight_stall = table_build = 0
    offer, issued = FETCH, 0
    last_word = 0  # the cycle in which a word was taken last
    last_address = 0  # in which the address of the last word so far was issued
    last_write = never
    tables_taken = 0
    first_word = never  # of the chunk before
    ends = [never] * banks  # last words of the chunks whose tables are to be reused, oldest first
    for product in products:
        fetch = max(offer, last_address)
        command = max(offer, tables_taken + 1)
        issued = max(fetch, command)
        address = max(fetch + 1, last_word)  # of the first word
        word = max(address + 1, last_word + 1)
        weight_stall += word - (last_word + 1)
        for chunk in range(product.chunks):
            write = max(command + COMMAND_TO_WRITE if chunk == 0 else never, last_write + 2, ends.pop(0) + 1)
            last_write = write + steps - 1
            tables_taken = max(last_write - 2 + banks, last_word)
            if banks > 1:
                tables_taken = max(tables_taken, first_word + PARTIAL_SUM - 1)
            taken = max(tables_taken + 1, word)
            table_build += taken - max(last_word + 1, word)
            word_before = last_word if chunk else address  # in which the chunk's first address is issued
            first_word, last_word = taken, taken + product.row_blocks - 1
            last_address = last_word - 1 if product.row_blocks > 1 else word_before
            ends.append(last_word)
        busy += product.row_blocks * product.chunks
        offer = issued + FETCH
    ending = issued + FETCH
    stored = last_word + array_latency(configuration) + 1 if busy else 0
    end = max(ending, stored)
    fetching = max(0, ending - (last_word + 1))
    return Counters(cycles=end, busy=busy, weight_stall=weight_stall + fetching, table_build=table_build,
                    drain=end - last_word - fetching)
