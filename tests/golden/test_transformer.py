import dataclasses
import math

import numpy as np
import pytest

from trine.golden.accumulate import AccumulatorMode
from trine.golden.lazy import LazyMapping
from trine.golden.transformer import Transformer, relu2, rms_norm, rotary_tables, rotate, silu, softmax

TOKENS = [33, 0, 95, 7, 7, 50, 1]


def naive_logits(checkpoint, tokens, codes_seen=None):
    """The decoder once more: float64, one token, head and coordinate at a time, all of the past recomputed.

    The codes are rounded from a float64 product, which for these inputs gives the same integers.
    """
    config, tensors = checkpoint.config, checkpoint.tensors
    width, heads = config.head_dim, config.num_attention_heads

    def linear(name, x):
        layer = checkpoint.linears[name]
        scale = 127 / max(max(abs(v) for v in x), 1e-5)
        codes = [round(v * scale) for v in x]
        if codes_seen is not None:
            codes_seen[name] = codes
        sums = [sum(int(w) * q for w, q in zip(row, codes, strict=True)) for row in layer.weights]
        factor = 1 / layer.weight_scale if layer.linear_class == "bitlinear" else layer.weight_scale
        return [a / scale * float(factor) for a in sums]

    def norm(name, x):
        root = math.sqrt(sum(v * v for v in x) / len(x) + config.rms_norm_eps)
        return [float(w) * v / root for w, v in zip(tensors[f"{name}.weight"], x, strict=True)]

    def sub_norm(name, x):
        return norm(name, x) if config.sub_norms else x

    def activation(v):
        return max(v, 0) ** 2 if config.hidden_act == "relu2" else v / (1 + math.exp(-v))

    def turn(x, position):
        """Each head's coordinates i and i + width / 2 as a complex number, turned by the angle of its frequency."""
        out = list(x)
        for start in range(0, len(x), width):
            for i in range(width // 2):
                angle = position * config.rope_theta ** (-2 * i / width)
                a, b = start + i, start + i + width // 2
                turned = complex(x[a], x[b]) * complex(math.cos(angle), math.sin(angle))
                out[a], out[b] = turned.real, turned.imag
        return out

    states = [[float(v) for v in tensors["model.embed_tokens.weight"][token]] for token in tokens]
    for layer in range(config.num_hidden_layers):
        name = f"model.layers.{layer}"
        inputs = [norm(f"{name}.input_layernorm", x) for x in states]
        q, k, v = ([linear(f"{name}.self_attn.{part}_proj", x) for x in inputs] for part in "qkv")
        q = [turn(x, position) for position, x in enumerate(q)]
        k = [turn(x, position) for position, x in enumerate(k)]
        for position, x in enumerate(states):
            mixed = []
            for head in range(heads):
                mine = slice(head * width, (head + 1) * width)
                shared = head // (heads // config.num_key_value_heads)
                theirs = slice(shared * width, (shared + 1) * width)
                weights = [
                    math.exp(sum(a * b for a, b in zip(q[position][mine], k[past][theirs], strict=True)) / width**0.5)
                    for past in range(position + 1)
                ]
                mixed += [
                    sum(w * v[past][theirs][i] for past, w in enumerate(weights)) / sum(weights) for i in range(width)
                ]
            attended = linear(f"{name}.self_attn.o_proj", sub_norm(f"{name}.self_attn.attn_sub_norm", mixed))
            h = [a + b for a, b in zip(x, attended, strict=True)]
            inner = norm(f"{name}.post_attention_layernorm", h)
            gate, up = linear(f"{name}.mlp.gate_proj", inner), linear(f"{name}.mlp.up_proj", inner)
            gated = [activation(g) * u for g, u in zip(gate, up, strict=True)]
            down = linear(f"{name}.mlp.down_proj", sub_norm(f"{name}.mlp.ffn_sub_norm", gated))
            states[position] = [a + b for a, b in zip(h, down, strict=True)]
    head = tensors["model.embed_tokens.weight" if config.tie_word_embeddings else "lm_head.weight"].astype(np.float64)
    return np.array([head @ norm("model.norm", x) for x in states])


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"linear_class": "autobitlinear"}, {"tie_word_embeddings": False}, {"hidden_act": "silu"},
        {"hidden_act": "silu", "sub_norms": False, "tie_word_embeddings": False},
    ],
)  # fmt: skip
def test_against_naive(config, make_checkpoint, changes):
    checkpoint = make_checkpoint(dataclasses.replace(config, **changes))
    logits = Transformer(checkpoint).forward(TOKENS)
    assert logits.dtype == np.float32
    assert logits.shape == (len(TOKENS), config.vocab_size)
    expected = naive_logits(checkpoint, TOKENS)
    assert np.abs(logits - expected).max() < 1e-4 * np.abs(expected).max()


