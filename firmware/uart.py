"""The link on a UART: gateware, host and documentation read this file.

Eight data bits, no parity, one stop bit, and no handshake: what a device cannot take at once it has to keep, and the
host sends no more than that (firmware.recovery).
"""

from trine.firmware.configuration import Link

FRAME_BITS = 10
"""Of a byte on the wire: a start bit, eight bits of data, a stop bit."""

BUFFERED_PAYLOADS = 2
"""How many times maximum_payload a device keeps of the requests that come while it serves one."""


def baud_rate(link: Link) -> int:
    """Bits a second on the wire, of a link that is a UART."""
    return round(FRAME_BITS * link.bytes_per_second)
