"""Prints the engines side by side and writes RESULTS/summary.json for plot.py.

Reads RESULTS/{product,full-context,faster-whisper}.jsonl. The word error rates all come from one
normalisation and alignment, that of `oratype bench --score`.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys

ENGINES = {
    "product": "Oratype",
    "full-context": "whisper.cpp, full context",
    "faster-whisper": "faster-whisper int8",
}


def word_error_rate(scorer, results):
    """The percentage that `oratype bench --score` reports."""
    command = [scorer, "bench", "--score", str(results)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    found = re.search(r"WER\D*([0-9.]+) ?%", done.stdout)
    if done.returncode != 0 or not found:
        sys.exit(f"{done.stdout}{' '.join(command)}: no WER (status {done.returncode})")
    return float(found.group(1))


def latency_ms(line):
    """From the end of the utterance to its last character, or to the whole text."""
    return line.get("release_to_last_key_ms", line.get("wall_ms"))


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def summary(name, scorer, results):
    with results.open(encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    # Nothing was typed, so nothing was waited for.
    latencies = [ms for ms in map(latency_ms, lines) if ms is not None]
    return {
        "name": name,
        "utterances": len(lines),
        "wer_percent": word_error_rate(scorer, results),
        "cpu_ms": statistics.mean(line["cpu_ms"] for line in lines),
        "latencies_ms": latencies,
    }


def table(engines):
    rows = [("", "WER", "CPU/utterance", "latency p50", "p95", "CPU ratio")]
    for engine in engines:
        p50, p95 = (percentile(engine["latencies_ms"], percent) for percent in (50, 95))
        rows.append((
            engine["name"],
            f"{engine['wer_percent']:.2f} %",
            f"{engine['cpu_ms']:.0f} ms",
            f"{p50:.0f} ms",
            f"{p95:.0f} ms",
            f"{engine['cpu_ms'] / engines[0]['cpu_ms']:.2f}",
        ))
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
        print("  ".join(cells).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scorer", required=True, help="the oratype program")
    parser.add_argument("--results", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    engines = [
        summary(name, arguments.scorer, arguments.results / f"{file}.jsonl")
        for file, name in ENGINES.items()
    ]
    counts = {engine["utterances"] for engine in engines}
    if len(counts) != 1:
        sys.exit(f"the engines answered different numbers of utterances: {sorted(counts)}")
    (arguments.results / "summary.json").write_text(json.dumps(engines), encoding="utf-8")
    print(f"{counts.pop()} utterances, one run; latency: end of utterance to last character")
    table(engines)


if __name__ == "__main__":
    main()
