"""Write the adapter file from a training checkpoint, or the average of some, and of other adapter files."""

import argparse
import hashlib
from pathlib import Path

import torch
from torch import Tensor

import lowrank

BYTES_MAX = 4 << 20


def load(path: Path, base_sha256: bytes) -> tuple[dict[str, Tensor], str]:
    """What a file adds to the model, and how far it was trained."""
    if path.suffix == ".pt":
        saved = torch.load(path, weights_only=True)
        return saved["model"], f"{saved['step']} steps"
    return lowrank.from_bytes(path.read_bytes(), base_sha256), path.name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", type=Path, nargs="+", metavar="PART", help="checkpoint.pt of train.py, or an adapter file")
    parser.add_argument("--model", type=Path, required=True, help="ggml-tiny.en.bin, f16, that they were trained on")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rank", type=int, default=31, help="of an average; 31 is the most that the file has room for")
    arguments = parser.parse_args()
    base_sha256 = hashlib.sha256(arguments.model.read_bytes()).digest()
    adapters, trained = zip(*(load(path, base_sha256) for path in arguments.parts), strict=True)
    data = lowrank.to_bytes(lowrank.average(list(adapters), arguments.rank), base_sha256)
    if len(data) > BYTES_MAX:
        raise SystemExit(f"{len(data)} bytes are more than an adapter may have, {BYTES_MAX}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(data)
    print(f"{arguments.out}: {len(data)} bytes, of {', '.join(trained)}, SHA-256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
