"""A language model whose ternary layers a device executes."""

from collections.abc import Iterator
from pathlib import Path

from trine.firmware.compiler import Progress
from trine.firmware.image import Image
from trine.golden.checkpoint import Checkpoint
from trine.golden.generate import Vocabulary, generate
from trine.golden.transformer import Transformer
from trine.host.compiled import load_any, restore_model
from trine.host.device import Device
from trine.host.errors import UsageError, bad_input
from trine.host.runner import Runner


class LanguageModel:
    """A decoder on a device: golden's transformer in float32, around integer layers that the device executes.

    Every integer is compared with golden's right after it was computed, and every request's cycles with the cycle
    model's; a difference is a MismatchError. `runner` keeps the counts.

    Parameters: an image; or the name of a shipped model or the path of a model's folder, of a GGUF file (with its
    i2s_layout, if it has one) or of an image, which is then compiled for the device, telling `progress` how far it is.
    The image is loaded.

    Raises UsageError for a model that is damaged, does not fit the device, is no decoder, or has not the 96 characters.
    """

    def __init__(self, source: Image | str | Path, device: Device, i2s_layout: str | None = None,
                 progress: Progress | None = None) -> None:
        if isinstance(source, Image):
            image, model = source, restore_model(source, device.configuration)
        else:
            image, model = load_any(str(source), device.configuration, i2s_layout, progress)
        if not isinstance(model, Checkpoint):
            raise UsageError(f"{image.name} is no language model")
        if model.config.vocab_size != len(Vocabulary()):
            raise UsageError(f"{image.name} has a vocabulary of {model.config.vocab_size} tokens; text takes the "
                             f"{len(Vocabulary())} characters of the shipped models")
        with bad_input():
            model = model.in_memory()
        self.runner = Runner(device, image, model)
        self.transformer = Transformer(model, self.runner.multiply, device.configuration.accumulator_mode)

    def generate(self, prompt: str, characters: int, temperature: float = 0.6, seed: int = 0) -> Iterator[str]:
        """The characters that follow `prompt`, each as soon as it is known; the same seed gives the same.

        Raises UsageError, before anything runs, for an empty prompt, a character that the vocabulary does not have, a
        negative count and a temperature that is negative or not finite.
        """
        vocabulary = Vocabulary()
        with bad_input():
            tokens = generate(self.transformer, vocabulary.encode(prompt), characters, temperature, seed)
        return (vocabulary.decode([token]) for token in tokens)
