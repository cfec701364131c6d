"""Write the adapter file from a training checkpoint, or the average of some (layout: image/src/model/adapter.rs)."""

import argparse
import hashlib
import struct
from pathlib import Path

import torch
from torch import Tensor

BYTES_MAX = 4 << 20


def adapter_bytes(weights: dict[str, torch.Tensor], base_sha256: bytes) -> bytes:
    """The file's bytes. weights: `<linear>.a` [rank, columns] and `<linear>.b` [rows, rank]."""
    names = sorted(name[:-2] for name in weights if name.endswith(".a"))
    parts = [b"lowrank\x01", base_sha256, struct.pack("<I", len(names))]
    for name in names:
        a, b = weights[f"{name}.a"], weights[f"{name}.b"]
        stored = f"{name}.weight".encode()
        parts.append(struct.pack("<H", len(stored)) + stored)
        parts.append(struct.pack("<3I", b.shape[0], a.shape[1], a.shape[0]))
        parts.append(a.half().numpy().tobytes() + b.half().numpy().tobytes())
    return b"".join(parts)


def average(adapters: list[dict[str, Tensor]], rank: int) -> dict[str, Tensor]:
    """What adapters add to the model on average, again as a low-rank addition: the nearest there is. Alone as it is."""
    if len(adapters) == 1:
        return adapters[0]
    result, lost, whole = {}, 0.0, 0.0
    for name in (name.removesuffix(".a") for name in adapters[0] if name.endswith(".a")):
        added = torch.stack([adapter[f"{name}.b"] @ adapter[f"{name}.a"] for adapter in adapters]).mean(0)
        u, s, v = torch.linalg.svd(added, full_matrices=False)
        lost, whole = lost + (s[rank:] ** 2).sum().item(), whole + (s**2).sum().item()
        # The same size on both sides, for f16.
        result[f"{name}.b"], result[f"{name}.a"] = u[:, :rank] * s[:rank].sqrt(), s[:rank, None].sqrt() * v[:rank]
    print(f"the average of {len(adapters)} with rank {rank}: {100 * lost / whole:.2f} % of its power is left out")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", type=Path, nargs="+", metavar="CHECKPOINT", help="checkpoint.pt of train.py")
    parser.add_argument("--model", type=Path, required=True, help="ggml-tiny.en.bin, f16, that they were trained on")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rank", type=int, default=31, help="of an average; 31 is the most that the file has room for")
    arguments = parser.parse_args()
    saved = [torch.load(path, weights_only=True) for path in arguments.checkpoints]
    adapter = average([one["model"] for one in saved], arguments.rank)
    data = adapter_bytes(adapter, hashlib.sha256(arguments.model.read_bytes()).digest())
    if len(data) > BYTES_MAX:
        raise SystemExit(f"{len(data)} bytes are more than an adapter may have, {BYTES_MAX}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(data)
    steps = ", ".join(str(one["step"]) for one in saved)
    print(f"{arguments.out}: {len(data)} bytes, steps {steps}, SHA-256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
