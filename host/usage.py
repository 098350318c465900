"""What a model needs of a device's memories, after padding, and what it would do there."""

from dataclasses import asdict, dataclass
from typing import Any

from trine.firmware.compiler import outline
from trine.firmware.configuration import Configuration
from trine.firmware.cycles import LinkUse, token_bytes, token_cycles
from trine.firmware.image import Outline
from trine.firmware.layout import count_words
from trine.golden.checkpoint import Checkpoint
from trine.host.compiled import compile_for, model_shapes
from trine.host.errors import UsageError, bad_input
from trine.host.figures import TokenRates, token_rates
from trine.host.routed import Clock, clock_of
from trine.host.shipped import Model, find_model, load_model, shipped_models


@dataclass(frozen=True)
class Use:
    """Weight words and instructions that are needed, of all loads, and those that there are at once."""

    loads: int
    words: int
    words_available: int
    instructions: int
    instructions_available: int

    def figures(self) -> dict[str, Any]:
        """The same under the names of the JSON."""
        return {f"weight_{key}" if key.startswith("words") else key: value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Fit:
    """A model on a configuration.

    words, words_available: weight words after padding. padding: share of their trits that are padding, 0 to 1.
    reason: why it cannot be executed, None if it can; then loads is how many it takes, one if it is resident, cycles
    the engine's for a token or input, link_use what crosses the link for it, weights included if they are streamed, and
    rates what they make together.
    """

    configuration: Configuration
    words: int
    words_available: int
    padding: float
    reason: str | None
    loads: int | None = None
    cycles: int | None = None
    link_use: LinkUse | None = None
    rates: TokenRates | None = None

    @property
    def resident(self) -> bool:
        """Whether all of it is in the device at once."""
        return self.loads == 1


def image_use(image: Outline, configuration: Configuration) -> Use:
    """What an image takes."""
    return Use(len(image.loads), image.words, configuration.weight_words,
               sum(len(load.operations) for load in image.loads), configuration.program_words)


def model_rates(configuration: Configuration, mhz: float) -> tuple[dict[str, float], dict[str, float]]:
    """({model: array_tokens_per_s}, {model: offload_tokens_per_s}) at a clock, of the shipped language models that fit.

    Without a link the second is empty, and on a bare array both are.
    """
    array: dict[str, float] = {}
    offload: dict[str, float] = {}
    for name in () if configuration.bare else shipped_models():
        model = load_model(find_model(name))
        found = fit(model, configuration, name) if isinstance(model, Checkpoint) else None
        if found is None or not found.resident or found.cycles is None or found.link_use is None:
            continue
        rates = token_rates(found.cycles, found.link_use, Clock(mhz, "derived", "routed"), configuration.link)
        array[name] = round(rates.array_tokens_per_s, 1)
        if rates.offload_tokens_per_s is not None:
            offload[name] = round(rates.offload_tokens_per_s, 2)
    return array, offload


def largest_resident(configuration: Configuration, clock: Clock) -> tuple[str, TokenRates] | None:
    """The shipped model with the most weights among those that fit, and its rates at a clock; None if none fits.

    What a language model does for a token, a classifier does for an input.
    """
    largest: tuple[int, str, TokenRates] | None = None
    for name in shipped_models():
        model = load_model(find_model(name))
        found = fit(model, configuration, name)
        weights = sum(n * k for n, k in model_shapes(model).values())
        if not found.resident or found.cycles is None or found.link_use is None:
            continue
        if largest is not None and weights <= largest[0]:
            continue
        largest = weights, name, token_rates(found.cycles, found.link_use, clock, configuration.link)
    return None if largest is None else largest[1:]


def fit(model: Model, configuration: Configuration, name: str) -> Fit:
    """Whether a model fits a device, and what it does there.

    Of a model that has to be streamed the weights are not looked at, which takes its time; `trine compile` does.
    """
    shapes = model_shapes(model)
    words = sum(count_words(n, k, configuration) for n, k in shapes.values())
    padding = 1 - sum(n * k for n, k in shapes.values()) / (words * configuration.trits_per_cycle)
    try:
        with bad_input():
            image = outline(model, configuration, name)
        if len(image.loads) == 1:
            image = compile_for(model, configuration, name)
    except UsageError as error:
        return Fit(configuration, words, configuration.weight_words, padding, str(error))
    cycles = token_cycles(image, configuration).cycles
    use = token_bytes(image, configuration)
    rates = token_rates(cycles, use, clock_of(configuration), configuration.link)
    return Fit(configuration, words, configuration.weight_words, padding, None, len(image.loads), cycles, use, rates)
