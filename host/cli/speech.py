"""Text from a model on a device: streamed as it comes, and the figures at its end. What `demo` and `run` share."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from trine.firmware.counters import CAUSES
from trine.host.cli.common import console, say
from trine.host.figures import busy_share, efficiency
from trine.host.language_model import LanguageModel
from trine.host.open import counted
from trine.host.runner import Runner
from trine.host.shipped import count_words

WAITING = ("link_stall", "idle")
"""Causes of cycles in which the device waits for its host."""


@dataclass(frozen=True)
class Speech:
    """What was said, and how long it took: seconds to the first character and to the last, wall time."""

    prompt: str
    text: str
    first: float
    total: float

    @property
    def rate(self) -> float | None:
        """Characters a second from the first to the last; None if there are not two."""
        return (len(self.text) - 1) / (self.total - self.first) if len(self.text) > 1 else None


def speak(model: LanguageModel, prompt: str, characters: int, temperature: float, seed: int, *, silent: bool) -> Speech:
    """Generate text, printing it as it comes unless `silent`; errors as `LanguageModel.generate`."""
    stream: Iterator[str] = model.generate(prompt, characters, temperature, seed)
    started = time.monotonic()
    said: list[str] = []
    first = 0.0
    if not silent:
        _stream(prompt)
    for character in stream:
        first = first or time.monotonic() - started
        said.append(character)
        if not silent:
            _stream(character)
    if not silent:
        _stream("\n\n")
    return Speech(prompt, "".join(said), first, time.monotonic() - started)


def run_figures(runner: Runner) -> dict[str, Any]:
    """The figures of everything that a runner has executed; the keys are the JSON's."""
    counters, passes, configuration = runner.counters, max(1, runner.passes), runner.configuration
    link = runner.device.link_figures()
    causes = [cause for cause in CAUSES if not link or cause not in WAITING]  # a bus has its own measure of waiting
    rates = runner.rates()
    return {
        "model": runner.image.name,
        "preset": configuration.name,
        "tokens": runner.passes,
        "cycles_per_token": {cause: getattr(counters, cause) / passes for cause in causes},
        "array_cycles_per_token": counters.engine.cycles / passes,
        "busy": busy_share(counters, runner.tally.runs, configuration),
        "efficiency": efficiency(runner.weights * runner.passes, counters, configuration),
        "array_tokens_per_s": rates.array_tokens_per_s,
        "offload_tokens_per_s": rates.offload_tokens_per_s,
        "offload_s_per_token": rates.offload_s_per_token,
        "loads": len(runner.image.loads),
        "clock_mhz": rates.clock.mhz,
        "evidence": rates.clock.evidence,
        "clock_source": rates.clock.source,
        "integers_compared": runner.tally.integers,
        "integers_equal": True,  # a single one that is not ends the run
        "link_faults": runner.device.link_faults,
        "link": link,
    }


def speech_figures(model: LanguageModel, speech: Speech) -> dict[str, Any]:
    """The same, and those of the text."""
    words, known = count_words(speech.text, speech.prompt)
    return {
        **run_figures(model.runner),
        "prompt": speech.prompt,
        "text": speech.text,
        "characters": len(speech.text),
        "words": words,
        "words_known": known,
        "characters_per_s": speech.rate,
        "first_character_s": speech.first,
    }


def print_figures(figures: dict[str, Any], device: str) -> None:
    """The figures as a table, each with its evidence, and the line that says that every integer was equal."""
    evidence = counted(device)
    table = Table(title=f"{figures['model']} on {device}", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("evidence")
    unit = "tokens" if "text" in figures else "inputs"
    table.add_row(f"{unit} executed", f"{figures['tokens']:,}", "")
    table.add_row(f"array cycles per {unit[:-1]}", f"{figures['array_cycles_per_token']:,.1f}", evidence)
    for cause, cycles in figures["cycles_per_token"].items():
        if cycles and cause not in WAITING:
            table.add_row(f"  {cause}", f"{cycles:,.1f}", evidence)
    link = "the simulated link" if evidence == "simulated" else "the link"  # which moves a byte a cycle if it is sim's
    for cause in WAITING:
        if figures["cycles_per_token"].get(cause):
            table.add_row(f"{cause} of {link}", f"{figures['cycles_per_token'][cause]:,.1f}", evidence)
    if bus := figures["link"]:
        passes, how = max(1, figures["tokens"]), f"{evidence}, {bus['speed']} speed"
        table.add_row(f"USB round trips per {unit[:-1]}", f"{bus['round_trips'] / passes:,.1f}", how)
        table.add_row(f"bus time per {unit[:-1]}", f"{1000 * bus['seconds'] / passes:,.2f} ms",
                      f"{how}; a host that takes no time")
        table.add_row(f"bulk packets per {unit[:-1]}", f"{bus['data_packets'] / passes:,.1f}", how)
        table.add_row(f"NAKs per {unit[:-1]}", f"{bus['naks'] / passes:,.1f}", how)
    table.add_row("busy", f"{figures['busy']:.1%}", evidence)
    table.add_row("efficiency", f"{figures['efficiency']:.1%}", evidence)
    at = f"{figures['evidence']}: {figures['clock_mhz']:g} MHz, {figures['clock_source']}"
    table.add_row(f"array_{unit}_per_s", f"{figures['array_tokens_per_s']:,.0f}", at)
    if figures["offload_tokens_per_s"] is not None:
        table.add_row(f"offload_{unit}_per_s", f"{figures['offload_tokens_per_s']:,.1f}",
                      f"{figures['evidence']}; and the board's link, estimated")
    if figures["offload_s_per_token"] is not None and figures["loads"] > 1:
        table.add_row(f"seconds per {unit[:-1]}, {figures['loads']:,} loads", f"{figures['offload_s_per_token']:,.3g}",
                      "the same; weights are streamed")
    if figures.get("words"):
        table.add_row("words that the corpus has", f"{figures['words_known'] / figures['words']:.1%}",
                      f"of {figures['words']} words")
    if figures.get("characters_per_s"):
        table.add_row("characters a second", f"{figures['characters_per_s']:.1f}", "timed, on this machine")
    console().print(table)
    if figures["link_faults"]:
        say(f"{figures['link_faults']} faults of the link were repaired.")
    cycles = "are" if evidence == "estimated" else "equal"
    say(f"All {figures['integers_compared']:,} integers equal the golden model's, each compared when it was computed; "
        f"all cycles {cycles} the cycle model's.")


def _stream(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
