"""What a host does about the link, defined once: how much it may write ahead, and what it does after a fault.

The device's side is firmware.receiver's. host.connection and host.device act by these rules, and the documentation
quotes them.
"""

from trine.firmware.uart import BUFFERED_PAYLOADS

ATTEMPTS = 3
"""How often an exchange is tried before the link is given up."""
GREETINGS = 6
"""How many HELLOs a resynchronisation sends, each to a device that may still wait for the rest of a lost frame."""

PACING = (
    f"While it serves a request, a device behind a UART keeps {BUFFERED_PAYLOADS} x maximum_payload bytes of those "
    "that come; more are lost, for nothing can hold the host up. So what is written and not yet answered has to fit "
    "there, whole frames, without the oldest request, which the device takes as it comes. maximum_payload is in the "
    "answer to HELLO; until that is known only one request may be unanswered. USB needs no such rule: the device does "
    "not acknowledge what it cannot keep."
)
"""The rule of pacing."""

RULES: tuple[str, ...] = (
    "A request has no effect beyond its own words: WRITEs are addressed, RUN leaves its inputs as they are, reading "
    "counters does not clear them. So any request may be sent again, and an exchange may be done again whole.",
    "A response that is no frame, has a wrong CRC, another opcode or sequence than the request's, or does not come in "
    "time is a fault of the link, and so are NO_SYNC, BAD_CRC and TIMEOUT. Every other error is the answer, and would "
    "be given again.",
    "After a fault the host sends HELLO with a fresh sequence number and drops whatever comes before the answer to it. "
    f"The device may still wait for the rest of a frame and take a HELLO for that, so up to {GREETINGS} are sent, each "
    "with its share of the time.",
    f"Then the exchange is done again, {ATTEMPTS} times in all. Sequence 0 is never a request's: errors without a "
    "request carry it.",
    "A device that was reset holds no image, and its counters start at zero: if `cycles` went back while an image was "
    "loaded, the host takes the image back (COMMIT 0), and it has to be loaded again.",
    "Of an image of several loads, load 0 stays and each of the others is written over the one before, with a COMMIT "
    "of an image_id of its own, so INFO says which was written last. An exchange writes every load that it runs, but "
    "load 0 and, if it needs no other, the one that is there. Where it relies on load 0 while it writes others, INFO "
    "is its first request: if another load is named than was written last, the device was reset, or the exchange had "
    "been begun before a fault. Then load 0 is written again, and the exchange is done again.",
)
"""The rules of recovery, in order."""
