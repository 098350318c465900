"""Rates of a model on a board, computed from cycles and bytes: what the array could do, and what offloading to it does.

`array_tokens_per_s` counts the array's cycles only. `offload_tokens_per_s` adds what the board's link costs: every byte
of every frame at the link's rate, and one round trip a request. The first is never shown without the second.
"""

from dataclasses import dataclass

from trine.firmware.configuration import Configuration, Link
from trine.firmware.counters import Counters
from trine.firmware.cycles import LinkUse, first_word_cycle
from trine.host.routed import Clock


@dataclass(frozen=True)
class TokenRates:
    """Tokens a second, and by what they were computed; offload_tokens_per_s is None where there is no link."""

    array_tokens_per_s: float
    offload_tokens_per_s: float | None
    clock: Clock

    @property
    def offload_s_per_token(self) -> float | None:
        """Seconds a token, of a model whose weights are streamed."""
        return None if self.offload_tokens_per_s is None else 1 / self.offload_tokens_per_s


def token_rates(cycles: float, link_use: LinkUse, clock: Clock, link: Link | None) -> TokenRates:
    """The rates of a model whose token takes `cycles` engine cycles (> 0) and `link_use` on a link."""
    compute = cycles / clock.hz
    offload = None if link is None else 1 / (compute + link_seconds(link_use, link))
    return TokenRates(1 / compute, offload, clock)


def link_seconds(use: LinkUse, link: Link) -> float:
    """Seconds that bytes and round trips take on a link; the two directions do not overlap in a request."""
    return (use.to_device + use.from_device) / link.bytes_per_second + use.round_trips * link.round_trip_seconds


def busy_share(counters: Counters, runs: int, configuration: Configuration) -> float:
    """Share, from 0 to 1, of the cycles from a run's first weight word to its last result in which a word was accepted.

    counters: of `runs` runs that each execute something. What a run spends before its first word is a constant of the
    cycle model, which the counters equal. 0 if nothing ran.
    """
    cycles = counters.engine.cycles - runs * (first_word_cycle(configuration) - 1)
    return counters.busy / cycles if runs else 0.0


def efficiency(weights: int, counters: Counters, configuration: Configuration) -> float:
    """Share of the trits in the words that were accepted which are weights and no padding, 0 to 1.

    weights: ternary weights multiplied (N * K, over all that ran).
    """
    return weights / (counters.busy * configuration.trits_per_cycle) if counters.busy else 0.0
