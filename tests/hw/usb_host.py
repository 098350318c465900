"""A USB host for testbenches: transactions, transfers and control requests, over anything that carries packets.

Everything here comes from the USB 2.0 specification, chapters 8 and 9, and nothing from the gateware: CRCs are computed
bit by bit, as 8.3.5 describes them.
"""

import enum
import struct
from typing import Protocol

RETRIES = 400
"""A device that refuses more often than this has hung."""
CONTROL_PACKET = 64
ADDRESS = 42
"""What `enumerate` gives the device."""


class Pid(enum.IntEnum):
    """Packet identifiers with their check bits (USB 2.0, table 8-1)."""

    OUT = 0xE1
    IN = 0x69
    SOF = 0xA5
    SETUP = 0x2D
    PING = 0xB4
    DATA0 = 0xC3
    DATA1 = 0x4B
    ACK = 0xD2
    NAK = 0x5A
    STALL = 0x1E


class Stalled(Exception):
    """The device answered STALL."""


class Silent(Exception):
    """The device did not answer."""


class Wire(Protocol):
    """What carries packets to a device and back."""

    async def idle(self, cycles: int) -> None:
        """Lets bus cycles pass."""

    async def send(self, packet: bytes) -> None:
        """Sends a packet, and waits for its end."""

    async def receive(self) -> bytes:
        """The device's answer; Silent if none begins in time."""


def crc5(value: int) -> int:
    """The CRC of a token's 11 bits, as its 5 bits stand in the packet (the first one lowest)."""
    state = 0b11111
    for position in range(11):
        differs = (value >> position & 1) != state >> 4
        state = (state << 1 & 0b11111) ^ (0b00101 if differs else 0)
    return int(f"{state ^ 0b11111:05b}"[::-1], 2)


def crc16(data: bytes) -> bytes:
    """The CRC of a data packet, as its two bytes stand in the packet."""
    state = 0xFFFF
    for byte in data:
        for position in range(8):
            differs = (byte >> position & 1) != state >> 15
            state = (state << 1 & 0xFFFF) ^ (0x8005 if differs else 0)
    return struct.pack("<H", int(f"{state ^ 0xFFFF:016b}"[::-1], 2))


def token_packet(pid: Pid, value: int) -> bytes:
    """A token; `value` is address and endpoint, or the number of a frame."""
    return bytes([pid]) + struct.pack("<H", value | crc5(value) << 11)


def data_packet(toggle: int, data: bytes) -> bytes:
    """DATA0 or DATA1."""
    return bytes([Pid.DATA1 if toggle else Pid.DATA0]) + data + crc16(data)


