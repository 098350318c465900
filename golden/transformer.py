"""The BitNet b1.58 decoder: the mathematics of transformers' BitNetForCausalLM in float32 around exact integer layers.

    h = x + o_proj(attn_sub_norm(attention(q_proj, k_proj, v_proj of input_layernorm(x))))
    y = h + down_proj(ffn_sub_norm(relu(gate)^2 * up)), gate and up of post_attention_layernorm(h)

LlamaForCausalLM whose linear layers are BitLinear has silu in the place of relu^2, and no sub-norms; the first BitNet
models have silu with them. The configuration says which.

RMSNorm is `w * (x * (1 / sqrt(mean(x^2) + eps)))`, RoPE turns the two halves of a head, grouped-query attention shares
each key/value head among consecutive query heads. There are no biases.

One pass serves a single token with its cache and whole windows at once. Its floats depend on the order in which a
matrix product adds, so that two machines, or one token and a window, differ by an ulp now and then, which may flip an
activation code; the integers of a layer, given its codes, are always the same.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trine.golden.accumulate import AccumulatorMode
from trine.golden.arrays import Float32, Int8, Int32, Int64, first
from trine.golden.bitlinear import Multiply, call_multiply
from trine.golden.checkpoint import Checkpoint

WINDOWS_AT_ONCE = 32  # in `bits_per_character`; bounds its memory


@dataclasses.dataclass(eq=False)
class Cache:
    """The keys and the values of the tokens so far; the keys are rotated to their positions only when they are used.

    keys, values: float32 (num_hidden_layers, batch, num_key_value_heads, positions, head_dim).
    length: positions in use; the next token stands at position `length`.
    """

    keys: Float32
    values: Float32
    length: int = 0

    @property
    def positions(self) -> int:
        """The number of tokens it has room for."""
        return int(self.keys.shape[3])

    def forget(self) -> None:
        """Drops the oldest token; the others move one position down, and there is room for one more.

        What the oldest token told the others stays in their keys and values: a sliding window. Nothing if it is empty.
        """
        for store in (self.keys, self.values):
            store[..., :-1, :] = store[..., 1:, :]
        self.length = max(0, self.length - 1)


class Transformer:
    """A model that runs token by token, its integer layers on a device or here.

    checkpoint: the model; it is read into memory.
    multiply: executes the ternary layers of `step` and `forward`, 4 calls a layer and token in this order: (q, k, v),
        (o,), (gate, up), (down,), each by its full name. None: golden's own `accumulate`.
    mode: how golden adds, and the activation_bits that all inputs are quantised to. None: exact, 8 bits.
    """

    def __init__(
        self, checkpoint: Checkpoint, multiply: Multiply | None = None, mode: AccumulatorMode | None = None
    ) -> None:
        self._checkpoint = checkpoint = checkpoint.in_memory()
        self._multiply = multiply
        self._mode = AccumulatorMode() if mode is None else mode
        config = checkpoint.config
        self._embedding = checkpoint.tensors["model.embed_tokens.weight"]
        self._head = self._embedding if config.tie_word_embeddings else checkpoint.tensors["lm_head.weight"]
        self._activation = {"relu2": relu2, "silu": silu}[config.hidden_act]
        self._cos, self._sin = rotary_tables(config.max_position_embeddings, config.head_dim, config.rope_theta)

    @property
    def checkpoint(self) -> Checkpoint:
        """The model, in memory."""
        return self._checkpoint

    @property
    def mode(self) -> AccumulatorMode:
        """How its integer layers add."""
        return self._mode

    def new_cache(self) -> Cache:
        """An empty cache for one sequence of at most max_position_embeddings tokens."""
        return self._cache(1, self._checkpoint.config.max_position_embeddings)

    def step(self, token: int, cache: Cache) -> Float32:
        """Logits float32 (vocab_size,) of what follows `token` at the next position of `cache`, which is extended.

        Raises ValueError for a token outside the vocabulary, a full cache, and a `multiply` whose results are not
        int32 of the right shapes. The cache is then unchanged, and the step can be tried again.
        """
        ids = self._tokens([token])
        logits: Float32 = self._logits(self._run(ids[np.newaxis], cache, self._one))[0, 0]
        return logits

    def forward(self, tokens: Sequence[int] | npt.NDArray[np.integer]) -> Float32:
        """Logits float32 (T, vocab_size) after each of `tokens` (T,), by `step` from an empty cache."""
        cache = self.new_cache()
        return np.stack([self.step(int(token), cache) for token in self._tokens(tokens)])

    def bits_per_character(self, tokens: Sequence[int] | npt.NDArray[np.integer]) -> float:
        """The model's mean -log2 probability of a token of `tokens` (n,), all but the first: n - 1 predictions.

        Consecutive windows of max_position_embeddings tokens, the shorter tail included. Each window starts without
        context and predicts the token after each of its own. Golden's own arithmetic, in `mode`, many windows at a
        time; `multiply` is not called. Raises ValueError for fewer than 2 tokens and one outside the vocabulary.
        """
        ids = self._tokens(tokens)
        count, width = ids.size - 1, self._checkpoint.config.max_position_embeddings
        if count < 1:
            raise ValueError(f"bits per character need at least 2 tokens, not {ids.size}")
        whole = count - count % width
        chunk = WINDOWS_AT_ONCE * width
        spans = [(at, min(at + chunk, whole), width) for at in range(0, whole, chunk)]
        if whole < count:
            spans.append((whole, count, count - whole))
        total = sum(
            self._surprise(ids[start:end].reshape(-1, length), ids[start + 1 : end + 1].reshape(-1, length))
            for start, end, length in spans
        )
        return total / count

    def _surprise(self, inputs: Int64, targets: Int64) -> float:
        """Sum of -log2 p(target) over windows (B, T), each from an empty cache; the softmax is in float64."""
        logits = self._logits(self._run(inputs, self._cache(*inputs.shape), self._golden)).astype(np.float64)
        logits -= logits.max(-1, keepdims=True)
        chosen = np.take_along_axis(logits, targets[..., np.newaxis], -1)[..., 0]
        return float((np.log(np.exp(logits).sum(-1)) - chosen).sum()) / math.log(2)

    def _run(self, ids: Int64, cache: Cache, multiply: Multiply) -> Float32:
        """Normalised hidden states (B, T, hidden_size) of ids (B, T) at the next positions of `cache`."""
        end = cache.length + ids.shape[1]
        if end > cache.positions:
            raise ValueError(f"position {cache.positions} is beyond the model's context of {cache.positions} tokens")
        x = self._embedding[ids]
        for layer in range(self._checkpoint.config.num_hidden_layers):
            name = f"model.layers.{layer}"
            attended = self._attention(layer, self._norm(f"{name}.input_layernorm", x), cache, multiply)
            x = x + attended
            x = x + self._feed_forward(f"{name}.mlp", self._norm(f"{name}.post_attention_layernorm", x), multiply)
        cache.length = end
        return self._norm("model.norm", x)

    def _attention(self, layer: int, x: Float32, cache: Cache, multiply: Multiply) -> Float32:
        config, name = self._checkpoint.config, f"model.layers.{layer}.self_attn"
        batch, count, _ = x.shape
        start, end = cache.length, cache.length + count
        shared, width = config.num_key_value_heads, config.head_dim
        q, k, v = self._linears((f"{name}.q_proj", f"{name}.k_proj", f"{name}.v_proj"), x, multiply)
        cos, sin = self._cos[:end], self._sin[:end]
        keys, values = cache.keys[layer, :, :, :end], cache.values[layer, :, :, :end]
        keys[:, :, start:] = k.reshape(batch, count, shared, width).swapaxes(1, 2)
        values[:, :, start:] = v.reshape(batch, count, shared, width).swapaxes(1, 2)
        # Query heads in their groups, (B, key/value head, head in group, T, head_dim): each group is one product with
        # the keys it shares, which are never repeated.
        grouped = rotate(q.reshape(batch, count, shared, -1, width).transpose(0, 2, 3, 1, 4), cos[start:], sin[start:])
        rotated = rotate(keys, cos, sin)
        scores = grouped.reshape(batch, shared, -1, width) @ rotated.swapaxes(2, 3) * np.float32(width**-0.5)
        if count > 1:
            future = np.triu(np.full((count, end), -np.inf, np.float32), 1 + start)
            scores = (scores.reshape(batch, shared, -1, count, end) + future).reshape(scores.shape)
        mixed = (softmax(scores) @ values).reshape(grouped.shape).transpose(0, 3, 1, 2, 4).reshape(batch, count, -1)
        (output,) = self._linears((f"{name}.o_proj",), self._sub_norm(f"{name}.attn_sub_norm", mixed), multiply)
        return output

    def _feed_forward(self, name: str, x: Float32, multiply: Multiply) -> Float32:
        gate, up = self._linears((f"{name}.gate_proj", f"{name}.up_proj"), x, multiply)
        inner = self._sub_norm(f"{name}.ffn_sub_norm", self._activation(gate) * up)
        (output,) = self._linears((f"{name}.down_proj",), inner, multiply)
        return output

    def _linears(self, names: tuple[str, ...], x: Float32, multiply: Multiply) -> list[Float32]:
        linears = [self._checkpoint.linears[name] for name in names]
        codes, scale = linears[0].quantise(x, self._mode.activation_bits)
        return [linear.rescale(sums, scale) for linear, sums in zip(linears, multiply(names, codes), strict=True)]

    def _golden(self, names: tuple[str, ...], codes: Int8) -> list[Int32]:
        return [self._checkpoint.linears[name].accumulate(codes, self._mode) for name in names]

    def _one(self, names: tuple[str, ...], codes: Int8) -> list[Int32]:
        """`multiply` for codes (1, 1, K), its results checked."""
        if self._multiply is None:
            return self._golden(names, codes)
        results = call_multiply(self._multiply, self._checkpoint.linears, names, codes[0, 0])
        return [sums[np.newaxis, np.newaxis] for sums in results]

    def _norm(self, name: str, x: Float32) -> Float32:
        return rms_norm(x, self._checkpoint.tensors[f"{name}.weight"], self._checkpoint.config.rms_norm_eps)

    def _sub_norm(self, name: str, x: Float32) -> Float32:
        return self._norm(name, x) if self._checkpoint.config.sub_norms else x

    def _logits(self, hidden: Float32) -> Float32:
        return hidden @ self._head.T

    def _cache(self, batch: int, positions: int) -> Cache:
        config = self._checkpoint.config
        shape = (config.num_hidden_layers, batch, config.num_key_value_heads, positions, config.head_dim)
        return Cache(np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def _tokens(self, tokens: Sequence[int] | npt.NDArray[np.integer]) -> Int64:
        ids = np.asarray(tokens)
        if ids.ndim != 1 or ids.size == 0 or not np.issubdtype(ids.dtype, np.integer):
            raise ValueError(f"tokens must be a non-empty sequence of integers, not {ids.dtype} {ids.shape}")
        size = self._checkpoint.config.vocab_size
        wrong = (ids < 0) | (ids >= size)
        if wrong.any():
            (at,) = first(wrong)
            raise ValueError(f"token {int(ids[at])} at position {at} is not in the vocabulary of {size}")
        return ids.astype(np.int64)


def rms_norm(x: Float32, weight: Float32, epsilon: float) -> Float32:
    """`weight * (x * (1 / sqrt(mean(x^2) + epsilon)))` over the last axis of x (..., n), all in float32."""
    mean = np.square(x).mean(-1, keepdims=True, dtype=np.float32)
    inverse: Float32 = np.float32(1) / np.sqrt(mean + np.float32(epsilon))
    normalised: Float32 = weight * (x * inverse)
    return normalised


def relu2(x: Float32) -> Float32:
    """`max(x, 0)^2`."""
    positive: Float32 = np.maximum(x, np.float32(0))
    return positive * positive


def silu(x: Float32) -> Float32:
    """`x / (1 + exp(-x))`, in float32; 0 where exp(-x) is beyond float32."""
    with np.errstate(over="ignore"):
        divisor: Float32 = np.float32(1) + np.exp(-x)
    return x / divisor


def softmax(x: Float32) -> Float32:
    """`exp(x - max x) / sum` over the last axis, in float32."""
    exponentials: Float32 = np.exp(x - x.max(-1, keepdims=True))
    total: Float32 = exponentials.sum(-1, keepdims=True)
    return exponentials / total


def rotary_tables(positions: int, head_dim: int, theta: float) -> tuple[Float32, Float32]:
    """(cos, sin), float32 (positions, head_dim) each, of the angle `position / theta**(2 i / head_dim)`.

    i = 0 .. head_dim / 2 - 1 numbers the coordinate pairs of a head; both halves of a row are the same. All in float32.
    """
    exponent = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    frequency = np.float32(1) / np.float32(theta) ** exponent
    angle = np.tile(np.arange(positions, dtype=np.float32)[:, np.newaxis] * frequency, 2)
    return np.cos(angle), np.sin(angle)


def rotate(x: Float32, cos: Float32, sin: Float32) -> Float32:
    """x (..., T, head_dim) turned to its positions: coordinate i pairs with i + head_dim / 2."""
    half = x.shape[-1] // 2
    turned: Float32 = np.concatenate([-x[..., half:], x[..., :half]], -1)
    return x * cos + turned * sin
