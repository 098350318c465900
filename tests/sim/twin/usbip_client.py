"""A USB/IP client of the tests' own: the protocol once more, from its documentation, and nothing of the server's code.

As a program, `usbip_client.py PORT`, it uses the device as a driver of another process would, and prints what it saw.
"""

import json
import socket
import struct
import sys

LIST, IMPORT = 0x8005, 0x8003
SUBMIT, UNLINK = 1, 2
BUS_ID = b"1-1".ljust(32, b"\0")


class Client:
    """One connection; everything that it waits for has to come within a minute."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.sequence = 0
        self.device = 0
        self.incoming = set()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError(f"{len(data)} of {size} bytes")
            data += part
        return data

    def operation(self, code, rest=b""):
        self.send(struct.pack("!HHI", 0x0111, code, 0) + rest)
        version, answer, status = struct.unpack("!HHI", self.receive(8))
        assert (version, answer) == (0x0111, code & 0x7FFF)
        return status

    def list(self):
        """The devices, as (bus id, vendor, product, classes of its interfaces)."""
        assert self.operation(LIST) == 0
        devices = []
        for _ in range(struct.unpack("!I", self.receive(4))[0]):
            fields = struct.unpack("!256s32sIIIHHHBBBBBB", self.receive(312))
            classes = [self.receive(4)[0] for _ in range(fields[-1])]
            devices.append((fields[1].rstrip(b"\0").decode(), fields[5], fields[6], classes))
        return devices

    def attach(self):
        """Whether the device is this client's now."""
        if self.operation(IMPORT, BUS_ID) != 0:
            return False
        fields = struct.unpack("!256s32sIIIHHHBBBBBB", self.receive(312))
        self.device = fields[2] << 16 | fields[3]
        return True

    def submit(self, endpoint, data=b"", length=0, setup=bytes(8)):
        """The number of a transfer, which is under way then; `length` bytes are to come, or `data` goes."""
        self.sequence += 1
        incoming = int(length > 0 or (endpoint == 0 and bool(setup[0] & 0x80)))
        size = length if incoming else len(data)
        self.incoming |= {self.sequence} if incoming else set()
        self.send(struct.pack("!5I5I8s", SUBMIT, self.sequence, self.device, incoming, endpoint, 0, size, 0, 0xFFFFFFFF,
                              0, setup) + (b"" if incoming else data))
        return self.sequence

    def unlink(self, victim):
        self.sequence += 1
        self.send(struct.pack("!5I2I20x", UNLINK, self.sequence, self.device, 0, 0, victim, 0))
        return self.sequence

    def answer(self):
        """The next answer, as (command, number, status, data); data is there if it answers an IN transfer."""
        command, number, _, _, _, status, length = struct.unpack("!5Iii20x", self.receive(48))
        return command, number, status, self.receive(length) if number in self.incoming and length else b""

    def control(self, *setup, data=b""):
        number = self.submit(0, data, setup[4] if setup[0] & 0x80 else 0, struct.pack("<BBHHH", *setup))
        command, answered, status, data = self.answer()
        assert (command, answered) == (3, number)
        return status, data


def main():
    """Lists, attaches, enumerates, and sends what it read from standard input through the bulk endpoints."""
    port, requests = int(sys.argv[1]), sys.stdin.buffer.read()
    with_list = Client(port)
    seen = {"devices": with_list.list()}
    client = Client(port)
    seen["attached"] = client.attach()
    seen["descriptor"] = client.control(0x80, 6, 0x100, 0, 18)[1].hex()
    seen["configured"] = client.control(0x00, 9, 1, 0, 0)[0]
    writing, reading = client.submit(1, requests), client.submit(1, length=16384)
    answers = {}
    while writing not in answers or reading not in answers:
        _, number, status, data = client.answer()
        answers[number] = (status, data)
    seen["written"] = answers[writing][0]
    seen["read"] = answers[reading][1].hex()
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
