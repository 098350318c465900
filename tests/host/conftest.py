"""Small devices and models, and links that fail on purpose."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from trine.firmware.compiler import compile_classifier
from trine.firmware.configuration import UART_3M, Configuration
from trine.firmware.image import Image
from trine.firmware.machine import Machine
from trine.golden.bitlinear import BitLinear
from trine.golden.classifier import Classifier, ClassifierConfig
from trine.host.device import Device
from trine.host.shipped import MODELS
from trine.host.transport import GoldenTransport

SIZES = {"first": (7, 9), "second": (3, 7)}


class FaultyTransport:
    """A machine behind a link that damages what one function returns: (what, how many bytes passed) -> what arrives."""

    def __init__(self, machine: Machine) -> None:
        self.inner = GoldenTransport(machine)
        self.to_device: Callable[[bytes], bytes] = lambda data: data
        self.writes = 0
        self.reads = 0
        self.from_device: Callable[[bytes, int], bytes] = lambda data, read: data
        self.gone = False
        self.paced = False

    def write(self, data: bytes) -> None:
        if self.gone:
            raise OSError(19, "No such device")
        self.writes += 1
        self.inner.write(self.to_device(data))

    def read_exact(self, n: int, timeout: float) -> bytes:
        self.reads += 1
        return self.from_device(self.inner.read_exact(n, timeout), self.reads)

    def close(self) -> None:
        self.gone = True


@pytest.fixture(scope="session")
def small() -> Configuration:
    """4 lanes x 6 columns; 'first' of the classifier needs two column tiles of one chunk each."""
    return Configuration("small", "none", clock_mhz=1, lanes=4, depth=6, packing="trit2", weight_words=40,
                         activation_chunks=1, result_beats=16, result_width=2, program_words=16, accumulator_bits=20,
                         maximum_payload=64, timeout_cycles=1000, link=UART_3M)


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    random = np.random.default_rng(5)
    return Classifier(ClassifierConfig(SIZES, False), {
        name: BitLinear(random.integers(-1, 2, shape, np.int8), np.float32(2.0)) for name, shape in SIZES.items()})


@pytest.fixture(scope="session")
def image(classifier: Classifier, small: Configuration) -> Image:
    return compile_classifier(classifier, small, "little")


@pytest.fixture
def transport(small: Configuration) -> FaultyTransport:
    return FaultyTransport(Machine(small))


@pytest.fixture
def device(transport: FaultyTransport, small: Configuration) -> Device:
    return Device(transport, small)


@pytest.fixture
def codes() -> np.ndarray:
    """Nine codes, the extremes among them."""
    return np.array([-128, 127, -1, 0, 1, 5, -77, 100, -128], np.int8)


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A copy of digits-ternary, to be damaged."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((MODELS / "digits-ternary" / name).read_bytes())
    return folder


@pytest.fixture
def decoder_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes austen-tiny with some tensors replaced, as a model folder."""
    from safetensors.numpy import load_file

    def write(**tensors: np.ndarray) -> Path:
        folder = tmp_path / "decoder"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_bytes((MODELS / "austen-tiny" / "config.json").read_bytes())
        stored = load_file(MODELS / "austen-tiny" / "model.safetensors")
        unknown = set(tensors) - set(stored)
        assert not unknown
        save_file(stored | tensors, folder / "model.safetensors")
        return folder

    return write


@pytest.fixture
def small_toml(tmp_path: Path) -> Path:
    """A configuration of a user's own: ulx3s_85f with half the weight memory."""
    path = tmp_path / "mine.toml"
    path.write_text('base = "ulx3s_85f"\nweight_words = 1024\n')
    return path


@pytest.fixture
def reports(tmp_path: Path) -> Callable[..., Path]:
    """Writes a routed report of ulx3s_85f with the given keys changed, and returns its folder."""

    def write(**changes: object) -> Path:
        report = {"preset": "ulx3s_85f", "part": "LFE5U-85F-6-CABGA381", "trits_per_cycle": 512,
                  "seeds": [{"seed": 1, "fmax_mhz": {"sync": 61.5}}, {"seed": 2, "fmax_mhz": {"sync": 60.0}}],
                  "required_mhz": {"sync": 75.0}}
        (tmp_path / "ulx3s_85f.json").write_text(json.dumps(report | changes))
        return tmp_path

    return write