class UsbHost:
    """The host of one device, whose full bulk packets have `packet` bytes.

    toggles: endpoint's address -> toggle of its next data packet. naks: how many there were.
    """

    def __init__(self, wire: Wire, packet: int = 64) -> None:
        self.wire, self.packet = wire, packet
        self.address = 0
        self.toggles: dict[int, int] = {}
        self.naks = 0

    async def token(self, pid: Pid, endpoint: int) -> None:
        await self.wire.send(token_packet(pid, self.address | (endpoint & 0x0F) << 7))

    async def handshake(self) -> Pid:
        """The device's answer, which is a handshake; Stalled for STALL."""
        answer = await self.wire.receive()
        assert len(answer) == 1, f"a handshake of {len(answer)} bytes"
        pid = Pid(answer[0])
        if pid == Pid.STALL:
            raise Stalled
        self.naks += pid == Pid.NAK
        return pid

    async def out(self, endpoint: int, data: bytes, toggle: int, pid: Pid = Pid.OUT) -> bool:
        """One OUT or SETUP transaction; whether the device took it."""
        await self.token(pid, endpoint)
        await self.wire.send(data_packet(toggle, data))
        answer = await self.handshake()
        assert answer in (Pid.ACK, Pid.NAK)
        return answer == Pid.ACK

    async def in_(self, endpoint: int, toggle: int, acknowledge: bool = True) -> bytes | None:
        """One IN transaction; None if the device has nothing. Its packet must have the toggle."""
        await self.token(Pid.IN, endpoint)
        answer = await self.wire.receive()
        if len(answer) == 1:
            if answer[0] == Pid.STALL:
                raise Stalled
            assert answer[0] == Pid.NAK
            self.naks += 1
            return None
        assert answer[0] == (Pid.DATA1 if toggle else Pid.DATA0), f"{Pid(answer[0]).name} where the toggle is {toggle}"
        assert crc16(answer[1:-2]) == answer[-2:], "a packet of the device's with a wrong CRC"
        if acknowledge:
            await self.wire.send(bytes([Pid.ACK]))
        return answer[1:-2]

    async def write_packet(self, endpoint: int, data: bytes) -> None:
        """One packet to a bulk endpoint, again and again until it is taken."""
        toggle = self.toggles.setdefault(endpoint, 0)
        for _ in range(RETRIES):
            if await self.out(endpoint, data, toggle):
                self.toggles[endpoint] = 1 - toggle
                return
            await self.wire.idle(20)
        raise TimeoutError("the endpoint takes nothing")

    async def poll(self, endpoint: int) -> bytes | None:
        """One packet of a bulk endpoint, if it has one."""
        toggle = self.toggles.setdefault(endpoint, 0)
        data = await self.in_(endpoint, toggle)
        if data is not None:
            self.toggles[endpoint] = 1 - toggle
        return data

    async def read_packet(self, endpoint: int) -> bytes:
        """One packet of a bulk endpoint, asked for until it comes."""
        for _ in range(RETRIES):
            data = await self.poll(endpoint)
            if data is not None:
                return data
            await self.wire.idle(20)
        raise TimeoutError("the endpoint gives nothing")

    async def write(self, endpoint: int, data: bytes) -> None:
        """A bulk transfer; an empty one is an empty packet."""
        for start in range(0, max(1, len(data)), self.packet):
            await self.write_packet(endpoint, data[start : start + self.packet])

    async def read(self, endpoint: int, size: int) -> bytes:
        """A bulk transfer of `size` bytes at most; a short packet ends it."""
        received = b""
        while len(received) < size:
            data = await self.read_packet(endpoint)
            received += data
            if len(data) < self.packet:
                break
        return received

    async def setup(self, kind: int, request: int, value: int, index: int, length: int) -> None:
        """The first stage of a control request."""
        packet = struct.pack("<BBHHH", kind, request, value, index, length)
        assert await self.out(0, packet, 0, Pid.SETUP)

    async def control_in(self, kind: int, request: int, value: int, index: int, length: int) -> bytes:
        """A control request that the device answers with data; Stalled if it refuses."""
        await self.setup(kind, request, value, index, length)
        received, toggle = b"", 1
        while len(received) < length:
            data = await self.in_(0, toggle)
            assert data is not None
            received, toggle = received + data, 1 - toggle
            if len(data) < CONTROL_PACKET:
                break
        assert await self.out(0, b"", 1)
        return received

    async def control_out(self, kind: int, request: int, value: int, index: int = 0) -> None:
        """A control request without data; Stalled if the device refuses."""
        await self.setup(kind, request, value, index, 0)
        assert await self.in_(0, 1) == b""

    async def descriptor(self, kind: int, index: int = 0, length: int = 255) -> bytes:
        return await self.control_in(0x80, 6, kind << 8 | index, 0, length)

    async def configure(self, value: int = 1) -> None:
        await self.control_out(0x00, 9, value)
        self.toggles = {}

    async def enumerate(self) -> None:
        """What every host does first: the device's descriptor, an address, a configuration."""
        self.address, self.toggles = 0, {}
        assert len(await self.descriptor(1, length=18)) == 18
        await self.control_out(0x00, 5, ADDRESS)
        self.address = ADDRESS
        await self.configure()
