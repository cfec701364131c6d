"""Write the adapter file from a training checkpoint (layout: image/src/model/adapter.rs)."""

import argparse
import hashlib
import struct
from pathlib import Path

import torch

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path, help="checkpoint.pt of train.py")
    parser.add_argument("model", type=Path, help="ggml-tiny.en.bin, f16, that it was trained on")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    saved = torch.load(arguments.checkpoint, weights_only=True)
    data = adapter_bytes(saved["model"], hashlib.sha256(arguments.model.read_bytes()).digest())
    if len(data) > BYTES_MAX:
        raise SystemExit(f"{len(data)} bytes are more than an adapter may have, {BYTES_MAX}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(data)
    print(f"{arguments.out}: {len(data)} bytes, step {saved['step']}, SHA-256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
