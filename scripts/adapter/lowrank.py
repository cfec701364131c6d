"""The adapter file (layout: image/src/model/adapter.rs), and averages of adapters.

An adapter is a dictionary of tensors: `<linear>.a` [rank, columns] and `<linear>.b` [rows, rank].
"""

import struct

import numpy as np
import torch
from torch import Tensor

MAGIC = b"lowrank\x01"


def to_bytes(adapter: dict[str, Tensor], base_sha256: bytes) -> bytes:
    """The file's bytes, f16."""
    names = sorted(name[:-2] for name in adapter if name.endswith(".a"))
    parts = [MAGIC, base_sha256, struct.pack("<I", len(names))]
    for name in names:
        a, b = adapter[f"{name}.a"], adapter[f"{name}.b"]
        stored = f"{name}.weight".encode()
        parts.append(struct.pack("<H", len(stored)) + stored)
        parts.append(struct.pack("<3I", b.shape[0], a.shape[1], a.shape[0]))
        parts.append(a.half().numpy().tobytes() + b.half().numpy().tobytes())
    return b"".join(parts)


def from_bytes(data: bytes, base_sha256: bytes) -> dict[str, Tensor]:
    """The adapter of a file, f32; it must be one for the model with this hash."""
    if not data.startswith(MAGIC) or data[8:40] != base_sha256:
        raise SystemExit("this is no adapter, or one for another model")
    (count,) = struct.unpack_from("<I", data, 40)
    offset, adapter = 44, {}

    def matrix(rows: int, columns: int) -> Tensor:
        nonlocal offset
        values = np.frombuffer(data, "<f2", rows * columns, offset).astype(np.float32)
        offset += 2 * rows * columns
        return torch.from_numpy(values.reshape(rows, columns))

    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, offset)
        name = data[offset + 2 : offset + 2 + length].decode().removesuffix(".weight")
        rows, columns, rank = struct.unpack_from("<3I", data, offset + 2 + length)
        offset += 2 + length + 12
        adapter[f"{name}.a"] = matrix(rank, columns)
        adapter[f"{name}.b"] = matrix(rows, rank)
    return adapter


def average(adapters: list[dict[str, Tensor]], rank: int) -> dict[str, Tensor]:
    """What adapters add to the model on average, again as a low-rank addition: the nearest there is. Alone as it is."""
    if len(adapters) == 1:
        return adapters[0]
    if any(adapter.keys() != adapters[0].keys() for adapter in adapters):
        raise SystemExit("these adapters change different layers")
    result, lost, whole = {}, 0.0, 0.0
    for name in (name.removesuffix(".a") for name in adapters[0] if name.endswith(".a")):
        added = torch.stack([adapter[f"{name}.b"] @ adapter[f"{name}.a"] for adapter in adapters]).mean(0)
        u, s, v = torch.linalg.svd(added, full_matrices=False)
        lost, whole = lost + (s[rank:] ** 2).sum().item(), whole + (s**2).sum().item()
        # The same size on both sides, for f16.
        result[f"{name}.b"], result[f"{name}.a"] = u[:, :rank] * s[:rank].sqrt(), s[:rank, None].sqrt() * v[:rank]
    print(f"the average of {len(adapters)} with rank {rank}: {100 * lost / whole:.2f} % of its power is left out")
    return result
