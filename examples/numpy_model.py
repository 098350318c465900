"""A language model in NumPy whose ternary layers a device executes: golden's transformer, and the hook that it has.

    python examples/numpy_model.py [--model NAME] [--prompt TEXT] [--characters N] [--device DEVICE]

This is what `trine run` does, without the comparing and counting around it: `multiply` is all that a model needs of a
device. NAME is a shipped model or a path as trine run takes them, with the same 96 characters.
"""

import argparse

from trine.firmware.compiler import compile_model
from trine.golden.arrays import Int8, Int32
from trine.golden.checkpoint import Checkpoint
from trine.golden.generate import Vocabulary, generate
from trine.golden.transformer import Transformer
from trine.host.errors import UsageError, bad_input, one_line_failures
from trine.host.open import open_device
from trine.host.shipped import find_model, load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="austen-tiny", help="(default: austen-tiny)")
    parser.add_argument("--prompt", default="It is a truth", help="(default: It is a truth)")
    parser.add_argument("--characters", type=int, default=40, help="(default: 40)")
    parser.add_argument("--device", default="golden:ulx3s_85f", help="as of trine run (default: golden:ulx3s_85f)")
    arguments = parser.parse_args()
    requests = 0
    with one_line_failures(parser.prog), open_device(arguments.device) as device:
        checkpoint = load_model(find_model(arguments.model))
        if not isinstance(checkpoint, Checkpoint):
            raise UsageError(f"{arguments.model} is no language model")
        with bad_input():
            image = compile_model(checkpoint, device.configuration, arguments.model)
        device.load(image)

        def multiply(layers: tuple[str, ...], codes: Int8) -> list[Int32]:
            """Layers that share their input are one request, so one round trip to a board."""
            nonlocal requests
            requests += 1
            return device.run_request(image.request(layers), codes)

        vocabulary = Vocabulary()
        with bad_input():
            prompt = vocabulary.encode(arguments.prompt)
            tokens = generate(Transformer(checkpoint, multiply), prompt, arguments.characters, temperature=0)
            text = vocabulary.decode(list(tokens))
    print(f"{arguments.prompt}|{text}")
    print(f"{requests} requests to {arguments.device}, "
          f"4 for each of {checkpoint.config.num_hidden_layers} layers and token")


if __name__ == "__main__":
    main()
