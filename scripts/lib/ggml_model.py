#!/usr/bin/env python3
"""What is in a whisper.cpp model file (MODEL.bin): the bytes of its weights, and the same weights in f16.

    ggml_model.py MODEL                 bytes that one encoder run reads, and one decoder step
    ggml_model.py MODEL --to-f16 OUT    writes the 8-bit model widened to f16, to compare the cost of the two
"""
import argparse
import math
import struct
from pathlib import Path
from typing import Iterator, NamedTuple

F16, Q8_0 = 1, 8
# Elements and bytes of a block of each type of tensor: f32, f16, q8_0 (ggml.c, type_traits).
BLOCKS = {0: (1, 4), F16: (1, 2), Q8_0: (32, 34)}
# The file type is the last number of the header.
FILE_TYPE_OFFSET = 11 * 4


class Tensor(NamedTuple):
    name: str
    dims: tuple[int, ...]
    kind: int
    data: bytes


def vocabulary(model: bytes) -> tuple[list[bytes], int]:
    """The bytes of each token, and where the tensors begin: behind header, mel filters and vocabulary."""
    offset = 12 * 4
    rows, columns = struct.unpack_from("<2i", model, offset)
    offset += 8 + 4 * rows * columns
    (count,) = struct.unpack_from("<i", model, offset)
    offset += 4
    tokens = []
    for _ in range(count):
        (length,) = struct.unpack_from("<i", model, offset)
        offset += 4 + length
        tokens.append(model[offset - length : offset])
    return tokens, offset


def tensors(model: bytes) -> Iterator[Tensor]:
    _, offset = vocabulary(model)
    while offset < len(model):
        rank, name_length, kind = struct.unpack_from("<3i", model, offset)
        offset += 12
        dims = struct.unpack_from(f"<{rank}i", model, offset)
        offset += 4 * rank
        name = model[offset : offset + name_length].decode()
        offset += name_length
        elements, size = BLOCKS[kind]
        length = math.prod(dims) // elements * size
        yield Tensor(name, dims, kind, model[offset : offset + length])
        offset += length


def weight_bytes(model: bytes) -> tuple[int, int]:
    """Bytes of weights that one encoder run reads, and one decoder step.

    With the encoder go the keys and values of the cross attention, which are computed once. Of the positional
    embeddings a step reads one row; the embedding of the tokens is read whole, for the logits.
    """
    encoder = step = 0
    for tensor in tensors(model):
        if tensor.name.startswith("encoder.") or ".cross_attn.key." in tensor.name or ".cross_attn.value." in tensor.name:
            encoder += len(tensor.data)
        elif tensor.name != "decoder.positional_embedding":
            step += len(tensor.data)
    return encoder, step


def to_f16(model: bytes) -> bytes:
    """The same model with its 8-bit tensors in f16."""
    _, offset = vocabulary(model)
    out = [model[:FILE_TYPE_OFFSET], struct.pack("<i", 1), model[FILE_TYPE_OFFSET + 4 : offset]]
    for tensor in tensors(model):
        kind, data = tensor.kind, tensor.data
        if kind == Q8_0:
            kind = F16
            blocks = struct.iter_unpack("<e32b", data)
            data = b"".join(struct.pack("<32e", *(scale * value for value in values)) for scale, *values in blocks)
        out.append(struct.pack("<3i", len(tensor.dims), len(tensor.name), kind))
        out.append(struct.pack(f"<{len(tensor.dims)}i", *tensor.dims))
        out.append(tensor.name.encode())
        out.append(data)
    return b"".join(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--to-f16", type=Path, metavar="OUT")
    arguments = parser.parse_args()
    model = arguments.model.read_bytes()
    if arguments.to_f16:
        arguments.to_f16.write_bytes(to_f16(model))
    else:
        encoder, step = weight_bytes(model)
        print(f"encoder {encoder} bytes, decoder step {step} bytes")


if __name__ == "__main__":
    main()
