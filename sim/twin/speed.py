"""What USB 2.0 says about time at the two speeds. Bit times unless said otherwise; sections are the specification's."""

from dataclasses import dataclass
from enum import IntEnum


class Line(IntEnum):
    """UTMI's line state."""

    SE0 = 0
    J = 1
    K = 2


@dataclass(frozen=True)
class Speed:
    """A speed of the bus.

    bit_rate: bits a second (7.1.11). cycle_bits: bits in a cycle of the domain `usb`, as transceivers have it.
    frame_bits: of a frame, or a microframe at high speed (8.4.3). sync_bits: before a packet (7.1.10). eop_bits: after
    it, frame_eop_bits: after a start of frame (7.1.13.2). own_gap_bits: that the host keeps between two packets of its
    own, gap_bits: after one of the device's (7.1.18). timeout_bits: after which an answer will not come (7.1.19).
    packet_bytes: of a full bulk packet, packets_a_frame: that fit into a (micro)frame (5.8.4, tables 5-9 and 5-10).
    """

    name: str
    bit_rate: int
    cycle_bits: int
    frame_bits: int
    sync_bits: int
    eop_bits: int
    frame_eop_bits: int
    own_gap_bits: int
    gap_bits: int
    timeout_bits: int
    packet_bytes: int
    packets_a_frame: int

    @property
    def clock(self) -> int:
        """Hz of the domain `usb`."""
        return self.bit_rate // self.cycle_bits

    @property
    def rest(self) -> Line:
        """The line while nobody sends (7.1.7.2)."""
        return Line.J if self.cycle_bits == 1 else Line.SE0

    def packet_bits(self, size: int) -> int:
        """The longest that a packet of `size` bytes can take, its identifier counted: a bit stuffed after each six."""
        return self.sync_bits + 8 * size + (8 * size + 1) // 6 + self.eop_bits

    def transaction_bits(self, payload: int) -> int:
        """The longest that a transaction with that many bytes of payload can take, late answers included (5.11.3)."""
        return (self.packet_bits(3) + self.own_gap_bits + self.packet_bits(payload + 3) + self.timeout_bits
                + self.packet_bits(1) + self.gap_bits)


FULL_SPEED = Speed("full", 12_000_000, cycle_bits=1, frame_bits=12_000, sync_bits=8, eop_bits=3, frame_eop_bits=3,
                   own_gap_bits=2, gap_bits=2, timeout_bits=18, packet_bytes=64, packets_a_frame=19)
HIGH_SPEED = Speed("high", 480_000_000, cycle_bits=8, frame_bits=60_000, sync_bits=32, eop_bits=8, frame_eop_bits=40,
                   own_gap_bits=88, gap_bits=8, timeout_bits=816, packet_bytes=512, packets_a_frame=13)
