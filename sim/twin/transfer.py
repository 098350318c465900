"""One bulk transfer: what a driver asks of the bus, and what came of it."""

from dataclasses import dataclass, field
from enum import Enum, auto


class Status(Enum):
    """PENDING until it ends in one of the other ways.

    STALLED: the endpoint is halted. FAILED: three transactions in a row went wrong. OVERFLOW: the device sent more than
    was asked for. CANCELLED: by who waits for it. GONE: the device is unplugged.
    """

    PENDING = auto()
    DONE = auto()
    STALLED = auto()
    FAILED = auto()
    OVERFLOW = auto()
    CANCELLED = auto()
    GONE = auto()


@dataclass(eq=False)
class Transfer:
    """Bytes to (`data`) or from (`length`, at the most) a bulk endpoint's address, whose bit 7 says which.

    moved: bytes that arrived so far; of an OUT transfer those that the device acknowledged. received: of an IN transfer
    what came. packets: full or not, that arrived. began, ended: bit times of the first token's start and the last
    handshake's end.
    """

    endpoint: int
    data: bytes = b""
    length: int = 0
    status: Status = Status.PENDING
    received: bytearray = field(default_factory=bytearray)
    moved: int = 0
    packets: int = 0
    began: int | None = None
    ended: int | None = None
    strikes: int = 0
    """Transactions in a row that went wrong."""

    @property
    def incoming(self) -> bool:
        """Whether it is an IN transfer."""
        return bool(self.endpoint & 0x80)

    @property
    def pending(self) -> bool:
        """Whether it has not ended."""
        return self.status is Status.PENDING
