"""Requests of the link as bytes, for tests of what is below it."""

from trine.firmware.link import CRC_BYTES, HEADER_BYTES, RESPONSE_BIT, Frame, Request
from trine.sim.twin.host_controller import HostController
from trine.sim.twin.transfer import Status, Transfer

OVERHEAD = HEADER_BYTES + CRC_BYTES
SECONDS = 20.0


def echo_request(payload: bytes, sequence: int = 1) -> bytes:
    """The frame that asks for the payload back; OVERHEAD bytes longer than it."""
    return Frame(Request.ECHO, sequence, payload).encode()


def echo_answer(payload: bytes, sequence: int = 1) -> bytes:
    """The frame that answers it."""
    return Frame(Request.ECHO | RESPONSE_BIT, sequence, payload).encode()


def greet(bus: HostController) -> None:
    """HELLO, after which the accelerator serves other requests."""
    assert exchange(bus, Frame(Request.HELLO, 1).encode(), 16)[2] == Request.HELLO | RESPONSE_BIT


def exchange(bus: HostController, data: bytes, size: int) -> bytes:
    """`data` in one OUT transfer, while IN transfers of 16 KB collect `size` bytes."""
    out = bus.submit(Transfer(0x01, data))
    received = b""
    while len(received) < size:
        transfer = bus.wait(bus.submit(Transfer(0x81, length=16384)), SECONDS)
        assert transfer.status is Status.DONE, f"{transfer.status} after {len(received)} of {size} bytes"
        received += transfer.received
    assert bus.wait(out, SECONDS).status is Status.DONE
    return received
