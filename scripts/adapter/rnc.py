"""Unpacker of RNC ProPack, method 1: Huffman-coded lengths between literal bytes.

Format as ScummVM reads it (common/compression/rnc_deco.cpp).
"""

import struct

HEADER_BYTES = 18
MATCH_MIN = 2


class _Reader:
    """Bits, lowest first, out of 16-bit words, with literal bytes between the words."""

    def __init__(self, data: bytes):
        self.data = data + b"\0\0\0\0"
        self.at = HEADER_BYTES
        self.buffer = 0
        self.count = 0

    def peek(self) -> int:
        """At least 16 bits that come next."""
        word = self.data[self.at] | self.data[self.at + 1] << 8
        return self.buffer | word << self.count

    def take(self, bits: int) -> int:
        """The next `bits` bits, at most 16."""
        value = self.peek() & ((1 << bits) - 1)
        if bits > self.count:
            self.buffer = self.peek()
            self.count += 16
            self.at += 2
        self.buffer >>= bits
        self.count -= bits
        return value

    def literal(self, length: int) -> bytes:
        """`length` bytes that are not packed."""
        self.at += length
        return self.data[self.at - length : self.at]

    def table(self) -> list[tuple[int, int, int, int]]:
        """A Huffman table: (mask, code, length, symbol), shortest codes first."""
        lengths = [self.take(4) for _ in range(self.take(5))]
        table, code = [], 0
        for length in range(1, 17):
            for symbol, own in enumerate(lengths):
                if own == length:
                    bits = format(code >> (16 - length), f"0{length}b")
                    table.append(((1 << length) - 1, int(bits[::-1], 2), length, symbol))
                    code += 1 << (16 - length)
        return table

    def value(self, table: list[tuple[int, int, int, int]]) -> int:
        """A number: its bit length is Huffman-coded, the bits below the highest follow."""
        peek = self.peek()
        for mask, code, length, symbol in table:
            if peek & mask == code:
                self.take(length)
                return symbol if symbol < 2 else self.take(symbol - 1) | 1 << (symbol - 1)
        raise ValueError("RNC: no such code")


def unpack(data: bytes) -> bytes:
    """The unpacked bytes. Raises ValueError if `data` is not RNC method 1 or is damaged."""
    if data[:4] != b"RNC\x01":
        raise ValueError("not RNC method 1")
    (length,) = struct.unpack_from(">I", data, 4)
    reader = _Reader(data)
    reader.take(2)
    out = bytearray()
    for _ in range(data[17]):
        literals, distances, lengths = reader.table(), reader.table(), reader.table()
        rounds = reader.take(16)
        for i in range(rounds):
            count = reader.value(literals)
            if count:
                out += reader.literal(count)
            if i + 1 < rounds:
                distance = reader.value(distances) + 1
                for _ in range(reader.value(lengths) + MATCH_MIN):
                    out.append(out[-distance])
    if len(out) != length:
        raise ValueError(f"RNC: {len(out)} bytes instead of {length}")
    return bytes(out)
