"""Train and export the digit classifiers: 8x8 images through two BitLinear layers, ternary or binary.

    python digits.py ../../host/models

The images are scikit-learn's copy of the test set of "Optical Recognition of Handwritten Digits" (E. Alpaydin and
C. Kaynak, 1998; UCI repository, CC BY 4.0): 1,797 images of 64 pixels, each 0..16. A fifth, stratified by label from
a fixed seed, is the test split; it is read once, by the golden model's evaluation of the exported integers.

The inference, for an image x (64 pixels as float32), is `output(relu(hidden(x)))`, the digit its largest output, and
a layer is, in float32 in the order written, with a = W @ q exact in integers:

    b1.58    s = 127 * (1 / max(max|x|, 1e-5))    q = clip(round(x * s), -128, 127)          y = a / (s * weight_scale)
    bitnet   g = max(max|x|, 1e-5)                q = clip(round(x / g * 128), -127, 127)    y = a * (beta * g / 128)

Rounding is half to even. The original BitNet shifts what goes into a nonlinearity to be unsigned; pixels and the
outputs of a ReLU are unsigned already, so the signed quantiser stands in both layers.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, cast

try:
    import sklearn  # type: ignore[import-untyped]
    import torch
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]
    from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as missing:
    print(f"digits.py: it needs PyTorch and scikit-learn ({missing}): pip install '.[torch]' scikit-learn",
          file=sys.stderr)
    sys.exit(4)

import numpy as np
import numpy.typing as npt
from model import SMALLEST, ternary, weight_scale
from safetensors.numpy import save

from trine.golden.checkpoint import load_classifier

SEED = 0
TEST_FRACTION = 0.2
LAYERS = {"hidden": (64, 64), "output": (10, 64)}  # (N, K)
QUANTISERS = {"digits-ternary": "b1.58", "digits-binary": "bitnet"}

Images = npt.NDArray[np.uint8]


def binary(weight: Tensor) -> Tensor:
    """The weights in {-1, 1} that a master weight (N, K) stands for: Sign(W - mean W), and Sign(0) is -1."""
    return torch.where(weight > weight.mean(), 1.0, -1.0)


class TernaryLinear(nn.Linear):
    """(..., K) to (..., N) with ternary weights and int8 codes, straight through for the gradient."""

    def forward(self, x: Tensor) -> Tensor:
        """The layer as the integers compute it."""
        weight = ternary(self.weight) / weight_scale(self.weight)
        scale = 127 / x.abs().amax(-1, keepdim=True).clamp(min=SMALLEST)
        codes = (x * scale).round().clamp(-128, 127) / scale
        return functional.linear(x + (codes - x).detach(), self.weight + (weight - self.weight).detach())


class BinaryLinear(nn.Linear):
    """(..., K) to (..., N) with weights +-beta and int8 codes, straight through for the gradient."""

    def forward(self, x: Tensor) -> Tensor:
        """The layer as the integers compute it."""
        weight = binary(self.weight) * self.weight.abs().mean()
        largest = x.abs().amax(-1, keepdim=True).clamp(min=SMALLEST)
        codes = (x / largest * 128).round().clamp(-127, 127) * largest / 128
        return functional.linear(x + (codes - x).detach(), self.weight + (weight - self.weight).detach())


class Classifier(nn.Module):
    """Two layers without biases and a ReLU between them."""

    def __init__(self, quantiser: str) -> None:
        super().__init__()
        linear = {"b1.58": TernaryLinear, "bitnet": BinaryLinear}[quantiser]
        self.layers = nn.ModuleDict(
            {name: linear(inputs, outputs, bias=False) for name, (outputs, inputs) in LAYERS.items()}
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B, 64) pixels to (B, 10) logits."""
        return cast(Tensor, self.layers["output"](functional.relu(self.layers["hidden"](images))))


