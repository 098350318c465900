"""A BitNet b1.58 character model in PyTorch, for quantisation-aware training.

The parameter names and the mathematics are those of transformers' BitNetForCausalLM (rotate-half RoPE, grouped-query
attention, squared-ReLU GLU, a norm before each output projection, tied embeddings, no biases), so that an exported
checkpoint needs no translation. Every projection keeps float32 master weights; its forward pass sees them ternary and
its input as int8 codes, exactly as in inference, and the gradient passes straight through the rounding.
"""

import dataclasses
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

SMALLEST = 1e-5  # the least max|x| and mean|W| a quantiser divides by


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The shape of a model, in the words of transformers' configuration.

    Raises ValueError if the heads do not divide the width, or the key/value heads the heads.
    """

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    vocab_size: int = 96
    max_position_embeddings: int = 128
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0

    def __post_init__(self) -> None:
        if self.hidden_size % (2 * self.num_attention_heads):
            raise ValueError(f"hidden_size {self.hidden_size} is not an even multiple of {self.num_attention_heads}")
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(f"num_key_value_heads {self.num_key_value_heads} do not divide the heads")

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    def huggingface(self) -> dict[str, Any]:
        """The contents of a config.json that transformers loads as an offline-quantised BitNetForCausalLM."""
        return {
            "architectures": ["BitNetForCausalLM"],
            "model_type": "bitnet",
            **dataclasses.asdict(self),
            "hidden_act": "relu2",
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta},
            "attention_bias": False,
            "attention_dropout": 0.0,
            "initializer_range": 0.02,
            "tie_word_embeddings": True,
            "use_cache": True,
            "bos_token_id": 0,
            "eos_token_id": None,
            "pad_token_id": None,
            "torch_dtype": "float32",
            "quantization_config": {
                "quant_method": "bitnet",
                "linear_class": "bitlinear",
                "quantization_mode": "offline",
            },
        }


PRESETS = {
    "austen-small": ModelConfig(160, 280, 3, 4, 2),
    "austen-tiny": ModelConfig(80, 160, 3, 4, 2),
}


def weight_scale(weight: Tensor) -> Tensor:
    """1 / mean|W|, float32, of a master weight: what transformers stores as `weight_scale`."""
    return 1.0 / weight.abs().mean().clamp(min=SMALLEST)


def ternary(weight: Tensor) -> Tensor:
    """The weights in {-1, 0, 1} that a master weight (N, K) stands for."""
    return (weight * weight_scale(weight)).round().clamp(-1, 1)


class BitLinear(nn.Linear):
    """y = x @ W.T for x (..., K), W (N, K); ternary weights and int8 activation codes unless `quantised` is False."""

    def __init__(self, inputs: int, outputs: int, quantised: bool) -> None:
        super().__init__(inputs, outputs, bias=False)
        self.quantised = quantised

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) to (..., N)."""
        if not self.quantised:
            return functional.linear(x, self.weight)
        weight = ternary(self.weight) / weight_scale(self.weight)
        scale = 127 / x.abs().amax(-1, keepdim=True).clamp(min=SMALLEST)
        codes = (x * scale).round().clamp(-128, 127) / scale
        return functional.linear(x + (codes - x).detach(), self.weight + (weight - self.weight).detach())


class RMSNorm(nn.Module):
    """w * x / sqrt(mean(x^2) + eps) over the last axis."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., size) to the same shape."""
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


def rotary_table(config: ModelConfig) -> tuple[Tensor, Tensor]:
    """(cos, sin), each (max_position_embeddings, head_dim), of the rotary position embedding."""
    inverse = 1.0 / config.rope_theta ** (torch.arange(0, config.head_dim, 2).float() / config.head_dim)
    angles = torch.arange(config.max_position_embeddings).float()[:, None] * inverse
    both = torch.cat((angles, angles), -1)
    return both.cos(), both.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn (..., T, head_dim) to its positions: the halves of the last axis are the coordinates."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


class Attention(nn.Module):
    """Causal grouped-query attention, normalised before its output projection."""

    def __init__(self, config: ModelConfig, quantised: bool) -> None:
        super().__init__()
        width, shared = config.hidden_size, config.num_key_value_heads * config.head_dim
        self.head_dim, self.repeat = config.head_dim, config.num_attention_heads // config.num_key_value_heads
        self.q_proj = BitLinear(width, width, quantised)
        self.k_proj = BitLinear(width, shared, quantised)
        self.v_proj = BitLinear(width, shared, quantised)
        self.o_proj = BitLinear(width, width, quantised)
        self.attn_sub_norm = RMSNorm(width, config.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(B, T, hidden_size) to the same shape."""
        q, k, v = (
            projection(x).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = k.repeat_interleave(self.repeat, 1), v.repeat_interleave(self.repeat, 1)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        return cast(Tensor, self.o_proj(self.attn_sub_norm(mixed)))


class FeedForward(nn.Module):
    """The squared-ReLU gated linear unit, normalised before its output projection."""

    def __init__(self, config: ModelConfig, quantised: bool) -> None:
        super().__init__()
        self.gate_proj = BitLinear(config.hidden_size, config.intermediate_size, quantised)
        self.up_proj = BitLinear(config.hidden_size, config.intermediate_size, quantised)
        self.down_proj = BitLinear(config.intermediate_size, config.hidden_size, quantised)
        self.ffn_sub_norm = RMSNorm(config.intermediate_size, config.rms_norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, hidden_size) to the same shape."""
        gated = functional.relu(self.gate_proj(x)).square() * self.up_proj(x)
        return cast(Tensor, self.down_proj(self.ffn_sub_norm(gated)))


class DecoderLayer(nn.Module):
    """Attention and feed-forward, each on a normalised input and added to its residual stream."""

    def __init__(self, config: ModelConfig, quantised: bool) -> None:
        super().__init__()
        self.self_attn = Attention(config, quantised)
        self.mlp = FeedForward(config, quantised)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(B, T, hidden_size) to the same shape."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return cast(Tensor, x + self.mlp(self.post_attention_layernorm(x)))


class Decoder(nn.Module):
    """Token ids to normalised hidden states; holds every parameter of the model."""

    def __init__(self, config: ModelConfig, quantised: bool) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config, quantised) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        cos, sin = rotary_table(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) ids to (B, T, hidden_size), T at most max_position_embeddings."""
        cos, sin = cast(Tensor, self.cos)[: ids.shape[1]], cast(Tensor, self.sin)[: ids.shape[1]]
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return cast(Tensor, self.norm(x))


class BitNetForCausalLM(nn.Module):
    """The whole model: ids to logits, through the embedding both ways. `quantised=False` is its float32 twin."""

    def __init__(self, config: ModelConfig, quantised: bool = True) -> None:
        super().__init__()
        self.config = config
        self.model = Decoder(config, quantised)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                deviation = 0.02 if "embed" in name else 0.5 / parameter.shape[1] ** 0.5
                nn.init.normal_(parameter, std=deviation)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) ids to (B, T, vocab_size) logits for the character after each."""
        return functional.linear(self.model(ids), self.model.embed_tokens.weight)

    def projections(self) -> dict[str, nn.Parameter]:
        """The parameters that are ternary in the exported model, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if "_proj." in name}
