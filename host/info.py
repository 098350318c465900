"""What a device says of itself, before anybody knows its configuration."""

import struct
from dataclasses import dataclass

from trine.firmware.counters import Counters, decode_counters
from trine.firmware.link import INFO_FORMAT, PROTOCOL_VERSION, LinkError, Request
from trine.host.connection import Connection
from trine.host.errors import DeviceError
from trine.host.transport import TransportFault


class NoAnswer(DeviceError):
    """Nothing that speaks the protocol is at the other end."""


@dataclass(frozen=True)
class Info:
    """What a device says it is; see link.py for the fields. image_id is 0 if it holds no image."""

    version: int
    maximum_payload: int
    lanes: int
    depth: int
    configuration_hash: int
    build_id: int
    image_id: int
    clock_khz: int


def greet(connection: Connection) -> None:
    """Greet the device and resynchronise; NoAnswer if there is none, DeviceError if it speaks another protocol."""
    try:
        payload = connection.resynchronise()
    except (OSError, LinkError, TransportFault) as error:
        raise NoAnswer(f"no answer to HELLO: {error}; check that the device is connected and on") from error
    version = struct.unpack("<HH", payload)[0] if len(payload) == 4 else None
    if version != PROTOCOL_VERSION:
        raise DeviceError(f"the device speaks version {version} of the protocol, not {PROTOCOL_VERSION}; "
                          "build its bitstream with this version of trine")


def read_info(connection: Connection) -> Info:
    """What the device is, and which image it holds; DeviceError as `Connection.exchange`."""
    (payload,) = connection.exchange([(Request.INFO, b"")])
    return info_of(payload)


def info_of(payload: bytes) -> Info:
    """What an INFO response says; DeviceError if it is none."""
    if len(payload) != struct.calcsize(INFO_FORMAT):
        raise DeviceError(f"INFO has {struct.calcsize(INFO_FORMAT)} bytes, not {len(payload)}")
    return Info(*struct.unpack(INFO_FORMAT, payload))


def read_counters(connection: Connection) -> Counters:
    """One snapshot of all counters; DeviceError as `Connection.exchange`."""
    (payload,) = connection.exchange([(Request.COUNTERS, b"")])
    return counters_of(payload)


def counters_of(payload: bytes) -> Counters:
    """The snapshot in a COUNTERS response; DeviceError if it is none."""
    try:
        return decode_counters(payload)
    except ValueError as error:
        raise DeviceError(f"a wrong response: {error}") from error
