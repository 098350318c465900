"""What a bus carried and how long it took."""

from dataclasses import dataclass, fields
from typing import Self

from trine.sim.twin.speed import Speed


@dataclass
class BusTime:
    """Counts since the device was plugged in; a difference of two is what happened between them.

    bits: bit times that passed; on a bus whose host wants nothing, time stands still. frames: starts of frame,
    microframes at high speed. tokens: without those. packets: of all kinds, both ways. naks: answers that say "not
    now". errors: answers that did not come, or damaged. repeats: data that came a second time, because its handshake
    was lost. data_packets, bytes_out, bytes_in: bulk data that arrived. round_trips: times that bulk data came from the
    device after an OUT transfer; one that follows a cancelled one goes on with it, and asks for nothing new.
    """

    bits: int = 0
    frames: int = 0
    tokens: int = 0
    packets: int = 0
    naks: int = 0
    errors: int = 0
    repeats: int = 0
    data_packets: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    round_trips: int = 0

    def __sub__(self, before: Self) -> Self:
        return type(self)(*(getattr(self, field.name) - getattr(before, field.name) for field in fields(self)))

    def seconds(self, speed: Speed) -> float:
        """On the bus."""
        return self.bits / speed.bit_rate


def utilisation(size: int, bits: int, speed: Speed) -> float:
    """Share of the bytes that bulk transfers could carry in so much time on the bus (5.8.4) which were, 0 to 1."""
    return size / (bits / speed.frame_bits * speed.packets_a_frame * speed.packet_bytes)
