"""Reader of whisper.cpp's ggml model files in f16 (layout: image/src/model/ggml.rs)."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MAGIC = 0x67676D6C
F32, F16 = 0, 1


@dataclass
class GgmlModel:
    """What a model file holds."""

    hyperparameters: tuple[int, ...]
    """The eleven numbers of the header."""
    mel_filters: np.ndarray
    """f32 [80, 201]."""
    vocabulary: list[bytes]
    """Tokens in the order of their numbers."""
    tensors: dict[str, np.ndarray]
    """f16 or f32, in the order of the file, slowest dimension first."""


def read(path: Path) -> GgmlModel:
    """Read a model file. Raises ValueError for anything but f16 ggml."""
    data = memoryview(path.read_bytes())
    magic, *hyperparameters = struct.unpack_from("<12i", data, 0)
    if magic != MAGIC or hyperparameters[10] != F16:
        raise ValueError(f"{path}: not a ggml model in f16")
    at = 48
    mels, bins = struct.unpack_from("<2i", data, at)
    at += 8
    filters = np.frombuffer(data, "<f4", mels * bins, at).reshape(mels, bins)
    at += 4 * mels * bins
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    vocabulary = []
    for _ in range(count):
        (length,) = struct.unpack_from("<i", data, at)
        vocabulary.append(bytes(data[at + 4 : at + 4 + length]))
        at += 4 + length
    tensors = {}
    while at < len(data):
        dimensions, name_length, kind = struct.unpack_from("<3i", data, at)
        at += 12
        shape = struct.unpack_from(f"<{dimensions}i", data, at)[::-1]
        at += 4 * dimensions
        name = bytes(data[at : at + name_length]).decode()
        at += name_length
        if kind not in (F32, F16):
            raise ValueError(f"{path}: {name} is of type {kind}, not f32 or f16")
        array = np.frombuffer(data, "<f4" if kind == F32 else "<f2", int(np.prod(shape)), at)
        at += array.nbytes
        tensors[name] = array.reshape(shape)
    return GgmlModel(tuple(hyperparameters), filters, vocabulary, tensors)
