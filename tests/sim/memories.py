"""Components that use a memory of every kind, for the models of block RAMs to agree with Amaranth's memories."""

import random
from dataclasses import dataclass

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

RECORD = 10
"""Bytes of a request: flags, address to write (u16), address to read (u16), data (40 bits)."""


WRITE_UNFILLED, READ, KEEP = 0x7D, 0x02, 0x40
"""Flags of a request."""


@dataclass(frozen=True)
class Kind:
    """A memory of `depth` words of `width` bits.

    granularity: bits that are written together. free: nobody cares for a word that is read while it is written.
    registered: a flip-flop behind each output. transparent: the new word is read. single: one port for both.
    filled: there is initial content.
    """

    width: int
    depth: int
    granularity: int | None = None
    free: bool = False
    registered: bool = False
    transparent: bool = False
    single: bool = False
    filled: bool = False


class Memories(wiring.Component):
    """Writes and reads all memories at once; answers each request with what is on their read ports, side by side.

    Flags, from bit 0: write, read, four enables for the granules, leave alone what is filled, and look at the read
    ports two cycles after the request's and not one: by then a register behind them follows.
    spram: a memory of 16,384 words of 16 bits with one port is one more, "memory" as Amaranth's, "instance" as
    SB_SPRAM256KA; its answer is what was last read.
    """

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def __init__(self, kinds, spram=""):
        self._kinds = kinds
        self._spram = spram
        self.answer_bytes = -(-(sum(kind.width for kind in kinds) + 16 * bool(spram)) // 8)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        request = Signal(8 * RECORD)
        taken = Signal(range(RECORD + 5))
        go = taken == RECORD
        write, read, enables = request[0] & go, request[1] & go, request[2:6]
        write_address, read_address, content = request[8:24], request[24:40], request[40:]
        answers = []
        chance = random.Random(0)
        for number, kind in enumerate(self._kinds):
            m.submodules[f"memory_{number}"] = words = memory.Memory(
                shape=kind.width, depth=kind.depth, attrs={"no_rw_check": 1} if kind.free else {},
                init=[chance.getrandbits(kind.width) for _ in range(kind.depth)] if kind.filled else [])
            put = words.write_port(granularity=kind.granularity)
            get = words.read_port(transparent_for=(put,) if kind.transparent else ())
            allowed = write & ~(request[6] & int(kind.filled))
            at, source = write_address[: len(put.addr)], read_address[: len(put.addr)]
            m.d.comb += [
                put.addr.eq(at), put.data.eq(content),
                put.en.eq(enables[: len(put.en)] & allowed.replicate(len(put.en))),
                get.addr.eq(at if kind.single else source),
                get.en.eq(read & ~write if kind.single else read & ((at != source) | ~write) if kind.free else read),
            ]
            if kind.registered:
                register = Signal(kind.width, name=f"register_{number}", reset_less=True)
                m.d.sync += register.eq(get.data)
                answers.append(register)
            else:
                answers.append(get.data)
        if self._spram:
            answers.append(self._single_port(m, write, read & ~write, write_address, content, enables))

        answer = Signal(8 * self.answer_bytes)
        left = Signal(range(self.answer_bytes + 1))
        m.d.comb += [self.i.ready.eq(taken < RECORD), self.o.valid.eq(left != 0), self.o.payload.eq(answer[:8])]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [request.eq(Cat(request[8:], self.i.payload)), taken.eq(taken + 1)]
        with m.Elif((taken >= RECORD) & (taken < RECORD + 4)):
            m.d.sync += taken.eq(taken + 1)
            with m.If(taken == RECORD + 1 + request[7]):
                m.d.sync += answer.eq(Cat(answers))
            with m.If(taken == RECORD + 3):
                m.d.sync += left.eq(self.answer_bytes)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [answer.eq(answer[8:]), left.eq(left - 1)]
            with m.If(left == 1):
                m.d.sync += taken.eq(0)
        return m

    def _single_port(self, m, write, read, address, content, enables):
        """What was read last; in the device the output is undefined after a write."""
        output, last, fresh = Signal(16), Signal(16), Signal()
        if self._spram == "instance":
            m.submodules.spram = Instance(
                "SB_SPRAM256KA", i_ADDRESS=address[:14], i_DATAIN=content[:16], i_MASKWREN=enables, i_WREN=write,
                i_CHIPSELECT=write | read, i_CLOCK=ClockSignal(), i_STANDBY=0, i_SLEEP=0, i_POWEROFF=1,
                o_DATAOUT=output)
        else:
            m.submodules.spram = words = memory.Memory(shape=16, depth=16384, init=[])
            put, get = words.write_port(granularity=4), words.read_port()
            m.d.comb += [
                put.addr.eq(address), get.addr.eq(address), put.data.eq(content), get.en.eq(read), output.eq(get.data),
                put.en.eq(enables & write.replicate(4)),
            ]
        m.d.sync += fresh.eq(read)
        with m.If(fresh):
            m.d.sync += last.eq(output)
        return last


def requests(count: int, seed: int) -> tuple[list[bytes], list[bytes]]:
    """Requests that write and then read a few addresses, which differ in every bit, and then random ones to the same.

    Until the first of the random ones, what is on the read ports is undefined in some devices.
    """
    chance = random.Random(seed)
    addresses = [0, 0xFFFF, *(1 << bit for bit in range(14)), *(0xFFFF ^ 1 << bit for bit in range(14))]

    def request(flags: int, write: int, read: int) -> bytes:
        return bytes([flags]) + write.to_bytes(2, "little") + read.to_bytes(2, "little") + chance.randbytes(5)

    first = [request(WRITE_UNFILLED, address, 0) for address in addresses] + [request(READ, 0, 0)]
    traffic = []
    for _ in range(count):
        write = chance.choice(addresses)
        read = chance.choice((write, *chance.choices(addresses, k=3)))
        traffic.append(request(chance.randrange(256) & ~KEEP, write, read))
    return first, traffic
