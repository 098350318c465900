"""USB/IP over loopback: another process has the device, cancelled transfers lose nothing, rubbish ends a client."""

import contextlib
import errno
import json
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.sim.twin.echo import echo_answer, echo_request
from tests.sim.twin.usbip_client import IMPORT, Client
from trine.firmware.link import RESPONSE_BIT, Frame, Request
from trine.sim.twin import usbip_protocol, usbip_server
from trine.sim.twin.usbip_server import UsbIpServer

HELLO = Frame(Request.HELLO, 1).encode()


class Server:
    """A server in a thread, and the lines that it logged."""

    def __init__(self, controller):
        self.controller = controller
        self.lines = []
        self.server = UsbIpServer(controller, 0, self.lines.append)
        self.port = self.server.port
        self.thread = threading.Thread(target=self.server.serve, daemon=True)
        self.thread.start()

    def logged(self, text):
        """Waits for a line with that text."""
        deadline = time.monotonic() + 20
        while not any(text in line for line in self.lines):
            assert time.monotonic() < deadline, self.lines
            time.sleep(0.01)

    def free(self):
        """A client that has the device, configured and greeted, as soon as it is to be had."""
        deadline = time.monotonic() + 20
        while not (client := Client(self.port)).attach():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert client.control(0x00, 9, 1, 0, 0) == (0, b"")
        client.submit(1, HELLO)
        client.submit(1, length=64)
        answers = sorted(client.answer()[1:] for _ in range(2))
        assert answers[1][2][2] == Request.HELLO | RESPONSE_BIT
        return client


@pytest.fixture
def server(plug_in):
    made = Server(plug_in())
    yield made
    made.server.close()
    made.thread.join(10)
    assert not made.thread.is_alive()


def test_another_process_has_the_device(server):
    payload = random.Random(1).randbytes(1500)
    client = subprocess.run([sys.executable, Path(__file__).with_name("usbip_client.py"), str(server.port)], check=True,
                            input=HELLO + echo_request(payload, 2), capture_output=True, timeout=120)
    seen = json.loads(client.stdout)
    assert seen["devices"] == [["1-1", 0x1209, 0x0001, [0xFF]]]
    assert seen["attached"]
    assert seen["descriptor"].startswith("120100020000004009120100")
    assert (seen["configured"], seen["written"]) == (0, 0)
    read = bytes.fromhex(seen["read"])
    assert read[2] == Request.HELLO | RESPONSE_BIT
    server.logged("has left")


def test_only_one_client_has_the_device(server):
    first = server.free()
    assert not Client(server.port).attach()
    server.logged("in use")
    first.socket.close()
    server.free()


def test_a_device_that_cannot_be_enumerated_anew(server):
    """The bus is broken while a client leaves; when it works again, the next one gets the device."""
    first = server.free()
    server.controller.disturb(lambda host, packet: None)
    first.socket.close()
    server.logged("disconnected: the device does not answer")
    server.controller.disturb(None)
    server.free()


def test_a_device_that_is_not_there(server):
    other = Client(server.port)
    assert other.operation(IMPORT, b"2-1".ljust(32, b"\0")) == 1
    server.logged("not '2-1'")


def test_a_cancelled_transfer_loses_nothing(server):
    """IN transfers are cancelled before their data, with it and after it: each has its return or is no more, and what
    arrives is complete and in order."""
    client = server.free()
    received, expected, cancelled = b"", b"", 0
    for number in range(1, 41):
        payload = random.Random(number).randbytes(20)
        expected += echo_answer(payload, number)
        request = echo_request(payload, number)
        if number % 3:
            writing, reading = client.submit(1, request), client.submit(1, length=64)
            time.sleep(0.01 * (number % 3 - 1))
            unlinking = client.unlink(reading)
        else:
            reading = client.submit(1, length=64)
            unlinking, writing = client.unlink(reading), client.submit(1, request)
        missing = {writing, unlinking}
        while missing:
            command, which, status, data = client.answer()
            assert command == (4 if which == unlinking else 3)
            if which == reading:
                assert unlinking in missing, "a return after its unlink"
                received += data
                reading = None
            else:
                missing.remove(which)
                assert status == (0 if which == writing or reading is None else -errno.ECONNRESET)
                cancelled += status != 0
        while len(received) < len(expected):
            client.submit(1, length=64)
            received += client.answer()[3]
        assert received == expected
    assert 13 <= cancelled < 40


