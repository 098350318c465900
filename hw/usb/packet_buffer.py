"""Two packets between two clock domains: one is filled while the other is emptied.

An asynchronous FIFO of bytes was the alternative. But a packet from the host counts only once its CRC was found right,
and a packet to the host has to be kept until it was acknowledged, so both sides would need a buffer of a packet beside
it. Here only the lengths of whole packets go through a FIFO, and the bytes cross in the memory that keeps them.
"""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.fifo import AsyncFIFO
from amaranth.lib.wiring import In, Out


class Packet(data.StructLayout):
    """What the reader is told of a packet: position of its last byte, whether it has none, its half of the memory."""

    def __init__(self, positions: range):
        super().__init__({"last": positions, "empty": 1, "half": 1})


class PacketBuffer(wiring.Component):
    """Hands over packets of up to `packet_bytes` bytes, in order; an empty packet is one too.

    Two packets fit. Throughput: a byte a cycle on both sides, with a pause of a cycle between packets when read.
    Latency: `available` three cycles of the reader's clock after `commit`, `room` two of the writer's after `release`.
    A reset of the writer's domain empties it.

    Parameters
    ----------
    packet_bytes: bytes of the longest packet, a power of two. writes, reads: the clock domains of the two sides.

    Members
    -------
    room: Out, a packet may be written; `put` and `commit` only then.
    put: In, `data` is the packet's next byte; not after packet_bytes of them.
    count: Out, bytes of the packet so far.
    commit: In, the packet is whole and goes to the reader. drop: In, the packet begins again.
    available: Out, a packet can be read. empty: Out, it has no bytes. byte: Out, the one at the reader's position, at
    first the first one. last: Out, it is the last one.
    advance, rewind: In, the position goes to the next byte, to the first one. release: In, the packet is done with.
    These three only while `available`.

    Raises ValueError for a packet_bytes that is no power of two.
    """

    def __init__(self, packet_bytes: int, writes: str, reads: str):
        if packet_bytes < 1 or packet_bytes & (packet_bytes - 1):
            raise ValueError(f"packet_bytes must be a power of two, not {packet_bytes!r}")
        self._packet_bytes, self._writes, self._reads = packet_bytes, writes, reads
        super().__init__({
            "room": Out(1), "put": In(1), "data": In(8), "count": Out(range(packet_bytes + 1)),
            "commit": In(1), "drop": In(1),
            "available": Out(1), "empty": Out(1), "byte": Out(8), "last": Out(1),
            "advance": In(1), "rewind": In(1), "release": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.bytes = storage = memory.Memory(shape=8, depth=2 * self._packet_bytes, init=[],
                                                   attrs={"ram_style": "block"})
        write, read = storage.write_port(domain=self._writes), storage.read_port(domain=self._reads)
        handed_over = Packet(range(self._packet_bytes))
        m.submodules.packets = packets = AsyncFIFO(width=handed_over.size, depth=2, w_domain=self._writes,
                                                   r_domain=self._reads)
        written, offered = handed_over(packets.w_data), handed_over(packets.r_data)
        half = Signal()
        m.d.comb += [
            self.room.eq(packets.w_rdy),
            write.addr.eq(Cat(self.count[:-1], half)), write.data.eq(self.data), write.en.eq(self.put),
            written.last.eq(self.count - 1), written.empty.eq(self.count == 0), written.half.eq(half),
            packets.w_en.eq(self.commit),
        ]
        with m.If(self.commit):
            m.d[self._writes] += [self.count.eq(0), half.eq(~half)]
        with m.Elif(self.drop):
            m.d[self._writes] += self.count.eq(0)
        with m.Elif(self.put):
            m.d[self._writes] += self.count.eq(self.count + 1)

        position, address = Signal(range(self._packet_bytes)), Signal(range(self._packet_bytes))
        m.d.comb += [
            address.eq(position + self.advance),
            read.addr.eq(Cat(address, offered.half)), self.byte.eq(read.data),
            self.last.eq(position == offered.last), self.empty.eq(offered.empty),
            packets.r_en.eq(self.release),
        ]
        with m.If(self.rewind | self.release):
            m.d.comb += address.eq(0)
        m.d[self._reads] += [position.eq(address), self.available.eq(packets.r_rdy & ~self.release)]
        return m
