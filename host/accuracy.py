"""What an array's accumulators and activation widths cost a language model, in bits per character.

The golden model reads a text in each accumulator mode and predicts every character of it from the true ones before. The
weights stay as they were trained, for exact sums: a model that was trained through narrow sums might lose less.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from trine.golden.accumulate import AccumulatorMode, static_bound
from trine.golden.checkpoint import Checkpoint
from trine.golden.generate import Vocabulary
from trine.golden.transformer import Transformer
from trine.host.errors import UsageError, bad_input

EVIDENCE = "golden model, in NumPy"

SATURATING_BITS = (16, 13, 12, 11, 10, 8)
GROUPS = (2, 4, 8, 16)
GROUP_BITS = (8, 10)


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one mode costs.

    mode: how the array adds.
    bits_per_character: the model's, on the whole text, in this mode.
    change: bits_per_character less that of exact sums with 8-bit activations.
    never_saturates: whether no input whatsoever can saturate the model's sums in this mode; true of exact sums.
    """

    mode: AccumulatorMode
    bits_per_character: float
    change: float
    never_saturates: bool

    def figures(self) -> dict[str, Any]:
        """All of it, under the keys of the JSON."""
        return {"mode": describe_mode(self.mode), **dataclasses.asdict(self.mode),
                "bits_per_character": self.bits_per_character, "change": self.change,
                "never_saturates": self.never_saturates}


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A mode that an array cannot have: its name, and why."""

    name: str
    reason: str


def describe_mode(mode: AccumulatorMode) -> str:
    """The mode in words, without its depth: "8-bit sums in groups of 16", "4-bit activations, exact sums"."""
    return _describe(mode.activation_bits, mode.group, mode.group_accumulator_bits)


def candidate_modes(depth: int) -> tuple[list[AccumulatorMode], list[Refusal]]:
    """The modes to compare on an array that adds `depth` columns a step, the exact one first; and those it cannot have.

    8-bit activations: exact; saturating over all of K with each of SATURATING_BITS; with each of GROUP_BITS, groups of
    each of GROUPS and of one, two and four steps. 4-bit activations: exact; 8-bit sums in groups of 16 and of one step.
    A mode is refused where AccumulatorMode refuses it: where a group is no multiple of the depth.

    Raises UsageError for a depth below 1.
    """
    if depth < 1:
        raise UsageError(f"depth must be at least 1, not {depth}")
    groups = sorted({*GROUPS, depth, 2 * depth, 4 * depth})
    wanted: list[tuple[int, int | None, int | None]] = [(8, None, None)]
    wanted += [(8, None, bits) for bits in SATURATING_BITS]
    wanted += [(8, group, bits) for bits in GROUP_BITS for group in groups]
    wanted += [(4, None, None)]
    wanted += [(4, group, 8) for group in sorted({16, depth})]
    modes, refusals = [], []
    for settings in wanted:
        try:
            modes.append(AccumulatorMode(*settings, depth=depth))
        except ValueError as error:
            refusals.append(Refusal(_describe(*settings), str(error)))
    return modes, refusals


def never_saturates(model: Checkpoint, mode: AccumulatorMode) -> bool:
    """Whether no group of the model's weights can saturate in `mode`, whatever the activations.

    A group's sum is at most the greatest code times the columns of a group, and times the nonzeros of a row.
    """
    if mode.group_accumulator_bits is None:
        return True
    bound = max(int(static_bound(linear.weights, mode.activation_bits).max()) for linear in model.linears.values())
    if mode.group is not None:
        bound = min(bound, mode.code_range[1] * mode.group)
    return bool(bound < 2 ** (mode.group_accumulator_bits - 1))


def measure(
    model: Checkpoint,
    text: str,
    modes: Sequence[AccumulatorMode],
    report: Callable[[str, float], None] = lambda step, done: None,
) -> list[Cost]:
    """The cost of each of `modes`, in their order; exact sums with 8-bit activations are measured besides.

    text: at least 2 characters; all but the first are predicted, as `Transformer.bits_per_character` says.
    report: is told the mode that comes next and the share of them that is done, 0 to 1.

    Raises UsageError for a model that has not the 96 characters, a text that is too short and a character that the
    vocabulary does not have.
    """
    vocabulary = Vocabulary()
    if model.config.vocab_size != len(vocabulary):
        raise UsageError(f"the model has a vocabulary of {model.config.vocab_size} tokens; text takes the "
                         f"{len(vocabulary)} characters of the shipped models")
    if len(text) < 2:
        raise UsageError(f"the text must have at least 2 characters, not {len(text)}")
    with bad_input():
        tokens = vocabulary.encode(text)
        model = model.in_memory()
    report("exact sums", 0.0)
    exact = Transformer(model).bits_per_character(tokens)
    costs = []
    for done, mode in enumerate(modes, 1):
        report(describe_mode(mode), done / (len(modes) + 1))
        known = mode.exact and mode.activation_bits == 8  # the depth of exact sums changes nothing
        bits = exact if known else Transformer(model, mode=mode).bits_per_character(tokens)
        costs.append(Cost(mode, bits, bits - exact, never_saturates(model, mode)))
    return costs


def _describe(activation_bits: int, group: int | None, sum_bits: int | None) -> str:
    if sum_bits is None:
        sums = "exact sums"
    elif group is None:
        sums = f"{sum_bits}-bit sums over all of K"
    else:
        sums = f"{sum_bits}-bit sums in groups of {group}"
    return sums if activation_bits == 8 else f"{activation_bits}-bit activations, {sums}"
