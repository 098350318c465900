"""The receiver against the same rules written down another way, on streams of good, broken and random bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.firmware.link import Error, Frame, LinkError, check_crc, decode_header
from trine.firmware.receiver import Received, Receiver

MAXIMUM = 20


def expected(stream):
    """What a whole stream gives, by positions in it rather than by states."""
    found, start, position, in_sync = [], 0, 8, True
    while position <= len(stream):
        try:
            opcode, sequence, length = decode_header(stream[position - 8 : position])
        except LinkError:
            if in_sync:
                found.append(Received(0, 0, error=Error.NO_SYNC))
            in_sync = False
            position += 1
            continue
        end = position + length + 4
        if end > len(stream):
            break
        payload = stream[position : end - 4]
        if length > MAXIMUM:
            found.append(Received(opcode, sequence, error=Error.OVERSIZED))
        else:
            try:
                check_crc(stream[position - 8 : position], payload, stream[end - 4 : end])
                found.append(Received(opcode, sequence, payload))
            except LinkError:
                found.append(Received(opcode, sequence, error=Error.BAD_CRC))
        start, position, in_sync = end, end + 8, True
    assert start <= len(stream)
    return found


def broken(frame, change):
    """An encoded frame with one byte changed, cut short, or repeated."""
    kind, where = change
    data = bytearray(frame.encode())
    where %= len(data)
    if kind == "flip":
        data[where] ^= 0x40
    elif kind == "cut":
        del data[where:]
    elif kind == "repeat":
        data *= 2
    return bytes(data)


frames = st.builds(Frame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=MAXIMUM + 5))
pieces = st.one_of(
    frames.map(Frame.encode),
    st.builds(broken, frames, st.tuples(st.sampled_from(["flip", "cut", "repeat"]), st.integers(0, 100))),
    st.binary(max_size=12),
    st.just(b"\xb1\x58"),  # the magic alone
)


@given(st.lists(pieces, max_size=8), st.integers(1, 40))
def test_streams(parts, size):
    stream = b"".join(parts)
    receiver = Receiver(MAXIMUM)
    found = [got for at in range(0, len(stream), size) for got in receiver.feed(stream[at : at + size])]
    assert found == expected(stream)


def receive(*parts):
    return list(Receiver(MAXIMUM).feed(b"".join(parts)))


GOOD = Frame(0x08, 7, b"hello")


def test_frames_without_a_gap():
    assert receive(GOOD.encode(), GOOD.encode()) == [Received(0x08, 7, b"hello")] * 2


def test_no_sync_once_and_at_the_eighth_byte():
    receiver = Receiver(MAXIMUM)
    assert list(receiver.feed(bytes(7))) == []
    assert list(receiver.feed(bytes(1))) == [Received(0, 0, error=Error.NO_SYNC)]
    assert list(receiver.feed(bytes(100))) == []
    assert list(receiver.feed(GOOD.encode())) == [Received(0x08, 7, b"hello")]
    assert list(receiver.feed(bytes(8))) == [Received(0, 0, error=Error.NO_SYNC)]


@pytest.mark.parametrize("garbage", range(1, 12))
def test_frame_found_after_garbage(garbage):
    assert receive(bytes(garbage), GOOD.encode()) == [
        Received(0, 0, error=Error.NO_SYNC), Received(0x08, 7, b"hello")]


def test_bytes_of_the_frame_before_are_no_part_of_a_header():
    """A header whose first bytes end the frame before is not found."""
    header = GOOD.encode()[:8]
    oversized = bytearray(Frame(1, 2, bytes(MAXIMUM + 1)).encode())
    oversized[-4:] = header[:4]
    assert receive(oversized, header[4:], bytes(4)) == [
        Received(1, 2, error=Error.OVERSIZED), Received(0, 0, error=Error.NO_SYNC)]


def test_oversized_is_skipped_whatever_it_holds():
    data = bytearray(Frame(3, 9, GOOD.encode() + bytes(30)).encode())
    data[-1] ^= 1
    assert receive(data, GOOD.encode()) == [Received(3, 9, error=Error.OVERSIZED), Received(0x08, 7, b"hello")]


def test_longest_payload():
    assert receive(Frame(1, 0, bytes(MAXIMUM)).encode()) == [Received(1, 0, bytes(MAXIMUM))]


@pytest.mark.parametrize("position", range(8, 17))
def test_bad_crc(position):
    data = bytearray(GOOD.encode())
    data[position] ^= 0x80
    assert receive(data, GOOD.encode()) == [Received(0x08, 7, error=Error.BAD_CRC), Received(0x08, 7, b"hello")]


def test_timeout():
    receiver = Receiver(MAXIMUM)
    assert receiver.timeout() is None
    for count in range(1, len(GOOD.encode())):
        assert list(receiver.feed(GOOD.encode()[:count])) == []
        opcode, sequence = (0x08, 7) if count >= 8 else (0, 0)
        assert receiver.timeout() == Received(opcode, sequence, error=Error.TIMEOUT)
        assert receiver.timeout() is None
    assert list(receiver.feed(GOOD.encode())) == [Received(0x08, 7, b"hello")]


def test_timeout_out_of_sync_says_nothing_and_drops_nothing():
    receiver = Receiver(MAXIMUM)
    assert len(list(receiver.feed(bytes(9) + GOOD.encode()[:5]))) == 1
    assert receiver.timeout() is None
    assert list(receiver.feed(GOOD.encode()[5:])) == [Received(0x08, 7, b"hello")]


def test_timeout_of_a_frame_found_out_of_sync():
    receiver = Receiver(MAXIMUM)
    assert len(list(receiver.feed(bytes(9) + GOOD.encode()[:10]))) == 1
    assert receiver.timeout() == Received(0x08, 7, error=Error.TIMEOUT)
    assert list(receiver.feed(bytes(8))) == [Received(0, 0, error=Error.NO_SYNC)]
