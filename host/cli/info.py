"""`trine info`: what a model, an image or a preset is, and what the one needs of the other."""

import dataclasses
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from trine.firmware.configuration import Configuration, load_configuration
from trine.firmware.cycles import token_bytes, token_cycles
from trine.firmware.image import Image
from trine.firmware.presets import PRESETS
from trine.golden.checkpoint import Checkpoint
from trine.host.cli.common import config_option, console, i2s_option, json_option, print_json, say
from trine.host.compiled import describe, is_image, model_shapes, open_image
from trine.host.errors import UsageError, bad_input
from trine.host.figures import token_rates
from trine.host.routed import clock_of
from trine.host.shipped import find_model, load_model, shipped_models, training_facts
from trine.host.usage import Fit, fit, image_use


@click.command("info")
@click.argument("what", required=False)
@config_option
@i2s_option
@json_option
def info_command(what: str | None, config: Path | None, i2s_layout: str | None, as_json: bool) -> None:
    """What WHAT is: a model, an image, or a preset; without it, which models and presets there are.

    A model comes with its use of each board's weight memory, after padding to whole words.
    """
    with bad_input():
        own = None if config is None else load_configuration(config)
    if what is None:
        figures = _overview() if own is None else _configuration(own)
    elif what in PRESETS:
        if own is not None:
            raise UsageError(f"--config {config} and {what} both say which configuration; leave one out")
        figures = _configuration(PRESETS[what])
    elif Path(what).is_file() and is_image(Path(what)):
        image, configuration = open_image(Path(what), own)
        figures = _image(image, configuration, Path(what).stat().st_size)
    elif Path(what).is_file() and what.endswith(".toml"):
        with bad_input():
            figures = _configuration(load_configuration(Path(what)))
    else:
        figures = _model(what, own, i2s_layout)
    if as_json:
        print_json(figures)
        return
    _print(figures)


def _overview() -> dict[str, Any]:
    return {
        "models": [{"name": name, "what": describe(load_model(find_model(name)))} for name in shipped_models()],
        "presets": [{"name": preset.name, "part": preset.part, "clock_mhz": preset.clock_mhz,
                     "trits_per_cycle": preset.trits_per_cycle, "packing": preset.packing,
                     "weight_trits": preset.weight_trits} for preset in PRESETS.values()],
    }


def _configuration(configuration: Configuration) -> dict[str, Any]:
    clock = clock_of(configuration)
    return {
        **dataclasses.asdict(configuration),
        "configuration_hash": f"{configuration.configuration_hash:016x}",
        "trits_per_cycle": configuration.trits_per_cycle,
        "weight_trits": configuration.weight_trits,
        "weight_bits": configuration.weight_words * configuration.lanes * configuration.slice_bits,
        "activation_columns": configuration.activation_chunks * configuration.depth,
        "result_rows": configuration.result_beats * configuration.result_width,
        "gtrit_per_s": configuration.trits_per_cycle * clock.mhz / 1000,
        "figures_clock_mhz": clock.mhz,
        "evidence": clock.evidence,
        "clock_source": clock.source,
    }


def _image(image: Image, configuration: Configuration, size: int) -> dict[str, Any]:
    cycles, use = token_cycles(image, configuration).cycles, token_bytes(image, configuration)
    rates = token_rates(cycles, use, clock_of(configuration), configuration.link)
    layers = {name: [rows, plan.columns] for plan in image.requests
              for name, rows in zip(plan.layers, plan.rows, strict=True)}
    return {
        "image": image.name,
        "kind": image.model.get("kind"),
        "preset": image.configuration_name,
        "configuration_hash": f"{image.configuration_hash:016x}",
        "image_id": image.image_id,
        "bytes": size,
        **image_use(image, configuration).figures(),
        "cycles_per_token": cycles,
        "link_bytes_per_token": use.total,
        "offload_s_per_token": rates.offload_s_per_token,
        "tiles": sum(len(plan.tiles) for plan in image.requests),
        "layers": layers,
    }


