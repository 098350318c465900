"""`trine compile`: a model into an image, which a device of one configuration executes."""

from pathlib import Path

import click

from trine.firmware.cycles import token_bytes
from trine.host.cli.common import config_option, configuration, i2s_option, json_option, print_json, progress, say
from trine.host.compiled import write_compiled
from trine.host.shipped import find_model, load_model
from trine.host.usage import image_use


@click.command("compile")
@click.argument("model")
@click.option("--preset", help="The board's preset.")
@config_option
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="IMAGE", help="The image file.")
@i2s_option
@json_option
def compile_command(model: str, preset: str | None, config: Path | None, output: Path, i2s_layout: str | None,
                    as_json: bool) -> None:
    """Make MODEL (a shipped model's name, a folder, or a .gguf file) into an image for a preset or a configuration of
    your own.

    A model that is larger than the device's memories becomes several loads, which every token streams. The file is
    written in bounded memory, and is there when it is complete.
    """
    chosen = configuration(preset, config)
    folder = find_model(model)
    with progress("compile") as report:
        image = write_compiled(load_model(folder, i2s_layout), chosen, folder.resolve().name, output, report)
    use, size = image_use(image, chosen), output.stat().st_size
    if as_json:
        print_json({"model": image.name, "preset": chosen.name, "image": str(output), "image_id": image.image_id,
                    "configuration_hash": f"{chosen.configuration_hash:016x}", "bytes": size, **use.figures()})
        return
    fits = f"{use.words:,} of {use.words_available:,} weight words, {use.instructions:,} of " \
           f"{use.instructions_available:,} instructions"
    if use.loads > 1:
        fits += f": {use.loads:,} loads, and {token_bytes(image, chosen).total:,} bytes on the link for a token"
    say(f"{output}: {image.name} for {chosen.name}, {size:,} bytes; {fits}.")
