"""The digit classifiers on a device: the smallest whole model that is offloaded."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trine.golden.arrays import Float32, UInt8
from trine.golden.classifier import Classifier
from trine.host.errors import UsageError
from trine.host.runner import Runner


@dataclass(frozen=True)
class Accuracy:
    """How many of the images were classified as labelled."""

    right: int
    images: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.right / self.images


def classify(
    runner: Runner, images: Float32, labels: UInt8, progress: Callable[[float], None] | None = None
) -> Accuracy:
    """Classifies images (n, inputs) on the runner's device, each integer compared with golden's.

    progress: told how much is done, 0 to 1. Raises UsageError if the model is no classifier of such inputs or
    the device has not its activation bits, MismatchError and DeviceError as the runner.
    """
    model = runner.model
    if not isinstance(model, Classifier) or images.shape[-1] != model.config.inputs:
        raise UsageError(f"{runner.image.name} is no classifier of {images.shape[-1]} values")
    if runner.configuration.activation_bits != 8:
        raise UsageError(f"{runner.image.name} takes activations of 8 bits, {runner.configuration.name} has "
                         f"{runner.configuration.activation_bits} (activation_bits)")
    right = 0
    for number, (image, label) in enumerate(zip(images, labels, strict=True), 1):
        right += int(np.argmax(model.logits(image, runner.multiply)) == label)
        if progress is not None:
            progress(number / len(images))
    return Accuracy(right, len(images))