def _model(name: str, own: Configuration | None, i2s_layout: str | None) -> dict[str, Any]:
    folder = find_model(name)
    model = load_model(folder, i2s_layout)
    shapes = model_shapes(model)
    devices = [own] if own is not None else [preset for preset in PRESETS.values() if not preset.bare]
    return {
        "model": folder.resolve().name,
        "what": describe(model),
        "stored": model.form if isinstance(model, Checkpoint) else None,
        "ternary_weights": sum(n * k for n, k in shapes.values()),
        "training": training_facts(folder),
        "devices": [_fit(fit(model, device, folder.resolve().name)) for device in devices],
        "layers": {layer: list(shape) for layer, shape in shapes.items()},
    }


def _fit(found: Fit) -> dict[str, Any]:
    return {
        "preset": found.configuration.name,
        "weight_words": found.words,
        "weight_words_available": found.words_available,
        "used": found.words / found.words_available,
        "padding": found.padding,
        "fits": found.resident,
        "loads": found.loads,
        "reason": found.reason,
        "cycles_per_token": found.cycles,
        "array_tokens_per_s": found.rates and found.rates.array_tokens_per_s,
        "link_bytes_per_token": found.link_use and found.link_use.total,
        "offload_tokens_per_s": found.rates and found.rates.offload_tokens_per_s,
        "offload_s_per_token": found.rates and found.rates.offload_s_per_token,
        "evidence": found.rates and found.rates.clock.evidence,
    }


def _print(figures: dict[str, Any]) -> None:
    """Any of the above for people."""
    out = console()
    devices, models, presets = (figures.get(key, []) for key in ("devices", "models", "presets"))
    plain = {key.replace("_", " "): value for key, value in figures.items() if not isinstance(value, list | dict)}
    if "layers" in figures:
        plain["layers"] = len(figures["layers"])
    for key in ("link", "training"):
        if figures.get(key):
            plain[key] = _facts(key, figures[key])
    width = max(map(len, plain), default=0)
    for key, value in plain.items():
        if value is not None:
            say(f"{key:{width}}  {_text(value)}")
    if models:
        out.print(_table("model", ["what"], [[row["name"], row["what"]] for row in models], right=False))
    if presets:
        columns = ["part", "MHz", "trits a cycle", "packing", "weights (trits)"]
        out.print(_table("preset", columns, [[_text(value) for value in row.values()] for row in presets]))
    if devices:
        columns = ["weight words", "of", "used", "padding", "loads", "cycles", "array /s", "offload /s", ""]
        out.print(_table("preset", columns, [_device_row(row) for row in devices]))
        unit = "inputs" if "classifier" in figures["what"] else "tokens"
        say(f"cycles of the array per {unit[:-1]}; {unit} a second by the array alone and with the board's link, which "
            f"carries all loads but the first for each {unit[:-1]}")


def _device_row(row: dict[str, Any]) -> list[str]:
    start = [row["preset"], _text(row["weight_words"]), _text(row["weight_words_available"]), f"{row['used']:.0%}",
             f"{row['padding']:.1%}"]
    if row["reason"] is not None:
        return [*start, "", "", "", "", row["reason"]]
    return [*start, *(_text(row[key]) for key in ("loads", "cycles_per_token", "array_tokens_per_s",
                                                  "offload_tokens_per_s", "evidence"))]


def _facts(key: str, facts: dict[str, Any]) -> str:
    """What of a link or of a training is worth a line."""
    if key == "link":
        milliseconds = facts["round_trip_seconds"] * 1e3
        rate = facts["bytes_per_second"] / 1e6
        return f"{facts['kind']}, {rate:g} MB/s, {milliseconds:g} ms a round trip (estimated)"
    parts = [f"{facts['steps']:,} steps"] if isinstance(facts.get("steps"), int) else []
    if facts.get("bits_per_character") is not None:
        parts.append(f"{facts['bits_per_character']:.3f} bits/character on the held-out text")
    if facts.get("float32_twin_bits_per_character") is not None:
        parts.append(f"its float32 twin {facts['float32_twin_bits_per_character']:.3f}")
    if facts.get("accuracy") is not None:
        parts.append(f"{facts['accuracy']:.1%} of {facts.get('test_images')} test images right")
    return ", ".join(parts) or "see training.json"


def _table(first: str, columns: list[str], rows: list[list[str]], right: bool = True) -> Table:
    table = Table()
    table.add_column(first, no_wrap=True)
    for column in columns:
        numeric = right and column not in ("part", "packing", "")
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _text(value: Any) -> str:
    """A figure with its thousands, and no more digits than mean something."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
