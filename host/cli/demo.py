"""`trine demo`: the whole of it at once, a trained language model speaking through the simulated array."""

from pathlib import Path

import click

from trine.host.cli.common import (
    config_option,
    device_option,
    i2s_option,
    json_option,
    print_json,
    progress,
    trace_option,
)
from trine.host.cli.speech import print_figures, speak, speech_figures
from trine.host.language_model import LanguageModel
from trine.host.open import open_device

PROMPT = "It is a truth universally acknowledged, that "


@click.command("demo")
@device_option("sim:ulx3s_85f")
@config_option
@click.option("--model", default="austen-small", show_default=True,
              help="A shipped model, a folder, a .gguf file, or an image.")
@click.option("--prompt", default=PROMPT, show_default=True, help="What the text begins with.")
@click.option("--characters", type=click.IntRange(min=1), default=300, show_default=True, help="How many to generate.")
@click.option("--temperature", type=click.FloatRange(min=0), default=0.6, show_default=True,
              help="0 always takes the likeliest character.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the random choices.")
@i2s_option
@trace_option
@json_option
def demo_command(device: str, config: Path | None, model: str, prompt: str, characters: int, temperature: float,
                 seed: int, i2s_layout: str | None, trace: Path | None, as_json: bool) -> None:
    """A trained language model speaks, every ternary layer executed by the simulated array.

    Every integer is compared with the golden model's right after it was computed, and every cycle with the cycle
    model's. The first run compiles the simulator, which takes a minute or so; later ones find it in the cache.
    """
    with progress("simulator") as report:
        opened = open_device(device, report, trace, config)
    with opened:
        with progress("compile", lines=False) as report:
            speaker = LanguageModel(model, opened, i2s_layout, report)
        speech = speak(speaker, prompt, characters, temperature, seed, silent=as_json)
        figures = {"device": device, "seed": seed, "temperature": temperature, **speech_figures(speaker, speech)}
    if as_json:
        print_json(figures)
    else:
        print_figures(figures, device)
