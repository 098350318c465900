"""A model of Hugging Face transformers generates text, its BitNet layers executed by a device.

    python examples/transformers_generate.py [--model MODEL] [--prompt TEXT] [--tokens N] [--compare] [--device DEVICE]

MODEL is a model that trine ships, a folder in Hugging Face's layout, or "random": a small BitNetForCausalLM made on the
spot, its master weights quantised by transformers as it runs. Nothing is downloaded. Every integer that the device
computes is compared with golden's.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported: files of this machine only
os.environ["TORCHDYNAMO_DISABLE"] = "1"  # and its own layers run as they are written, without a compiler

try:
    import torch
    import transformers
except ImportError as missing:
    print(f"transformers_generate.py: it needs transformers ({missing}): pip install '.[torch]'", file=sys.stderr)
    sys.exit(4)

from trine.golden.generate import Vocabulary
from trine.host.errors import MismatchError, UsageError, bad_input, one_line_failures
from trine.host.open import counted, open_device
from trine.host.shipped import find_model
from trine.host.torch import offload


def random_model() -> Any:
    """A BitNetForCausalLM of the shipped models' vocabulary, with random master weights ("online")."""
    torch.manual_seed(1)
    config = transformers.BitNetConfig(
        vocab_size=len(Vocabulary()), hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, bos_token_id=None, eos_token_id=None,
        quantization_config={"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"})
    with tempfile.TemporaryDirectory() as folder:
        transformers.BitNetForCausalLM(config).save_pretrained(folder)
        return load(Path(folder))


def load(folder: Path) -> Any:
    """The model in a folder; UsageError if transformers cannot load it."""
    try:
        return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{folder}: transformers cannot load it: {error}") from error


class Characters:
    """The 96 characters of the shipped models, as much of a tokenizer as is needed here."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text; UsageError for a character that is none of them."""
        with bad_input():
            return Vocabulary().encode(text)

    def decode(self, tokens: list[int]) -> str:
        """The text of ids."""
        return Vocabulary().decode(tokens)


def tokenizer_of(folder: Path | None, model: Any) -> Any:
    """The tokenizer in the model's folder, or the 96 characters if it has as many tokens and brings none."""
    if folder is not None and any(folder.glob("*tokenizer*")):
        return transformers.AutoTokenizer.from_pretrained(folder)
    if model.config.vocab_size != len(Vocabulary()):
        raise UsageError(f"{folder}: it has no tokenizer, and {model.config.vocab_size} tokens are not the shipped 96")
    return Characters()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="austen-small", help="(default: austen-small)")
    parser.add_argument("--prompt", default="It is a truth", help="(default: It is a truth)")
    parser.add_argument("--tokens", type=int, default=40, help="(default: 40)")
    parser.add_argument("--compare", action="store_true", help="generate with the model's own layers, too")
    parser.add_argument("--device", default="golden:ulx3s_85f", help="as of trine run (default: golden:ulx3s_85f)")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with one_line_failures(parser.prog), open_device(arguments.device) as device:
        folder = None if arguments.model == "random" else find_model(arguments.model)
        model = random_model() if folder is None else load(folder)
        tokenizer = tokenizer_of(folder, model)
        prompt = torch.tensor([tokenizer.encode(arguments.prompt)])
        positions = model.config.max_position_embeddings
        if prompt.shape[1] + arguments.tokens > positions:
            raise UsageError(f"{prompt.shape[1]} tokens of the prompt and {arguments.tokens} more are beyond the "
                             f"context of {positions}")
        with bad_input():
            greedy = transformers.GenerationConfig(max_new_tokens=arguments.tokens, do_sample=False, pad_token_id=0)
            expected = model.generate(prompt, greedy) if arguments.compare else None
            with offload(model, device, verify=True) as offloaded:
                tokens = model.generate(prompt, greedy)
        if expected is not None and not torch.equal(tokens, expected):
            raise MismatchError("the device's tokens are not those of the model's own layers")
        figures = offloaded.figures()
    print(f"{arguments.prompt}|{tokenizer.decode(tokens[0, prompt.shape[1]:].tolist())}")
    if expected is not None:
        print("the model's own layers say the same")
    print(f"{figures['layers']} layers on {arguments.device}: {figures['requests_a_pass']} requests a token, "
          f"{figures['requests']} in all; {figures['integers_compared']:,} integers, all equal to golden's")
    print(f"array cycles: {figures['array_cycles']:,} ({counted(arguments.device)})")
    if figures["link"]:
        print(f"round trips on the bus: {figures['link']['round_trips']} ({counted(arguments.device)})")


if __name__ == "__main__":
    main()