def test_activations_at_the_ends():
    x = np.array([-3e38, -100, -1, 0, 2, 3e38], np.float32)
    assert silu(x[:-1]).tolist() == pytest.approx([0, 0, -1 / (1 + math.e), 0, 2 / (1 + math.exp(-2))], abs=1e-6)
    assert silu(x)[-1] == x[-1]
    assert relu2(x[:-1]).tolist() == [0, 0, 0, 0, 4]


def test_reads_a_checkpoint_once(checkpoint):
    """However often its parts are used."""
    asked = []

    def read(mapping):
        def note(name):
            asked.append(name)
            return mapping[name]

        return LazyMapping(mapping, note)

    lazy = dataclasses.replace(checkpoint, linears=read(checkpoint.linears), tensors=read(checkpoint.tensors))
    assert np.array_equal(Transformer(lazy).forward(TOKENS), Transformer(checkpoint).forward(TOKENS))
    assert sorted(asked) == sorted([*checkpoint.linears, *checkpoint.tensors])


def test_multiply_gets_every_layer_in_order(checkpoint):
    calls = []

    def multiply(names, codes):
        calls.append((names, codes))
        return [checkpoint.linears[name].accumulate(codes) for name in names]

    seen: dict[str, list[int]] = {}
    naive_logits(checkpoint, [33], seen)
    model = Transformer(checkpoint, multiply)
    logits = model.step(33, model.new_cache())
    assert np.array_equal(logits, Transformer(checkpoint).forward([33])[0])
    assert [names for names, _ in calls] == [
        tuple(f"model.layers.{layer}.{name}" for name in names)
        for layer in range(2)
        for names in (
            ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
            ("self_attn.o_proj",),
            ("mlp.gate_proj", "mlp.up_proj"),
            ("mlp.down_proj",),
        )
    ]
    for names, codes in calls:
        assert codes.dtype == np.int8
        for name in names:
            assert codes.tolist() == seen[name]


def test_multiply_is_what_counts(checkpoint):
    def nothing(names, codes):
        return [np.zeros(checkpoint.linears[name].weights.shape[0], np.int32) for name in names]

    embedding = checkpoint.tensors["model.embed_tokens.weight"]
    expected = embedding @ rms_norm(embedding[33], checkpoint.tensors["model.norm.weight"], 1e-5)
    assert np.allclose(Transformer(checkpoint, nothing).forward([33])[0], expected, rtol=1e-5, atol=1e-5)


def test_failed_step_can_be_repeated(checkpoint):
    broken = True

    def multiply(names, codes):
        if broken and names[0] == "model.layers.1.mlp.down_proj":
            raise OSError("unplugged")
        return [checkpoint.linears[name].accumulate(codes) for name in names]

    model = Transformer(checkpoint, multiply)
    cache = model.new_cache()
    with pytest.raises(OSError, match="unplugged"):
        model.step(33, cache)
    broken = False
    assert np.array_equal(model.step(33, cache), Transformer(checkpoint).forward([33])[0])


def test_multiply_wrong_result(checkpoint):
    model = Transformer(checkpoint, lambda names, codes: [np.zeros(1, np.int32) for _ in names])
    with pytest.raises(ValueError, match=r"must return int32 \(24,\) for model.layers.0.self_attn.q_proj"):
        model.step(0, model.new_cache())


def test_step_extends_the_cache(checkpoint):
    model = Transformer(checkpoint)
    cache = model.new_cache()
    assert (cache.length, cache.positions) == (0, 16)
    rows = [model.step(token, cache) for token in TOKENS]
    assert cache.length == len(TOKENS)
    assert np.array_equal(np.stack(rows), model.forward(TOKENS))


def test_caches_are_independent(checkpoint):
    model = Transformer(checkpoint)
    one, other = model.new_cache(), model.new_cache()
    for token in TOKENS:
        model.step(token, one)
    assert np.array_equal(model.step(33, other), model.forward([33])[0])


def test_context_is_full(checkpoint):
    model = Transformer(checkpoint)
    cache = model.new_cache()
    for token in range(16):
        model.step(token, cache)
    with pytest.raises(ValueError, match="position 16 is beyond the model's context of 16 tokens"):
        model.step(0, cache)
    assert cache.length == 16


def test_forget_moves_the_others_down(checkpoint):
    """In layer 0 keys and values depend on their own token only, so what is left is what a new cache would hold."""
    model = Transformer(checkpoint)
    cache, other = model.new_cache(), model.new_cache()
    for token in [5, 6, 7, 8]:
        model.step(token, cache)
    cache.forget()
    for token in [6, 7, 8]:
        model.step(token, other)
    assert cache.length == other.length == 3
    for mine, new in ((cache.keys, other.keys), (cache.values, other.values)):
        assert np.array_equal(mine[0, :, :, :3], new[0, :, :, :3])
        assert not np.array_equal(mine[1, :, :, :3], new[1, :, :, :3])  # deeper, the forgotten one is remembered


