"""On-chip weight memory: one bank a lane, read as a stream of weight words.

A bank a lane keeps each lane's weights beside its adders and lets every load write one slice at a time. The array only
ever sees a stream, so off-chip memory can take this file's place. The banks are left to inference (block RAM on ECP5);
nothing in them is defined until it is loaded.
"""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from trine.hw.memory.loader import NO_COLLISIONS, Loader


class Fetch(data.Struct):
    """Which weight words to stream: row_blocks * chunks words from `address` on; both >= 1."""

    address: unsigned(32)
    row_blocks: unsigned(16)
    chunks: unsigned(16)


class WeightMemory(wiring.Component):
    """`words` weight words of `lanes` slices.

    Latency: the first word is valid two cycles after its fetch was accepted. Throughput: a word a cycle; the next
    fetch is accepted in the cycle in which the last word's address is issued, so fetches follow without a gap.
    A word that is written while it is read is undefined, and so is one beyond the end of the memory.

    Parameters
    ----------
    words: capacity in words. lanes: slices to a word. slice_bits: bits of a slice, padded to whole bytes on loading.

    Members
    -------
    start, address, bytes, partial, overflow: see Loader; slices are its banks.
    fetches: In, stream of Fetch.
    weights: Out, stream of words: an array of `lanes` slices.
    """

    def __init__(self, words: int, lanes: int, slice_bits: int):
        self._words, self._lanes, self._slice_bits = words, lanes, slice_bits
        self._loader = Loader(words, banks=lanes, bank_bytes=-(-slice_bits // 8))
        loader = self._loader.signature.members
        super().__init__({
            **{name: loader[name] for name in ("start", "address", "bytes", "partial", "overflow")},
            "fetches": In(stream.Signature(Fetch)),
            "weights": Out(stream.Signature(data.ArrayLayout(unsigned(slice_bits), lanes))),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.loader = loader = self._loader
        m.d.comb += [
            loader.start.eq(self.start), loader.address.eq(self.address),
            loader.bytes.valid.eq(self.bytes.valid), loader.bytes.payload.eq(self.bytes.payload),
            self.bytes.ready.eq(loader.bytes.ready),
            self.partial.eq(loader.partial), self.overflow.eq(loader.overflow),
        ]

        fetch = Signal(Fetch)
        active = Signal()
        chunks_left, row_blocks_left = Signal(16), Signal(16)  # after the current one
        chunk_last, row_block_last = Signal(), Signal()
        read_address = Signal(range(max(self._words, 2)))
        issue = Signal()  # an address goes to the banks in this cycle
        m.d.comb += [
            issue.eq(active & (~self.weights.valid | self.weights.ready)),
            self.fetches.ready.eq(~active | (issue & chunk_last & row_block_last)),
        ]
        with m.If(issue):
            m.d.sync += [
                self.weights.valid.eq(1), read_address.eq(read_address + 1),
                chunks_left.eq(chunks_left - 1), chunk_last.eq(chunks_left == 1),
            ]
            with m.If(chunk_last):
                m.d.sync += [
                    chunks_left.eq(fetch.chunks - 1), chunk_last.eq(fetch.chunks == 1),
                    row_blocks_left.eq(row_blocks_left - 1), row_block_last.eq(row_blocks_left == 1),
                ]
                with m.If(row_block_last):
                    m.d.sync += active.eq(0)
        with m.Elif(self.weights.ready):
            m.d.sync += self.weights.valid.eq(0)
        with m.If(self.fetches.valid & self.fetches.ready):
            new = self.fetches.payload
            m.d.sync += [
                fetch.eq(new), read_address.eq(new.address), active.eq(1),
                chunks_left.eq(new.chunks - 1), chunk_last.eq(new.chunks == 1),
                row_blocks_left.eq(new.row_blocks - 1), row_block_last.eq(new.row_blocks == 1),
            ]

        for lane in range(self._lanes):
            bank = memory.Memory(shape=unsigned(self._slice_bits), depth=self._words, init=[],
                                 attrs=NO_COLLISIONS)
            m.submodules[f"bank_{lane}"] = bank
            write, read = bank.write_port(), bank.read_port()
            m.d.comb += [
                write.addr.eq(loader.write_address), write.data.eq(loader.write_data),
                write.en.eq(loader.write_bank[lane]),
                read.addr.eq(read_address), read.en.eq(issue),
                self.weights.payload[lane].eq(read.data),
            ]
        return m
