"""Bytes from the link into the words of a memory.

Every memory that the host writes has one of these in front of it, so that they all are written the same way: whole
words, at ascending addresses, one byte a cycle.
"""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

NO_COLLISIONS = {"no_rw_check": 1}
"""Attribute of a memory of which no word that matters is read in the cycle in which it is written: yosys need not make
the old word come out then, which costs an ECP5 block RAM a multiplexer and a flip-flop for every bit."""

SINGLE_PORT = NO_COLLISIONS | {"ram_style": "huge"}
"""Attributes of a memory that is to be an iCE40UP5K's single-port RAM: its two ports have one address, it is never read
while it is written, and it holds nothing at power-up (hw.build.prepare)."""


class Loader(wiring.Component):
    """Assembles words of `banks` x `bank_bytes` bytes and writes them bank by bank.

    Byte b of a word belongs to bank b // bank_bytes, byte b % bank_bytes of it. A bank is written in the cycle after
    its last byte came; the bytes of a word that is never completed are dropped by the next `start`, though banks that
    were complete have been written.
    Throughput: one byte a cycle; `bytes.ready` is always 1.

    Parameters
    ----------
    words: words of the memory. banks, bank_bytes: geometry of a word, each >= 1.

    Members
    -------
    start: In, begin a load at `address`; bytes may follow from the next cycle on.
    address: In(32), word address of the first word.
    bytes: In, stream of bytes.
    partial: Out, 1 while a word is begun and not complete.
    overflow: Out, 1 once the next byte would lie beyond the memory; such bytes are dropped.
    write: Out, 1 in a cycle in which a bank is written.
    write_bank, write_address, write_data: Out, the write port: one bit a bank.
    """

    def __init__(self, words: int, banks: int, bank_bytes: int):
        self._words, self._banks, self._bank_bytes = words, banks, bank_bytes
        super().__init__({
            "start": In(1),
            "address": In(32),
            "bytes": In(stream.Signature(8)),
            "partial": Out(1),
            "overflow": Out(1),
            "write": Out(1),
            "write_bank": Out(unsigned(banks)),
            "write_address": Out(range(max(words, 2))),
            "write_data": Out(unsigned(8 * bank_bytes)),
        })

    @property
    def port(self):
        """The members through which a component is loaded that has this loader inside."""
        members = self.signature.members
        return {name: members[name] for name in ("start", "address", "bytes", "partial", "overflow")}

    def serve(self, m: Module, component):
        """Connects this loader to the `port` of the component that has it inside."""
        m.d.comb += [
            self.start.eq(component.start), self.address.eq(component.address),
            self.bytes.valid.eq(component.bytes.valid), self.bytes.payload.eq(component.bytes.payload),
            component.bytes.ready.eq(self.bytes.ready),
            component.partial.eq(self.partial), component.overflow.eq(self.overflow),
        ]

    def elaborate(self, platform):
        m = Module()
        word = Signal(range(max(self._words, 2)))
        bank = Signal(unsigned(self._banks), init=1)
        byte = Signal(range(self._bank_bytes))
        last_byte = byte == self._bank_bytes - 1
        accepted = self.bytes.valid & ~self.overflow

        m.d.comb += [
            self.bytes.ready.eq(1),
            self.partial.eq((byte != 0) | ~bank[0]),
            self.write_bank.eq(bank.rotate_right(1) & self.write.replicate(self._banks)), self.write_address.eq(word),
        ]
        m.d.sync += self.write.eq(accepted & last_byte)
        with m.If(self.write_bank[-1]):
            m.d.sync += word.eq(word + 1)
        with m.If(self.bytes.valid):  # a byte beyond the memory as well, which is not written: this goes far
            shifted = (self.bytes.payload << (8 * (self._bank_bytes - 1))) | (self.write_data >> 8)
            m.d.sync += self.write_data.eq(shifted)
        with m.If(accepted):
            m.d.sync += byte.eq(byte + 1)
            with m.If(last_byte):
                m.d.sync += [byte.eq(0), bank.eq(bank.rotate_left(1))]
                with m.If(bank[-1]):  # `word` follows a cycle later: with words of one byte, when the next one is here
                    behind = self.write_bank[-1] if self._banks * self._bank_bytes == 1 else 0
                    m.d.sync += self.overflow.eq(word + behind == self._words - 1)
        with m.If(self.start):
            m.d.sync += [byte.eq(0), bank.eq(1), word.eq(self.address), self.overflow.eq(self.address >= self._words)]
        return m
