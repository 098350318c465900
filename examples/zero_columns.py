"""What skipping zero columns could save: how often activation codes are zero, alone and in whole chunks.

An array that takes a chunk of columns a cycle saves a cycle only where all codes of a chunk are zero. The shipped
language models read held-out text in the golden model; each layer's codes are counted, as they lie and with the columns
sorted by how often they were zero in the first half of the text, counted on the second half.

    python examples/zero_columns.py [--characters N]
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from trine.golden.checkpoint import Checkpoint
from trine.golden.generate import Vocabulary
from trine.golden.transformer import Transformer
from trine.host.shipped import find_model, held_out_text, load_model

MODELS = ("austen-tiny", "austen-small")
DEPTHS = (8, 16, 32, 40)
"""Columns a step of the presets."""


def record_codes(model: Checkpoint, text: str) -> dict[str, np.ndarray]:
    """Layer -> the int8 codes (positions, columns) that it is given while the model reads `text`, window by window."""
    codes: dict[str, list[np.ndarray]] = defaultdict(list)

    def multiply(names: tuple[str, ...], vector: np.ndarray) -> list[np.ndarray]:
        for name in names:
            codes[name].append(vector.copy())
        return [model.linears[name].accumulate(vector) for name in names]

    transformer = Transformer(model, multiply)
    tokens = Vocabulary().encode(text)
    width = model.config.max_position_embeddings
    for start in range(0, len(tokens), width):
        transformer.forward(tokens[start : start + width])
    return {name: np.stack(vectors) for name, vectors in codes.items()}


def zero_chunks(codes: np.ndarray, depth: int) -> float:
    """Share of the chunks of `depth` columns whose codes are all zero; the last chunk is filled with zeros."""
    positions, columns = codes.shape
    padded = np.zeros((positions, -(-columns // depth) * depth), np.int8)
    padded[:, :columns] = codes
    return float((padded.reshape(positions, -1, depth) == 0).all(-1).mean())


def sorted_columns(codes: np.ndarray) -> np.ndarray:
    """The second half of the positions, columns that were zero most often in the first half first."""
    half = len(codes) // 2
    return codes[half:, np.argsort(-(codes[:half] == 0).mean(0), kind="stable")]


def table(model: Checkpoint, codes: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Lines: each kind of layer; and all, weighed by the layers' weights, which is the share of busy cycles saved."""
    yield f"{'layers':<12} {'zero':>6}  " + "  ".join(f"{f'chunks of {depth}, sorted':>23}" for depth in DEPTHS)
    kinds = sorted({name.rsplit(".", 1)[1] for name in codes})
    for kind in [*kinds, ""]:
        names = [name for name in codes if name.endswith(kind)]
        weights = np.array([model.linears[name].weights.size for name in names]) + 0.0
        weights /= weights.sum()

        def mean(values: list[float], weights: np.ndarray = weights) -> float:
            return float(np.dot(values, weights))

        shares = [mean([float((codes[name] == 0).mean()) for name in names])]
        for depth in DEPTHS:
            shares.append(mean([zero_chunks(codes[name], depth) for name in names]))
            shares.append(mean([zero_chunks(sorted_columns(codes[name]), depth) for name in names]))
        pairs = zip(shares[1::2], shares[2::2], strict=True)
        yield f"{kind or 'all':<12} {shares[0]:>6.1%}  " + "  ".join(f"{a:>14.1%}  {b:>7.1%}" for a, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--characters", type=int, default=2560, help="of the held-out text (default: 2560)")
    arguments = parser.parse_args()
    for name in MODELS:
        model = load_model(find_model(name))
        assert isinstance(model, Checkpoint)
        model = model.in_memory()
        print(f"{name}, {arguments.characters} characters of held-out text (golden model, in NumPy)")
        for line in table(model, record_codes(model, held_out_text()[: arguments.characters])):
            print(line)


if __name__ == "__main__":
    main()