def test_forget_in_an_empty_cache(checkpoint):
    cache = Transformer(checkpoint).new_cache()
    cache.forget()
    assert cache.length == 0


def test_the_past_matters_and_the_future_does_not(checkpoint):
    model = Transformer(checkpoint)
    logits, changed = model.forward([1, 2, 3, 4]), model.forward([1, 2, 9, 4])
    assert np.array_equal(logits[:2], changed[:2])
    assert np.abs(logits[3] - changed[3]).max() > 0.01


@pytest.mark.parametrize("token", [-1, 96])
def test_wrong_token(checkpoint, token):
    model = Transformer(checkpoint)
    with pytest.raises(ValueError, match=f"token {token} at position 2 is not in the vocabulary of 96"):
        model.forward([0, 1, token])
    with pytest.raises(ValueError, match=f"token {token}"):
        model.step(token, model.new_cache())


@pytest.mark.parametrize("tokens", [[], [[1, 2]], [1.5]])
def test_wrong_tokens(checkpoint, tokens):
    with pytest.raises(ValueError, match="tokens must be a non-empty sequence of integers"):
        Transformer(checkpoint).forward(tokens)


def surprise(model, window):
    """Bits of all tokens of a window but its first."""
    logits = model.forward(window[:-1]).astype(np.float64)
    return sum(math.log2(np.exp(row - row[token]).sum()) for row, token in zip(logits, window[1:], strict=True))


@pytest.mark.parametrize("count", [2, 5, 16, 17, 18, 33, 16 * 33 + 6])
def test_bits_per_character(checkpoint, count):
    """Windows of 16 overlap by the one token that the first predicts last and the second starts with."""
    tokens = np.random.default_rng(1).integers(0, 96, count)
    model = Transformer(checkpoint)
    expected = sum(surprise(model, tokens[at : at + 17]) for at in range(0, count - 1, 16)) / (count - 1)
    assert model.bits_per_character(tokens) == pytest.approx(expected, abs=2e-4)


def test_bits_per_character_too_few(checkpoint):
    with pytest.raises(ValueError, match="at least 2 tokens, not 1"):
        Transformer(checkpoint).bits_per_character([5])


def test_mode_reaches_every_layer(checkpoint):
    seen = []

    def multiply(names, codes):
        seen.append(int(np.abs(codes).max()))
        return [checkpoint.linears[name].accumulate(codes) for name in names]

    mode = AccumulatorMode(activation_bits=4, group=16, group_accumulator_bits=8)
    through_hook = Transformer(checkpoint, multiply, mode)
    assert through_hook.mode == mode
    narrow = Transformer(checkpoint, mode=mode)
    assert np.array_equal(through_hook.forward(TOKENS), narrow.forward(TOKENS))  # it never saturates
    assert set(seen) == {7}
    eight_bits = Transformer(checkpoint).forward(TOKENS)
    assert np.abs(narrow.forward(TOKENS) - eight_bits).max() > 0.01
    saturating = Transformer(checkpoint, mode=AccumulatorMode(group_accumulator_bits=4))
    assert np.abs(saturating.forward(TOKENS) - eight_bits).max() > 0.01
    assert saturating.bits_per_character(TOKENS) != Transformer(checkpoint).bits_per_character(TOKENS)


def test_rms_norm_by_hand():
    """Mean square of 1, -7 is 25; with epsilon 24 the root is 7."""
    normalised = rms_norm(np.array([1, -7], np.float32), np.array([7, 2], np.float32), 24)
    assert normalised.dtype == np.float32
    assert normalised == pytest.approx([1, -2])


def test_softmax_by_hand():
    x = np.array([[1000, 1000 + math.log(3)], [-np.inf, 5]], np.float32)
    assert softmax(x) == pytest.approx(np.array([[0.25, 0.75], [0, 1]]), abs=1e-4)
    assert softmax(x).dtype == np.float32


def test_rotary_tables():
    cos, sin = rotary_tables(5, 4, 100.0)
    assert cos.shape == sin.shape == (5, 4)
    assert cos.dtype == sin.dtype == np.float32
    for position in range(5):
        angles = [position, position / 10, position, position / 10]
        assert cos[position] == pytest.approx([math.cos(angle) for angle in angles], abs=1e-6)
        assert sin[position] == pytest.approx([math.sin(angle) for angle in angles], abs=1e-6)


def test_rotate_by_a_quarter():
    """Coordinate 0 pairs with 2, and 1 with 3: (x, y) goes to (-y, x)."""
    x = np.array([[1, 2, 3, 4]], np.float32)
    assert rotate(x, np.zeros((1, 4), np.float32), np.ones((1, 4), np.float32)).tolist() == [[-3, -4, 1, 2]]
