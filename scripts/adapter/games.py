"""Readers of the speech archives of two games that Debian carries.

Formats as ScummVM's engines read them (engines/sky/disk.cpp, engines/queen/resource.cpp).
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import rnc

SKY_SPEECH = range(50_000, 56_000)
"""File numbers of dialogue; beyond are music and effects."""
SKY_HEADER_BYTES = 22
SKY_RATE_HZ = 11_025


def sky(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Speech of Beneath a Steel Sky: name and unsigned 8-bit samples at 11,025 Hz."""
    index = next(folder.rglob("sky.dnr")).read_bytes()
    disk = next(folder.rglob("sky.dsk")).read_bytes()
    (count,) = struct.unpack_from("<I", index)
    for i in range(count):
        entry = index[4 + 8 * i : 12 + 8 * i]
        (number,) = struct.unpack_from("<H", entry)
        if number not in SKY_SPEECH:
            continue
        # Offset: 24 bits from byte 2, the highest of which says that it counts units of 16 bytes.
        offset = int.from_bytes(entry[2:6], "little") & 0xFFFFFF
        offset = (offset & 0x7FFFFF) * (16 if offset >> 23 else 1)
        size = int.from_bytes(entry[5:8], "little") & 0x3FFFFF
        samples = disk[offset + SKY_HEADER_BYTES : offset + size]
        yield f"{number}.u8", rnc.unpack(samples) if samples[:3] == b"RNC" else samples


def queen(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Speech of Flight of the Amazon Queen: name and a compressed sound file."""
    archive = next(p for p in folder.rglob("queen.1*") if p.is_file() and "man" not in p.parts)
    data = archive.read_bytes()
    if data[:4] != b"QTBL":
        raise ValueError(f"{archive}: not a Queen archive")
    compression = data[12]
    ending = {1: "mp3", 2: "ogg", 3: "flac"}[compression]
    (count,) = struct.unpack_from(">H", data, 13)
    for i in range(count):
        name, _bundle, offset, size = struct.unpack_from(">12sBII", data, 15 + 21 * i)
        name = name.split(b"\0")[0].decode("ascii")
        # Speech files begin with the number of the dialogue; the others are sound effects.
        if name.endswith(".SB") and size > 2000:
            yield f"{name}.{ending}", data[offset : offset + size]
