"""A line that damages what passes: flipped bits, lost bytes, repeated bytes, garbage, from a fixed seed."""

import random
from collections import Counter

from trine.firmware.machine import Machine

KINDS = ("flip", "lose", "repeat", "insert")


class Noise:
    """Damages a stream of bytes every `mean_bytes` on average, bursts of 1 to `burst` bytes; counts what it did."""

    def __init__(self, mean_bytes: float, seed: int, burst: int = 40) -> None:
        self._chance = random.Random(seed)
        self._rate = 1 / mean_bytes
        self._burst = burst
        self._left = self._chance.expovariate(self._rate)
        self.done: Counter[str] = Counter()

    def damage(self, data: bytes) -> bytes:
        out = bytearray()
        while self._left < len(data):
            at = int(self._left)
            out += data[:at]
            data, count = data[at:], self._chance.randint(1, self._burst)
            kind = self._chance.choice(KINDS)
            self.done[kind] += 1
            if kind == "flip":
                out.append(data[0] ^ 1 << self._chance.randrange(8))
                data = data[1:]
            elif kind == "lose":
                data = data[count:]
            elif kind == "repeat":
                out += data[:count]
            else:
                out += self._chance.randbytes(count)
            self._left = self._chance.expovariate(self._rate)
        self._left -= len(data)
        return bytes(out + data)


class NoisyTransport:
    """A machine at the end of such a line; silence is when a read finds too few bytes."""

    paced = True

    def __init__(self, machine: Machine, there: Noise, back: Noise) -> None:
        self._machine = machine
        self._there, self._back = there, back
        self._received = bytearray()
        self.bytes_there = self.bytes_back = 0

    def write(self, data: bytes) -> None:
        self.bytes_there += len(data)
        self._answer(self._machine.feed(self._there.damage(data)))

    def read_exact(self, n: int, timeout: float) -> bytes:
        if len(self._received) < n:
            self._answer(self._machine.timeout())
        if len(self._received) < n:
            raise TimeoutError(f"{n} bytes were expected, {len(self._received)} came")
        data = bytes(self._received[:n])
        del self._received[:n]
        return data

    def close(self) -> None:
        pass

    def _answer(self, data: bytes) -> None:
        self.bytes_back += len(data)
        self._received += self._back.damage(data)
