import types
from typing import Any

import numpy as np
import pytest

from trine.golden.generate import Vocabulary, choose, generate
from trine.golden.transformer import Transformer

VOCABULARY = Vocabulary()


class RecordedCache:
    """A cache that keeps the tokens it has seen, and what it forgot."""

    def __init__(self, positions):
        self.positions, self.length = positions, 0
        self.seen, self.forgotten = [], []

    def forget(self):
        self.forgotten.append(self.seen[len(self.forgotten)])
        self.length -= 1


class Recorder:
    """A model whose next token is always the last plus one; it keeps what each cache has seen."""

    def __init__(self, window):
        config = types.SimpleNamespace(max_position_embeddings=window, vocab_size=96)
        self.checkpoint = types.SimpleNamespace(config=config)
        self.caches = []

    def new_cache(self):
        cache = RecordedCache(self.checkpoint.config.max_position_embeddings)
        self.caches.append(cache)
        return cache

    def step(self, token, cache):
        assert cache.length < self.checkpoint.config.max_position_embeddings
        cache.length += 1
        cache.seen.append(token)
        logits = np.zeros(self.checkpoint.config.vocab_size, np.float32)
        logits[token + 1] = 5
        return logits


def recorder(window=8) -> Any:
    return Recorder(window)


def test_vocabulary():
    assert len(VOCABULARY) == 96
    assert VOCABULARY.encode("\n ~A!") == [0, 1, 95, 34, 2]
    assert VOCABULARY.decode([0, 1, 95, 34, 2]) == "\n ~A!"
    assert VOCABULARY.encode("") == []


def test_vocabulary_round_trip():
    assert VOCABULARY.encode(VOCABULARY.decode(range(96))) == list(range(96))


@pytest.mark.parametrize("character", ["\t", "\r", "\x00", "\x1f", "\x7f", "é", "\u2019", "\U0001f600"])
def test_vocabulary_foreign_character(character):
    with pytest.raises(ValueError, match="at position 3 is not in the vocabulary") as error:
        VOCABULARY.encode(f"abc{character}d")
    assert repr(character) in str(error.value)


@pytest.mark.parametrize("token", [-1, 96])
def test_vocabulary_foreign_token(token):
    with pytest.raises(ValueError, match=rf"token {token} at position 1 is not in 0\.\.95"):
        VOCABULARY.decode([5, token])


def test_greedy():
    model = recorder()
    assert list(generate(model, [3, 4], 3, temperature=0)) == [5, 6, 7]
    assert [cache.seen for cache in model.caches] == [[3, 4, 5, 6]]


def test_past_the_window():
    """Eight tokens fill the window; each later one makes it forget the oldest."""
    model = recorder()
    assert list(generate(model, [1], 14, temperature=0)) == list(range(2, 16))
    (cache,) = model.caches
    assert cache.seen == list(range(1, 15))
    assert cache.forgotten == list(range(1, 7))


def test_prompt_fills_the_window():
    model = recorder()
    assert list(generate(model, range(1, 9), 2, temperature=0)) == [9, 10]
    assert model.caches[0].seen == list(range(1, 10))
    assert model.caches[0].forgotten == [1]


def test_prompt_longer_than_the_window():
    """Only its end is run."""
    model = recorder()
    assert list(generate(model, range(1, 12), 1, temperature=0)) == [12]
    assert model.caches[0].seen == list(range(4, 12))
    assert model.caches[0].forgotten == []


@pytest.mark.parametrize("window", [1, 2, 3])
def test_tiny_windows(window):
    assert list(generate(recorder(window), [1], 6, temperature=0)) == [2, 3, 4, 5, 6, 7]


def test_streams():
    model = recorder()
    stream = generate(model, [1], 5, temperature=0)
    assert not model.caches
    assert next(stream) == 2
    assert model.caches[0].seen == [1]


def test_no_tokens():
    assert list(generate(recorder(), [1], 0)) == []


def test_real_model_past_its_window(checkpoint):
    model = Transformer(checkpoint)
    tokens = list(generate(model, [33], 40, temperature=0.8, seed=7))
    assert len(tokens) == 40
    assert tokens == list(generate(model, [33], 40, temperature=0.8, seed=7))
    assert tokens != list(generate(model, [33], 40, temperature=0.8, seed=8))
    assert tokens != list(generate(model, [33], 40, temperature=0, seed=7))


def test_choose_follows_softmax():
    """Logits log 1, log 2, log 5 at temperature 1, and their squares at temperature 0.5."""
    logits = np.log(np.array([1, 2, 5], np.float32))
    for temperature, weights in ((1.0, [1, 2, 5]), (0.5, [1, 4, 25])):
        rng = np.random.default_rng(0)
        drawn = np.bincount([choose(logits, temperature, rng) for _ in range(20000)], minlength=3) / 20000
        expected = np.array(weights) / sum(weights)
        assert np.abs(drawn - expected).max() < 0.015  # 4 standard deviations


def test_choose_is_the_cumulative_sum():
    """Equal logits cut [0, 1) into quarters."""
    rng = np.random.default_rng(3)
    expected = [int(u * 4) for u in np.random.default_rng(3).random(50)]
    assert [choose(np.zeros(4, np.float32), 1.0, rng) for _ in range(50)] == expected


def test_choose_never_takes_the_impossible():
    """A draw of exactly 0 falls on the first token with a probability, not on one without."""
    rng: Any = types.SimpleNamespace(random=lambda: 0.0)
    assert choose(np.array([-np.inf, 0, 0], np.float32), 1.0, rng) == 1


def test_choose_zero_temperature_takes_the_first():
    assert choose(np.array([1, 3, 3], np.float32), 0, np.random.default_rng(0)) == 1


@pytest.mark.parametrize("temperature", [1e-300, 1e300])
def test_choose_extreme_temperatures(temperature):
    rng = np.random.default_rng(0)
    drawn = {choose(np.array([1e30, -1e30, 2e30], np.float32), temperature, rng) for _ in range(100)}
    assert drawn == ({2} if temperature < 1 else {0, 1, 2})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 1), "the prompt must have at least one token"),
        (([0, 96], 1), r"token 96 at position 1 of the prompt is not in 0\.\.95"),
        (([-1], 1), "token -1 at position 0"),
        (([0], -1), "count must be at least 0, not -1"),
        (([0], 1, -0.5), "temperature must be finite and at least 0, not -0.5"),
        (([0], 1, float("inf")), "temperature must be finite and at least 0, not inf"),
        (([0], 1, float("nan")), "temperature must be finite and at least 0, not nan"),
    ],
)
def test_wrong_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        generate(recorder(), *arguments)
