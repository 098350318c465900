"""Characters and tokens, and a model that goes on writing."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from trine.golden.arrays import Float32
from trine.golden.transformer import Transformer


class Vocabulary:
    """The 96 characters of the character models: id 0 is newline, id ord(c) - 31 the printable ASCII c, 0x20..0x7e."""

    characters = "\n" + "".join(map(chr, range(0x20, 0x7F)))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> list[int]:
        """The ids of `text`; ValueError naming the first foreign character and its position."""
        ids = [0 if character == "\n" else ord(character) - 31 for character in text]
        for position, (character, token) in enumerate(zip(text, ids, strict=True)):
            if token < 0 or token >= len(self) or (token == 0 and character != "\n"):
                raise ValueError(f"character {character!r} at position {position} is not in the vocabulary")
        return ids

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of ids; ValueError naming the first that is outside 0..95 and its position."""
        text = []
        for position, token in enumerate(tokens):
            if not 0 <= token < len(self):
                raise ValueError(f"token {token} at position {position} is not in 0..{len(self) - 1}")
            text.append(self.characters[token])
        return "".join(text)


def generate(
    model: Transformer, prompt: Sequence[int], count: int, temperature: float = 1.0, seed: int = 0
) -> Iterator[int]:
    """`count` tokens that follow `prompt`, each as soon as it is known.

    A token is drawn from softmax(logits / temperature), computed in float64, by one `random()` of NumPy's
    default_rng(seed) through the cumulative sum; at temperature 0 it is the first of the greatest logits. The same
    model, prompt, temperature and seed give the same tokens.

    When the context window is full it slides: the oldest token is forgotten for each new one (`Cache.forget`), so that
    every token costs one step. On 1,500 held-out characters `austen-small` predicts as well so (1.487 bits a character)
    as from windows that are started anew with their last half (1.483), which run every token twice and pause.

    Raises ValueError, before anything runs, for an empty prompt, a token outside the vocabulary, a negative count and
    a temperature that is negative or not finite.
    """
    size = model.checkpoint.config.vocab_size
    tokens = [int(token) for token in prompt]
    if not tokens:
        raise ValueError("the prompt must have at least one token")
    for position, token in enumerate(tokens):
        if not 0 <= token < size:
            raise ValueError(f"token {token} at position {position} of the prompt is not in 0..{size - 1}")
    if count < 0:
        raise ValueError(f"count must be at least 0, not {count!r}")
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature must be finite and at least 0, not {temperature!r}")
    return _stream(model, tokens, count, temperature, np.random.default_rng(seed))


def _stream(
    model: Transformer, tokens: list[int], count: int, temperature: float, rng: np.random.Generator
) -> Iterator[int]:
    cache = model.new_cache()
    pending = tokens[-cache.positions :]
    for _ in range(count):
        for token in pending:
            if cache.length == cache.positions:
                cache.forget()
            logits = model.step(token, cache)
        pending = [choose(logits, temperature, rng)]
        yield pending[0]


def choose(logits: Float32, temperature: float, rng: np.random.Generator) -> int:
    """One token id from logits (vocab_size,): see `generate`."""
    if temperature == 0:
        return int(logits.argmax())
    with np.errstate(over="ignore"):  # a tiny temperature makes -infinity, and a probability of 0
        scaled = (logits.astype(np.float64) - float(logits.max())) / temperature
    cumulative = np.cumsum(np.exp(scaled))
    return int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
