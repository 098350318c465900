"""The host on the twin: its own USB transport, a simulated bus, and the gateware, with golden beside every integer."""

import socket
import threading

import pytest

from tests.sim.twin.configuration import CONFIGURATION
from trine.firmware.presets import PRESETS
from trine.golden.checkpoint import Checkpoint
from trine.golden.generate import Vocabulary, generate
from trine.golden.transformer import Transformer
from trine.host.compiled import compile_for
from trine.host.device import Device
from trine.host.errors import DeviceError, UsageError
from trine.host.language_model import LanguageModel
from trine.host.shipped import find_model, load_model
from trine.host.twin import Twin, bus_speed, open_twin, plug_in, serve_twin
from trine.sim.twin.speed import FULL_SPEED, HIGH_SPEED

ROUND_TRIPS = 4
"""Of a layer: the projections of query, key and value; of the output; gate and up; down."""


@pytest.fixture(scope="module")
def model():
    """The shipped decoder."""
    loaded = load_model(find_model("austen-small"))
    assert isinstance(loaded, Checkpoint)
    return loaded.in_memory()


@pytest.fixture
def twin():
    with open_twin(CONFIGURATION) as device:
        yield device


def test_speeds_are_those_of_the_boards():
    assert {name for name, preset in PRESETS.items() if bus_speed(preset) is HIGH_SPEED} == {"cynthion", "butterstick"}
    assert bus_speed(CONFIGURATION) is FULL_SPEED


def test_a_layer_is_four_requests_on_a_board(model):
    """Each request is one exchange; that an exchange is one round trip, the next test counts on the bus."""
    image = compile_for(model, PRESETS["orangecrab_85f"], "austen-small")
    assert len(image.requests) == ROUND_TRIPS * model.config.num_hidden_layers


def test_a_language_model_takes_four_round_trips_a_layer(twin, model):
    """`austen-small` says what golden says, each integer compared, and the bus turns round as often as it must."""
    speaker = LanguageModel("austen-small", twin)
    text = "".join(speaker.generate("It is", 3, temperature=0))
    vocabulary = Vocabulary()
    expected = generate(Transformer(model), vocabulary.encode("It is"), 3, 0, 0)
    assert text == vocabulary.decode(list(expected))
    tokens = speaker.runner.passes
    figures = twin.link_figures()
    assert figures["round_trips"] == ROUND_TRIPS * model.config.num_hidden_layers * tokens
    assert figures["errors"] == 0
    assert figures["frames"] == pytest.approx(1000 * figures["seconds"], abs=1)
    assert 0.010 < figures["seconds"] / tokens < 0.030, "17 KB are what a full-speed bus carries in 14 ms"


def test_echo_of_many_packets(twin):
    payload = bytes(range(256)) * 8
    before = twin.bus_time
    assert twin.echo(payload) == payload
    used = twin.bus_time - before
    assert used.bytes_out == used.bytes_in == len(payload) + 12


def test_a_damaged_bus_is_repaired_or_reported(twin):
    """A host cannot see that a packet was repeated, and is told when the bus answers no more."""
    lost = iter([True] * 2)
    twin._controller.disturb(lambda from_host, packet: None if next(lost, False) else packet)
    assert twin.echo(b"repeated") == b"repeated"
    assert twin.link_faults == 0
    twin._controller.disturb(lambda from_host, packet: None)
    with pytest.raises(DeviceError):
        twin.echo(b"lost")


def test_an_unplugged_twin_is_a_device_that_is_gone(twin):
    twin._controller.unplug()
    with pytest.raises(DeviceError, match="gone"):
        twin.echo(b"x")


def test_a_device_that_is_none():
    controller = plug_in(CONFIGURATION)
    controller.disturb(lambda from_host, packet: None)
    with pytest.raises(DeviceError, match="the twin is not enumerated: the device does not answer"):
        Twin(controller, CONFIGURATION)
    assert controller.unplugged


def test_other_devices_count_nothing(device: Device):
    assert device.link_figures() == {}


def test_the_server_serves_until_it_is_closed():
    lines: list[str] = []
    server = serve_twin(CONFIGURATION, 0, lines.append)
    thread = threading.Thread(target=server.serve)
    thread.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(b"\x01\x11\x80\x05\0\0\0\0")
        assert client.recv(8) == b"\x01\x11\x00\x05\0\0\0\0"
    server.close()
    thread.join(20)
    assert not thread.is_alive()


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 cannot be had: Address already in use"):
            serve_twin(CONFIGURATION, port, print)