def split() -> tuple[Images, Images, Images, Images]:
    """(training images, test images, training labels, test labels), uint8: images (n, 64) of 0..16, labels (n,)."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images, labels, test_size=TEST_FRACTION, random_state=SEED, stratify=labels)
    return cast(tuple[Images, Images, Images, Images], tuple(part.astype(np.uint8) for part in parts))


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each of (B, 64) images moved by -1, 0 or 1 pixel along either axis, zeros coming in."""
    padded = functional.pad(images.view(-1, 8, 8), (1, 1, 1, 1))
    down, right = torch.randint(0, 3, (2, len(images), 1, 1), generator=generator)
    rows, columns = torch.arange(8)[:, None] + down, torch.arange(8) + right
    return padded[torch.arange(len(images))[:, None, None], rows, columns].flatten(1)


def train(quantiser: str, images: Images, labels: Images, epochs: int) -> Classifier:
    """A classifier after `epochs` of Adam with a cosine rate; half of the images of a batch are shifted by a pixel."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    classifier = Classifier(quantiser)
    pixels, digits = torch.from_numpy(images).float(), torch.from_numpy(labels).long()
    batches = len(pixels) // 64
    optimiser = torch.optim.AdamW(classifier.parameters(), lr=3e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * batches)
    for _ in range(epochs):
        for chosen in torch.randperm(len(pixels), generator=generator)[: batches * 64].view(batches, 64):
            batch = torch.cat((shifted(pixels[chosen[:32]], generator), pixels[chosen[32:]]))
            loss = functional.cross_entropy(classifier(batch / 16), digits[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return classifier


def tensors(classifier: Classifier, quantiser: str) -> dict[str, npt.NDArray[Any]]:
    """What model.safetensors holds: int8 weights (N, K) and one float32 scale a layer."""
    found: dict[str, npt.NDArray[Any]] = {}
    for name in LAYERS:
        weight = classifier.layers[name].get_parameter("weight").detach()
        if quantiser == "b1.58":
            integers, scale, key = ternary(weight), weight_scale(weight), f"{name}.weight_scale"
        else:
            integers, scale, key = binary(weight), weight.abs().mean(), f"{name}.beta"
        found[f"{name}.weight"] = integers.numpy().astype(np.int8)
        found[key] = scale.reshape(1).numpy()
    return found


def accuracy(folder: Path, images: Images, labels: Images) -> float:
    """The fraction of images that the exported model in `folder` names rightly."""
    logits = load_classifier(folder).logits(images.astype(np.float32))
    return float((logits.argmax(-1) == labels).mean())


def export(folder: Path, quantiser: str, classifier: Classifier) -> None:
    """Write config.json and model.safetensors into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["BitLinearMLP"],
        "model_type": "bitlinear_mlp",
        "quantiser": quantiser,
        "layers": [{"name": name, "inputs": shape[1], "outputs": shape[0]} for name, shape in LAYERS.items()],
        "activation": "relu",
        "activation_bits": 8,
        "classes": 10,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "model.safetensors").write_bytes(save(tensors(classifier, quantiser)))


def main() -> int:
    """Train both classifiers, export them and the test split, and evaluate what was written."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("models", type=Path, help="the folder to write digits-ternary, digits-binary and digits into")
    parser.add_argument("--epochs", type=int, default=400)
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error(f"--epochs must be at least 1, not {options.epochs}")
    torch.set_num_threads(1)
    images, test_images, labels, test_labels = split()
    try:
        for name, quantiser in QUANTISERS.items():
            folder = options.models / name
            export(folder, quantiser, train(quantiser, images, labels, options.epochs))
            facts = {
                "model": name,
                "accuracy": round(accuracy(folder, test_images, test_labels), 4),
                "test_images": len(test_images),
                "training_images": len(images),
                "training_accuracy": round(accuracy(folder, images, labels), 4),
                "evaluation": "trine.golden on the exported files",
                "seed": SEED,
                "epochs": options.epochs,
                "data": "scikit-learn load_digits: UCI Optical Recognition of Handwritten Digits, CC BY 4.0",
                "versions": {"torch": str(torch.__version__), "scikit-learn": sklearn.__version__},
            }
            (folder / "training.json").write_text(json.dumps(facts, indent=2) + "\n")
            print(f"{name}: {facts['accuracy']:.4f} of {len(test_images)} test images", flush=True)
        (options.models / "digits").mkdir(exist_ok=True)
        test = {"images": test_images, "labels": test_labels}
        (options.models / "digits" / "test.safetensors").write_bytes(save(test))
    except OSError as error:
        print(f"digits: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
