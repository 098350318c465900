"""Configurations and models small enough to be worked out by hand."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from trine.firmware.configuration import UART_3M, Configuration
from trine.firmware.image import Image
from trine.firmware.image_file import read_image, save_image
from trine.firmware.link import RESPONSE_BIT, Error, Frame
from trine.firmware.machine import Machine
from trine.firmware.plan import RequestPlan
from trine.firmware.traffic import Message, load_messages, request_messages, request_results
from trine.golden.arrays import Int8, Int32
from trine.golden.bitlinear import BinaryLinear, BitLinear
from trine.golden.checkpoint import Checkpoint, linear_shapes, tensor_shapes
from trine.golden.classifier import Classifier, ClassifierConfig
from trine.golden.config import ModelConfig

MakeConfiguration = Callable[..., Configuration]


def small_configuration(**changes: Any) -> Configuration:
    """4 lanes x 6 columns of two-bit trits, memories of a few words; any field can be changed."""
    values: dict[str, Any] = {
        "name": "small", "part": "none", "clock_mhz": 1, "lanes": 4, "depth": 6, "packing": "trit2",
        "weight_words": 40, "activation_chunks": 6, "result_beats": 16, "result_width": 2, "program_words": 16,
        "accumulator_bits": 20, "maximum_payload": 64, "timeout_cycles": 1000, "link": UART_3M,
    }
    return Configuration(**(values | changes))


@pytest.fixture(name="configure", scope="session")
def _configure() -> MakeConfiguration:
    """`small_configuration`, for tests that choose their own geometry."""
    return small_configuration


@pytest.fixture(name="small", scope="session")
def _small() -> Configuration:
    """`small_configuration` as it is."""
    return small_configuration()


def ternary(rows: int, columns: int, seed: int = 0) -> Int8:
    """Random weights int8 (rows, columns), a third of each."""
    return np.random.default_rng(seed).integers(-1, 2, (rows, columns), np.int8)


def decoder(hidden: int = 8, inner: int = 12, layers: int = 2, tied: bool = True, linear_class: str = "bitlinear",
            ) -> Checkpoint:
    """A decoder of random weights: 4 heads, 2 of keys and values."""
    config = ModelConfig(vocab_size=5, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers,
                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=6, rms_norm_eps=1e-5,
                         rope_theta=1e4, tie_word_embeddings=tied, linear_class=linear_class)
    random = np.random.default_rng(7)
    linears = {name: BitLinear(ternary(*shape, seed=index), np.float32(1.5 + index), linear_class)
               for index, (name, shape) in enumerate(linear_shapes(config).items())}
    tensors = {name: random.normal(size=shape).astype(np.float32) for name, shape in tensor_shapes(config).items()}
    return Checkpoint(config, linears, tensors)


def classifier(binary: bool = False, sizes: tuple[int, ...] = (9, 7, 3)) -> Classifier:
    """A classifier of random weights, a layer between each two of `sizes`."""
    shapes = {f"layer{index}": (n, k) for index, (k, n) in enumerate(pairwise(sizes))}
    linears: dict[str, BitLinear | BinaryLinear] = {}
    for index, (name, (n, k)) in enumerate(shapes.items()):
        weights = ternary(n, k, seed=index)
        linears[name] = (BinaryLinear(np.where(weights == 0, np.int8(1), weights), np.float32(0.5 + index)) if binary
                         else BitLinear(weights, np.float32(0.5 + index)))
    return Classifier(ClassifierConfig(shapes, binary), linears)


def execute(machine: Machine, messages: Iterable[Message]) -> list[bytes]:
    """The responses' payloads of a machine that refuses none of `messages`."""
    payloads = []
    for request, payload in messages:
        answer = machine.feed(Frame(request, 1, payload).encode())
        assert answer[2] == request | RESPONSE_BIT, Error(answer[8]).name
        payloads.append(answer[8:-4])
    return payloads


def run(machine: Machine, image: Image, request: RequestPlan, codes: Int8) -> tuple[list[Int32], int]:
    """The results of a request, each of whose streamed loads is written before its tiles, and how many these were."""
    configuration = machine.configuration
    total = [np.zeros(rows, np.int32) for rows in request.rows]
    held = {0}
    for tile in request.tiles:
        if tile.load not in held:
            held.add(tile.load)
            execute(machine, load_messages(image, configuration, tile.load))
        part = replace(request, tiles=(tile,))
        responses = execute(machine, request_messages(part, codes, configuration))
        total = [sums + more for sums, more in zip(total, request_results(part, responses, configuration), strict=True)]
    return total, len(held) - 1


@pytest.fixture(name="made", scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """`ternary`, `decoder`, `classifier`, `stored`, `execute`, `run`: models to compile, images that are in a file, and
    a machine to run them on."""

    def stored(image: Image, configuration: Configuration) -> Image:
        path = tmp_path_factory.mktemp("images") / "image.trine"
        save_image(path, image)
        return read_image(path, configuration)

    return SimpleNamespace(ternary=ternary, decoder=decoder, classifier=classifier, stored=stored, execute=execute,
                           run=run)
