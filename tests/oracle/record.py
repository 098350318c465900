"""What Hugging Face transformers computes for a small random BitNet: observed live, or recorded as test vectors.

    python tests/oracle/record.py        writes tests/oracle/vectors.safetensors

Needs the extra `oracle` (PyTorch, transformers, accelerate); nothing here uses trine. Every number comes out of
transformers' own BitNetForCausalLM in float32: the codes, scales and sums are taken from the calls that its BitLinear
makes, not computed again.

The file of vectors holds a model (its tensors under `model/`, config.json in the metadata) and what happened to its
tokens: for every ternary layer `NAME/input` (T, K), `/codes`, `/scale` (T, 1), `/sums` (T, N) and `/output`, for the
model `logits` (T, vocab_size), and `autobitlinear/logits`, where the same ternary weights have inverted scales.
Layers that share an input have input, codes and scale under the first one's name only. The metadata state the
`recipe`: a hash of everything the vectors depend on.
"""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

# Before torch and transformers are imported, which read them once: no network, no compiled functions.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TORCHDYNAMO_DISABLE"] = "1"

import numpy as np
import safetensors.numpy
import torch
import transformers
from transformers.integrations.bitnet import AutoBitLinear, BitLinear, pack_weights

VECTORS = Path(__file__).with_name("vectors.safetensors")
SEED = 20260401
SHAPE = {
    "vocab_size": 12,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8,
}
SHARED = {"k_proj": "q_proj", "v_proj": "q_proj", "up_proj": "gate_proj"}  # whose input each of these has

Arrays = dict[str, np.ndarray[Any, Any]]


def recipe() -> str:
    """A hash of what the vectors depend on: the versions of torch and transformers, the seed, and this file."""
    parts = (torch.__version__.split("+")[0], transformers.__version__, SEED, Path(__file__).read_text())
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def write_model(
    folder: Path, seed: int, shape: dict[str, int], linear_class: str = "bitlinear", tied: bool = True
) -> None:
    """Write a random model as a Hugging Face folder: the same ternary weights for either linear class."""
    config = transformers.BitNetConfig(
        **shape,
        tie_word_embeddings=tied,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        bos_token_id=0,
        eos_token_id=0,
        dtype="float32",
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in transformers.BitNetForCausalLM(config).state_dict().items()}
    if tied:
        del shapes["lm_head.weight"]
    tensors = {}
    for name, size in sorted(shapes.items()):
        if "_proj." in name:
            scale = torch.rand(1, generator=generator) * 4 + 3
            tensors[name] = pack_weights(torch.randint(-1, 2, size, generator=generator).float())
            tensors[name.replace("weight", "weight_scale")] = scale if linear_class == "bitlinear" else 1 / scale
        elif len(size) == 1:
            tensors[name] = torch.rand(size, generator=generator) + 0.5
        else:
            tensors[name] = torch.randn(size, generator=generator) * 0.3
    fields = config.to_dict() | {
        "architectures": ["BitNetForCausalLM"],
        "quantization_config": {
            "quant_method": "bitnet",
            "linear_class": linear_class,
            "quantization_mode": "offline",
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(fields, indent=1))
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    safetensors.numpy.save_file(arrays, folder / "model.safetensors", metadata={"format": "pt"})


def load_model(folder: Path) -> Any:
    """transformers' own model of a folder, in float32."""
    torch.set_num_threads(1)
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def observe(model: Any, tokens: list[int]) -> Arrays:
    """Run `tokens` (T,) in one pass; logits (T, vocab_size), and what each ternary layer took and gave.

    `NAME/input` and `NAME/output` of every layer; of a BitLinear also `/codes`, `/scale` and `/sums`, and of an
    AutoBitLinear, which has no integers, `/rounded`: its input after quantisation, still in float32.
    """
    seen: Arrays = {}

    def watch(name: str, layer: Any) -> None:
        def before_after(_: Any, inputs: Any, output: Any) -> None:
            seen[f"{name}/input"], seen[f"{name}/output"] = inputs[0][0].numpy(), output[0].numpy()
            if isinstance(layer, AutoBitLinear):
                quantise = transformers.integrations.bitnet.ActQuant
                seen[f"{name}/rounded"] = quantise.apply(inputs[0].clone())[0].numpy()

        layer.register_forward_hook(before_after)
        if not isinstance(layer, BitLinear):
            return
        quantise, rescale = layer.activation_quant, layer.post_quant_process

        def quantise_and_keep(x: Any) -> Any:
            codes, scale = quantise(x)
            seen[f"{name}/codes"], seen[f"{name}/scale"] = codes[0].numpy(), scale[0].numpy()
            return codes, scale

        def rescale_and_keep(sums: Any, *scales: Any) -> Any:
            seen[f"{name}/sums"] = sums[0].numpy().astype(np.int32)
            return rescale(sums, *scales)

        layer.activation_quant, layer.post_quant_process = quantise_and_keep, rescale_and_keep

    for name, layer in model.named_modules():
        if isinstance(layer, BitLinear | AutoBitLinear):
            watch(name, layer)
    with torch.no_grad():
        seen["logits"] = model(torch.tensor([tokens])).logits[0].numpy()
    return seen


def record() -> tuple[Arrays, dict[str, str]]:
    """The vectors and their metadata, computed anew."""
    tokens = np.random.default_rng(SEED).integers(0, SHAPE["vocab_size"], 7)
    vectors: Arrays = {"tokens": tokens.astype(np.uint8)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_model(folder, SEED, SHAPE)
        config = (folder / "config.json").read_text()
        model = safetensors.numpy.load_file(folder / "model.safetensors")
        vectors |= {f"model/{name}": tensor for name, tensor in model.items()}
        for key, value in observe(load_model(folder), tokens.tolist()).items():
            layer, _, kind = key.partition("/")
            if kind in ("input", "codes", "scale") and layer.rpartition(".")[2] in SHARED:
                continue
            vectors[key] = value.astype(np.int16) if kind == "sums" else value
        write_model(folder, SEED, SHAPE, "autobitlinear")
        vectors["autobitlinear/logits"] = observe(load_model(folder), tokens.tolist())["logits"]
    versions = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
    return vectors, {"recipe": recipe(), "config": config, **versions}


def main() -> int:
    """Write the vectors."""
    vectors, metadata = record()
    vectors = {name: np.ascontiguousarray(vector) for name, vector in vectors.items()}
    safetensors.numpy.save_file(vectors, VECTORS, metadata=metadata)
    print(f"{VECTORS}: {len(vectors)} tensors, {VECTORS.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