def test_an_endpoint_that_is_halted_and_a_request_that_is_not_known(server):
    client = server.free()
    assert client.control(0xC0, 0x55, 0, 0, 4) == (-errno.EPIPE, b"")
    assert client.control(0x02, 3, 0, 0x81, 0) == (0, b"")
    client.submit(1, length=64)
    assert client.answer()[2] == -errno.EPIPE
    assert client.control(0x02, 1, 0, 0x81, 0) == (0, b"")
    assert client.control(0x00, 5, 77, 0, 0) == (0, b""), "the server gives addresses"
    assert client.control(0x80, 8, 0, 0, 1) == (0, b"\1")


def ended(client):
    """Says no more, and waits until the server has ended the connection."""
    with contextlib.suppress(OSError):  # the server was quicker, or has not read everything
        client.socket.shutdown(socket.SHUT_WR)
        while client.socket.recv(4096):
            pass


def command(**changes):
    """A SUBMIT's bytes, with changes."""
    fields = {"command": 1, "sequence": 1, "device": 0x10002, "direction": 1, "endpoint": 1, "flags": 0, "length": 64,
              "start": 0, "packets": 0, "interval": 0} | changes
    return struct.pack("!10I8x", *fields.values())


@pytest.mark.parametrize(("data", "reason"), [
    (struct.pack("!HHI", 0x0100, 0x8005, 0), "version 0x0100"),
    (struct.pack("!HHI", 0x0111, 0x8001, 0), "unknown request 0x8001"),
    (b"GET / HTTP/1.1\r\n\r\n", "version 0x4745"),
    (b"\x01\x11\x80", "3 of 8 bytes came, and then the end"),
])
def test_rubbish_before_the_device(server, data, reason):
    client = Client(server.port)
    client.send(data)
    ended(client)
    server.logged(reason)
    assert len(server.lines) == 1


RUBBISH = {
    "unknown command 0x00000009": command(command=9),
    "a transfer to device 0x00020002, not 0x00010002": command(device=0x20002),
    "endpoint 16": command(endpoint=16),
    "direction 7": command(direction=7),
    "2,147,483,647 bytes; 1,048,576 is the most": command(length=0x7FFFFFFF),
    "isochronous": command(packets=8),
    "two transfers of number 77": 2 * command(sequence=77),
    "more than 256 transfers": b"".join(command(sequence=number) for number in range(300)),
    "10 of 100 bytes came, and then the end": command(direction=0, length=100) + bytes(10),
    "a control transfer of 0 bytes with 4 bytes": command(direction=0, endpoint=0, length=4) + bytes(4),
    "20 of 48 bytes came, and then the end": command()[:20],
}


@pytest.mark.parametrize("reason", RUBBISH)
def test_rubbish_with_the_device(server, reason):
    client = server.free()
    client.send(RUBBISH[reason])
    ended(client)
    server.logged(reason)
    assert sum("disconnected" in line for line in server.lines) == 1
    assert server.free()


def test_a_client_that_stops_in_the_middle(server, monkeypatch):
    monkeypatch.setattr(usbip_server, "PATIENCE", 0.4)
    client = Client(server.port)
    client.send(b"\x01\x11\x80")
    assert client.socket.recv(1) == b""
    server.logged("3 of 8 bytes came in 0.4 s")


def test_clients_are_limited(server):
    waiting = [Client(server.port) for _ in range(usbip_server.CLIENTS)]
    time.sleep(0.1)
    assert Client(server.port).socket.recv(1) == b""
    server.logged("8 connections are the most")
    for client in waiting:
        client.socket.close()


def test_an_unplugged_device_ends_the_client(server):
    client = server.free()
    server.controller.unplug()
    client.submit(1, length=64)
    with pytest.raises((EOFError, ConnectionError)):
        client.answer()
    server.logged("the device is unplugged")


def test_the_end_of_the_server_ends_its_clients(server):
    client = server.free()
    server.server.close()
    assert client.socket.recv(1) == b""


def test_it_listens_on_loopback_only(server):
    assert server.server._listener.getsockname()[0] == "127.0.0.1"
    assert usbip_protocol.PORT == 3240


def test_a_port_that_is_taken(server):
    with pytest.raises(OSError, match="in use"):
        UsbIpServer(server.controller, server.port)
