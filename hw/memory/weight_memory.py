"""On-chip weight memory, read as a stream of weight words.

The array only ever sees a stream, so off-chip memory can take this file's place. The banks are left to inference;
nothing in them is defined until it is loaded.

In block RAM a bank is a lane, which keeps each lane's weights beside its adders, or two lanes where that takes fewer
block RAMs of 36 bits: slices of 160 bits take 5 apiece, but 9 a pair. In single-port RAM (iCE40UP5K's SPRAM) a bank is
the 16 bits of such a RAM, and the word is not read in a cycle in which one is written.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from trine.hw.last_of import LastOf
from trine.hw.memory.loader import NO_COLLISIONS, SINGLE_PORT, Loader


def fetch_layout(words: int, row_block_bits: int, chunk_bits: int) -> data.StructLayout:
    """Which weight words to stream: row_blocks * chunks words from `address` on; both >= 1."""
    return data.StructLayout({"address": unsigned(max(1, (words - 1).bit_length())),
                              "row_blocks": unsigned(row_block_bits), "chunks": unsigned(chunk_bits)})


BLOCK_RAM_BITS = 36
"""Width of an ECP5's block RAM of 512 words."""


class WeightMemory(wiring.Component):
    """`words` weight words of `lanes` slices.

    Latency: the first word is valid two cycles after its fetch was accepted. Throughput: a word a cycle; the next
    fetch is accepted in the cycle in which the last word's address is issued, so fetches follow without a gap.
    A word that is written while it is read is undefined, and so is one beyond the end of the memory; with single-port
    RAM, so is any word that is read while one is written.

    Parameters
    ----------
    words: capacity in words. lanes: slices to a word. slice_bits: bits of a slice, padded to whole bytes on loading.
    row_block_bits, chunk_bits: bits of a fetch's counts.
    storage: "block" or "single-port"; the latter takes words of whole 16 bits without padding, else ValueError.

    Members
    -------
    start, address, bytes, partial, overflow: see Loader.
    fetches: In, stream of `fetch_layout`.
    weights: Out, stream of words: an array of `lanes` slices.
    ready_ahead: In, what `weights.ready` will be in the next cycle: whether to read is decided a cycle ahead, in a
        register, from which it is a long way to every bank.
    """

    def __init__(self, words: int, lanes: int, slice_bits: int, storage: str = "block", row_block_bits: int = 16,
                 chunk_bits: int = 16):
        self._words = words
        self._fetch = fetch_layout(words, row_block_bits, chunk_bits)
        self._slice_bits, self._slice_bytes = slice_bits, -(-slice_bits // 8)
        self._single_port = storage == "single-port"
        if self._single_port:
            if slice_bits % 8 or lanes * slice_bits % 16:
                raise ValueError(f"single-port RAM takes words of whole 16 bits, not {lanes} slices of {slice_bits} "
                                 "bits")
            self._bank_bytes = 2
        else:
            self._bank_bytes = self._slice_bytes * _lanes_per_bank(lanes, slice_bits)
        self._loader = Loader(words, lanes * self._slice_bytes // self._bank_bytes, self._bank_bytes)
        super().__init__({
            **self._loader.port,
            "fetches": In(stream.Signature(self._fetch)),
            "weights": Out(stream.Signature(data.ArrayLayout(unsigned(slice_bits), lanes))),
            "ready_ahead": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.loader = loader = self._loader
        loader.serve(m, self)

        m.submodules.chunks = chunks = LastOf(self._fetch["chunks"].width)
        m.submodules.row_blocks = row_blocks = LastOf(self._fetch["row_blocks"].width)
        active, issue = Signal(), Signal()  # issue: an address goes to the banks in this cycle
        read_address = Signal(range(max(self._words, 2)), reset_less=True)
        last = chunks.last & row_blocks.last
        begin = self.fetches.valid & self.fetches.ready
        following_active, following_valid = Signal(), Signal()
        m.d.comb += [
            self.fetches.ready.eq(~active | (issue & last)),
            chunks.begin.eq(begin), chunks.count.eq(self.fetches.payload.chunks), chunks.step.eq(issue),
            row_blocks.begin.eq(begin), row_blocks.count.eq(self.fetches.payload.row_blocks),
            row_blocks.step.eq(issue & chunks.last),
            following_active.eq(begin | (active & ~(issue & last))),
            following_valid.eq(issue | (self.weights.valid & ~self.weights.ready)),
        ]
        m.d.sync += [
            active.eq(following_active), self.weights.valid.eq(following_valid),
            issue.eq(following_active & (~following_valid | self.ready_ahead)),
        ]
        with m.If(issue):
            m.d.sync += read_address.eq(read_address + 1)
        with m.If(begin):
            m.d.sync += read_address.eq(self.fetches.payload.address)

        address = Signal.like(read_address)  # of a single port
        m.d.comb += address.eq(Mux(loader.write, loader.write_address, read_address))
        words = []
        for index in range(self._banks):
            kept = self._without_padding(loader.write_data)
            bank = memory.Memory(shape=unsigned(len(kept)), depth=self._words, init=[],
                                 attrs=SINGLE_PORT if self._single_port else NO_COLLISIONS)
            m.submodules[f"bank_{index}"] = bank
            write, read = bank.write_port(), bank.read_port()
            m.d.comb += [
                write.addr.eq(loader.write_address), write.data.eq(kept), write.en.eq(loader.write_bank[index]),
                read.addr.eq(read_address), read.en.eq(issue),
            ]
            if self._single_port:
                m.d.comb += [write.addr.eq(address), read.addr.eq(address), read.en.eq(issue & ~loader.write)]
            words.append(read.data)
        m.d.comb += self.weights.payload.as_value().eq(Cat(*words))
        return m

    @property
    def _banks(self):
        return self._loader.signature.members["write_bank"].shape.width

    def _without_padding(self, data):
        """A bank's bits without those on top of each slice that are there to fill bytes."""
        if self._bank_bytes % self._slice_bytes:
            return data
        size = 8 * self._slice_bytes
        return Cat(*(data[at : at + self._slice_bits] for at in range(0, len(data), size)))


def _lanes_per_bank(lanes: int, slice_bits: int) -> int:
    """1, or 2 where that takes fewer block RAMs."""
    if lanes % 2 == 0 and -(-2 * slice_bits // BLOCK_RAM_BITS) < 2 * -(-slice_bits // BLOCK_RAM_BITS):
        return 2
    return 1
