"""`trine run`: a model of one's choice on a device: text, digits, or a single layer."""

import io
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from trine.golden.checkpoint import Checkpoint
from trine.host.cli.common import (
    config_option,
    device_option,
    i2s_option,
    json_option,
    print_json,
    progress,
    say,
    trace_option,
)
from trine.host.cli.speech import print_figures, run_figures, speak, speech_figures
from trine.host.compiled import load_any
from trine.host.digits import classify
from trine.host.errors import UsageError, bad_input
from trine.host.language_model import LanguageModel
from trine.host.open import open_device
from trine.host.output import output_file
from trine.host.runner import Runner
from trine.host.shipped import digits


@click.command("run")
@click.argument("model")
@device_option("golden:ulx3s_85f")
@config_option
@click.option("--prompt", help="Text: what it begins with.")
@click.option("--characters", type=click.IntRange(min=1), default=200, show_default=True, help="Text: how many.")
@click.option("--temperature", type=click.FloatRange(min=0), default=0.6, show_default=True, help="Text: 0 is greedy.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Text: of the random choices.")
@click.option("--images", type=click.IntRange(min=1), help="Digits: how many of the test images.  [default: all]")
@click.option("--layer", metavar="NAME", help="Run only this layer, on --input.")
@click.option("--input", "input_", type=click.Path(path_type=Path), metavar="FILE.npy",
              help="Layer: vectors (..., K), int8 codes or float32.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE.npy", help="Layer: where the results go.")
@i2s_option
@trace_option
@json_option
def run_command(model: str, device: str, config: Path | None, prompt: str | None, characters: int, temperature: float,
                seed: int, images: int | None, layer: str | None, input_: Path | None, output: Path | None,
                i2s_layout: str | None, trace: Path | None, as_json: bool) -> None:
    """Run MODEL (a shipped model's name, a folder, a .gguf file, or an image) on a device, compared with golden.

    A language model continues --prompt; a digit classifier classifies the test images; --layer runs one layer on
    vectors of your own.
    """
    if (layer is None) != (input_ is None):
        raise UsageError("--layer and --input go together: the layer's name, and the file with its input")
    if output is not None and layer is None:
        raise UsageError("--output is where a layer's results go; name the layer with --layer")
    vectors = None if input_ is None else read_vectors(input_)
    with progress("simulator") as report:
        opened = open_device(device, report, trace, config)
    with opened:
        with progress("compile", lines=False) as report:
            image, loaded = load_any(model, opened.configuration, i2s_layout, report)
        if layer is not None and vectors is not None:
            _run_layer(Runner(opened, image, loaded), device, layer, vectors, output, as_json)
            return
        if loaded is None:
            raise UsageError(f"{model} is an image of one layer; run it with --layer {image.name} --input FILE.npy")
        if isinstance(loaded, Checkpoint):
            speaker = LanguageModel(image, opened)
            if prompt is None:
                raise UsageError(f"{image.name} is a language model; say with --prompt what its text begins with")
            speech = speak(speaker, prompt, characters, temperature, seed, silent=as_json)
            figures = speech_figures(speaker, speech)
        else:
            figures = _run_digits(Runner(opened, image, loaded), images)
    if as_json:
        print_json({"device": device, **figures})
        return
    if "accuracy" in figures:
        say(f"{figures['right']} of {figures['images']} digits right: {figures['accuracy']:.1%}")
    print_figures(figures, device)


def read_vectors(path: Path) -> npt.NDArray[Any]:
    """The array in a .npy file; UsageError if there is none."""
    with bad_input():
        try:
            found = np.load(path, allow_pickle=False)
        except EOFError:
            raise UsageError(f"{path}: empty, not a NumPy array") from None
        except ValueError as error:
            raise UsageError(f"{path}: not a NumPy array (.npy): {error}") from error
    if not isinstance(found, np.ndarray):
        raise UsageError(f"{path}: several arrays (.npz); give one, as a .npy file")
    return found


def _run_digits(runner: Runner, count: int | None) -> dict[str, Any]:
    images, labels = digits()
    with progress("digits") as report:
        accuracy = classify(runner, images[:count], labels[:count], lambda done: report("classifying", done))
    return {"accuracy": accuracy.share, "right": accuracy.right, "images": accuracy.images, **run_figures(runner)}


def _run_layer(runner: Runner, name: str, layer: str, vectors: npt.NDArray[Any], output: Path | None,
               as_json: bool) -> None:
    with progress("layer", lines=not as_json) as report:
        results = runner.device.linear(layer, vectors, lambda done: report(layer, done))
    if output is not None:
        whole = io.BytesIO()  # NumPy, writing a file itself, says of a full disk only how much it had left to write
        np.save(whole, results)
        with output_file(output) as file:
            file.write(whole.getbuffer())
    figures = {"device": name, "model": runner.image.name, "layer": layer, "preset": runner.configuration.name,
               "input": f"{vectors.dtype} {vectors.shape}", "output": f"{results.dtype} {results.shape}",
               "array_cycles": runner.counters.engine.cycles, "busy_cycles": runner.counters.busy,
               "integers_compared": runner.tally.integers, "integers_equal": True}
    if as_json:
        print_json(figures)
        return
    if output is None:
        say(np.array2string(results, threshold=64))
    say(f"{layer}: {figures['input']} -> {figures['output']} in {figures['array_cycles']:,} array cycles; all "
        f"{figures['integers_compared']:,} integers equal the golden model's.")
