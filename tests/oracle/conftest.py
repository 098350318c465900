"""The environment of transformers, and quantised layers of its own to compare with."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TORCHDYNAMO_DISABLE"] = "1"

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from oracle import record
from torch import nn
from transformers.integrations import bitnet

from trine.host.device import Device
from trine.host.open import open_device

SHAPE = {
    "vocab_size": 24,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
}


@pytest.fixture
def device() -> Iterator[Device]:
    """16 lanes x 32 columns, functional."""
    with open_device("golden:ulx3s_85f") as opened:
        yield opened


@pytest.fixture
def make_layer() -> Callable[..., nn.Module]:
    """A random layer 24 x 40 of transformers: "bitlinear", "autobitlinear" or "online", in some dtype."""

    def make(kind: str, dtype: torch.dtype = torch.float32, bias: bool = False, norm: bool = False) -> nn.Module:
        generator = torch.Generator().manual_seed(len(kind))
        options = {"bias": bias, "dtype": dtype, "use_rms_norm": norm}
        weights = torch.randint(-1, 2, (24, 40), generator=generator).float()
        if kind == "bitlinear":
            layer = bitnet.BitLinear(40, 24, **options)
            layer.weight.copy_(bitnet.pack_weights(weights))
        else:
            layer = bitnet.AutoBitLinear(40, 24, online_quant=kind == "online", **options)
            master = torch.randn(24, 40, generator=generator) * 0.05
            layer.weight.data.copy_(master if kind == "online" else weights)
        with torch.no_grad():
            if kind != "online":
                layer.weight_scale.fill_(3.7 if kind == "bitlinear" else 0.27)
            if bias:
                layer.bias.copy_(torch.randn(24, generator=generator))
            if norm:
                layer.rms_norm.weight.copy_(torch.rand(40, generator=generator) + 0.5)
                layer.rms_norm.to(dtype)
        return layer.requires_grad_(False)

    return make


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Any]:
    """transformers' own random BitNetForCausalLM, of one of the three kinds of layers."""

    def make(kind: str = "bitlinear", dtype: torch.dtype = torch.float32, **shape: int) -> Any:
        folder = tmp_path / kind
        if kind == "online":
            torch.manual_seed(5)
            config = transformers.BitNetConfig(
                **SHAPE | shape, bos_token_id=None, eos_token_id=None, initializer_range=0.3,
                quantization_config={"quant_method": "bitnet", "linear_class": "autobitlinear",
                                     "quantization_mode": "online"})
            transformers.BitNetForCausalLM(config).save_pretrained(folder)
        else:
            record.write_model(folder, 7, SHAPE | shape, kind)
        torch.set_num_threads(1)
        return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(dtype).eval()

    return make
