#!/usr/bin/env python3
"""Prints the table of scripts/bench --arm: what one recognition costs, variant by variant."""
import argparse
import math
import re
from pathlib import Path
from typing import NamedTuple

from ggml_model import F16, Q8_0, tensors, weight_bytes

# Decoder steps beside those of the words: start of transcript, opening and closing time stamp.
STEPS_BESIDE_WORDS = 3

TITLES = {
    "ggml": "ggml, rows times columns",
    "ggml-blocks": "ggml, blocked (GGML_LLAMAFILE)",
    "ggml-blocks-f16": "the same, weights in f16",
    "openblas": "encoder by OpenBLAS",
    "blas": "encoder by oratype-blas",
    "blas-f16": "the same, weights in f16",
}


class Board(NamedTuple):
    name: str
    clock_ghz: float
    # Instructions per cycle that matrix kernels reach, at worst and at best.
    per_cycle: tuple[float, float]
    threads: int
    memory_gb_per_s: float


# Published single-precision matrix products by one core, turned into cycles for our kernel, which has 20
# instructions for 64 products:
# - Cortex-A53, RK3399 at 1.42 GHz: 4.1 GFLOPS by a kernel like ours, 6.4 by one written for that core
#   (OpenBLAS pull requests 2618 and 2643): 1.4 to 2.3 products in a cycle.
# - Cortex-A72, Raspberry Pi 4: 3.2 double precision FLOP in a cycle over a whole Linpack run (OpenBLAS issue 4149);
#   in single precision twice as many, 3.2 products.
# Memory: half the peak of 32 bits LPDDR2 at 900 MT/s; 5.5 GB/s by STREAM (www.sci-pi.org.uk/bench/stream.html).
BOARDS = (
    Board("Raspberry Pi Zero 2 W", 1.0, (1.4 * 20 / 64, 2.3 * 20 / 64), 3, 1.8),
    Board("Raspberry Pi 4", 1.8, (0.8 * 3.2 * 20 / 64, 3.2 * 20 / 64), 3, 5.5),
)


class Result(NamedTuple):
    name: str
    total: int
    encoder: int
    decoder: int
    text: str
    weights_bytes: int
    widened_bytes: int


def read_counts(path: Path) -> dict[str, int]:
    """Counts of the whole and of the phases, by name."""
    counts = {}
    for line in path.read_text().splitlines():
        kind, name, count = line.split("\t")
        if kind != "function":
            counts[name or kind] = int(count)
    return counts


def widened_bytes(model: bytes) -> int:
    """Bytes of the f32 copies that a BLAS makes of the encoder's matrices, written and read once."""
    elements = sum(
        math.prod(tensor.dims)
        for tensor in tensors(model)
        if tensor.kind in (F16, Q8_0)
        and (tensor.name.startswith("encoder.") or re.search(r"cross_attn\.(key|value)\.", tensor.name))
    )
    return 2 * 4 * elements


def read(results: Path, name: str) -> Result:
    counts = read_counts(results / f"{name}.counts")
    log = (results / f"{name}.log").read_text()
    words = re.search(r"(\d+) tokens", log)
    if not words:
        raise SystemExit(f"{results / name}.log: does not say how many tokens there were")
    model = (results / f"{name}.model").read_bytes()
    encoder, step = weight_bytes(model)
    return Result(
        name,
        counts["total"],
        counts["whisper_encode_with_state"],
        counts["whisper_decode_with_state"],
        (results / f"{name}.text").read_text().strip(),
        encoder + (int(words[1]) + STEPS_BESIDE_WORDS) * step,
        widened_bytes(model) if "blas" in name else 0,
    )


def estimate(board: Board, result: Result) -> str:
    slow, fast = (
        (result.encoder + result.decoder) / (board.clock_ghz * 1e9 * per_cycle) for per_cycle in board.per_cycle
    )
    memory = (result.weights_bytes + result.widened_bytes) / (board.memory_gb_per_s * 1e9)
    return (
        f"  {board.name}: {fast:.1f} to {slow:.1f} s by one thread, "
        f"{max(fast / board.threads, memory):.1f} to {max(slow / board.threads, memory):.1f} s by {board.threads}; "
        f"weights alone {memory:.1f} s of memory traffic"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--audio-ctx", type=int, required=True)
    parser.add_argument("--chosen", required=True, help="the variant the appliance is built with")
    parser.add_argument("names", nargs="+", help="variants, in the order of the table")
    arguments = parser.parse_args()
    results = [read(arguments.results, name) for name in arguments.names]
    chosen = next(result for result in results if result.name == arguments.chosen)

    print(f"\nOne recognition at audio_ctx {arguments.audio_ctx}, cortex-a53, one thread (G instructions)\n")
    print(f"| {'variant':37} | total | encoder | decoder | weights read, MB | f32 copies, MB | text |")
    print("|---|---|---|---|---|---|---|")
    for result in results:
        title = TITLES.get(result.name, result.name)
        title = f"**{title}**" if result is chosen else title
        text = "as chosen" if result.text == chosen.text else "differs"
        print(
            f"| {title:37} | {result.total / 1e9:.2f} | {result.encoder / 1e9:.2f} | {result.decoder / 1e9:.2f} "
            f"| {result.weights_bytes / 1e6:.0f} | {result.widened_bytes / 1e6:.0f} | {text} |"
        )
    print("\nThe total includes loading the model. Weights read: all of the encoder once, all of the decoder for each")
    print("token. f32 copies: widened weights, written and read once, in part within the caches.")
    for text in dict.fromkeys(result.text for result in results):
        names = ", ".join(result.name for result in results if result.text == text)
        print(f"  {names}: {text}")
    print("\nEstimate, not measured: the chosen variant at the instructions per cycle of published matrix products")
    print("on the same cores (sources in scripts/lib/arm_report.py).")
    for board in BOARDS:
        print(estimate(board, chosen))


if __name__ == "__main__":
    main()
