"""`trine compile`: a model into an image, which a device of one configuration executes."""

from pathlib import Path

import click

from trine.host.cli.common import config_option, configuration, i2s_option, json_option, print_json, say
from trine.host.compiled import compile_for
from trine.host.errors import bad_input
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
    your own."""
    chosen = configuration(preset, config)
    folder = find_model(model)
    image = compile_for(load_model(folder, i2s_layout), chosen, folder.resolve().name)
    with bad_input():
        image.write(output)
    use = image_use(image, chosen)
    if as_json:
        print_json({"model": image.name, "preset": chosen.name, "image": str(output), "image_id": image.image_id,
                    "configuration_hash": f"{chosen.configuration_hash:016x}", "bytes": len(image.encoded),
                    **use.figures()})
        return
    say(f"{output}: {image.name} for {chosen.name}, {len(image.encoded):,} bytes; {use.words:,} of "
        f"{use.words_available:,} weight words, {use.instructions} of {use.instructions_available} instructions.")
