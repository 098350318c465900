"""Shapes of published ternary decoders: what is known of them without their weights.

The sizes are those of config.json in the repository that `source` names (microsoft/bitnet-b1.58-2B-4T and
1bitLLM/bitnet_b1_58-xl as copies of theirs have them); other releases of a model, such as Falcon3's Instruct beside its
Base and Llama3-8B-1.58's three runs, have the same. BitNet 2B-4T is the decoder that golden is; bitnet-0.7b to
bitnet-3b have SiLU instead of its squared ReLU, Falcon3 and Llama3 neither that nor sub-norms. Their ternary layers,
which are all that is looked at here, have the names, shapes and shared inputs of BitNet b1.58's. The head is no ternary
layer in any of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from trine.firmware.compiler import SHARED_INPUTS
from trine.golden.checkpoint import linear_shapes
from trine.golden.config import ModelConfig
from trine.host.errors import UsageError


@dataclass(frozen=True)
class Published:
    """A decoder of which only the sizes are known.

    name: what `trine bench --shapes` calls it. source: the repository on Hugging Face whose configuration it is.
    """

    name: str
    source: str
    config: ModelConfig

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, int]]:
        """(N, K) of every ternary layer by name, in the order in which a token passes them."""
        return linear_shapes(self.config)

    @cached_property
    def requests(self) -> tuple[tuple[str, ...], ...]:
        """The layers that share an input, in the order in which a token passes them."""
        return tuple(tuple(f"model.layers.{layer}.{part}" for part in parts)
                     for layer in range(self.config.num_hidden_layers) for parts in SHARED_INPUTS)

    @property
    def ternary_weights(self) -> int:
        """Weights of the ternary layers."""
        return sum(n * k for n, k in self.shapes.values())

    @property
    def embedding_weights(self) -> int:
        """Weights of the embedding, and of the head where it has its own."""
        tables = 1 if self.config.tie_word_embeddings else 2
        return tables * self.config.vocab_size * self.config.hidden_size


def find_published(name: str) -> Published:
    """The model of that name, in whatever case; UsageError with all names for another."""
    for model in PUBLISHED:
        if model.name == name.strip().lower():
            return model
    raise UsageError(f"no published model is called {name.strip()!r}; there are "
                     f"{', '.join(model.name for model in PUBLISHED)}, and a layer is ROWSxCOLUMNS, such as 160x280")


PUBLISHED: tuple[Published, ...] = (
    Published("bitnet-2b4t", "microsoft/bitnet-b1.58-2B-4T",
              ModelConfig(128256, 2560, 6912, 30, 20, 5, 4096, 1e-5, 500000, True, "autobitlinear")),
    Published("bitnet-0.7b", "1bitLLM/bitnet_b1_58-large",
              ModelConfig(32002, 1536, 4096, 24, 16, 16, 2048, 1e-5, 10000, True)),
    Published("bitnet-1.3b", "1bitLLM/bitnet_b1_58-xl",
              ModelConfig(32002, 2048, 5460, 24, 32, 32, 2048, 1e-5, 10000, True)),
    Published("bitnet-3b", "1bitLLM/bitnet_b1_58-3B",
              ModelConfig(32002, 3200, 8640, 26, 32, 32, 2048, 1e-5, 10000, True)),
    Published("falcon3-1b-1.58bit", "tiiuae/Falcon3-1B-Instruct-1.58bit",
              ModelConfig(131072, 2048, 8192, 18, 8, 4, 8192, 1e-6, 1000042, False)),
    Published("falcon3-3b-1.58bit", "tiiuae/Falcon3-3B-Base-1.58bit",
              ModelConfig(131072, 3072, 9216, 22, 12, 4, 4096, 1e-6, 1000042, False)),
    Published("falcon3-7b-1.58bit", "tiiuae/Falcon3-7B-Base-1.58bit",
              ModelConfig(131072, 3072, 23040, 28, 12, 4, 8192, 1e-6, 1000042, False)),
    Published("falcon3-10b-1.58bit", "tiiuae/Falcon3-10B-Base-1.58bit",
              ModelConfig(131072, 3072, 23040, 40, 12, 4, 32768, 1e-6, 1000042, False)),
    Published("llama3-8b-1.58", "HF1BitLLM/Llama3-8B-1.58-Sigmoid-k100-10B-tokens",
              ModelConfig(128256, 4096, 14336, 32, 32, 8, 8192, 1e-5, 500000, False)),
)
