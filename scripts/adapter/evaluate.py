"""Measure stock and adapted model at several margins, with the product's own engine (app/examples/margins.rs).

The sets have speakers that were not trained on. prompts: the public benchmark (one voice, clear). read: held-out
VoxForge volunteers. noisy: NOIZEUS sentences, degraded as P.835's reference
conditions are (noise, distortion). Where no texts are known, the stock model's
full context is the reference, so that only differences from it count: spontaneous (interviews), accented (addresses
and names), telephone (8 kHz prompts). Writes results.tsv into the cache: model, set, path, margin, ending, tokens,
word errors, words of the reference, milliseconds of processor time, text. Rows that are there are kept.
"""

import argparse
import csv
import hashlib
import json
import re
import subprocess
import wave
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SETS = ("prompts", "read", "noisy", "spontaneous", "accented", "telephone")
TEXTED = ("prompts", "read", "noisy")
"""Sets with texts of their own."""
LENGTH_MIN_S, LENGTH_MAX_S = 1.0, 12.0


def chosen(items: list, count: int, key) -> list:
    """At most `count` items, the same in every run."""
    return sorted(sorted(items, key=lambda item: hashlib.sha256(key(item).encode()).digest())[:count], key=key)


def set_of(record: dict) -> str | None:
    """The test set a recording belongs to."""
    names = {"voxforge": "read", "alphanumeric": "accented", "test-noisy": "noisy", "test-prompts": "telephone"}
    if record["use"] != "test":
        return None
    return names.get(record["source"], "spontaneous")


def reference_of(record: dict, sentences: dict[str, str]) -> str:
    """What is said, as far as it is known."""
    if match := re.search(r"/sp(\d+)_", record["path"]):
        digits = match.group(1)
        return " ".join(sentences[digits[i : i + 2]] for i in range(0, len(digits), 2))
    return record.get("text", "")


def lists(cache: Path, speech: Path, per_set: int) -> dict[str, list[tuple[Path, str]]]:
    """Files (raw S16) and references of every set."""
    folder = cache / "test"
    folder.mkdir(exist_ok=True)
    result: dict[str, list[tuple[Path, str]]] = {name: [] for name in SETS}
    with open(HERE / "../../tests/speech/asterisk.tsv") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if float(row["duration_s"]) >= LENGTH_MIN_S]
    for row in chosen(rows, per_set, lambda row: row["id"]):
        with wave.open(str(speech / "asterisk" / row["path"])) as sound:
            data = sound.readframes(sound.getnframes())
        path = folder / f"{row['id']}.s16"
        path.write_bytes(data)
        result["prompts"].append((path, row["reference"]))
    sounds = np.memmap(cache / "sounds.i16", "<i2", "r")
    records = [json.loads(line) for line in (cache / "recordings.jsonl").read_text().splitlines()]
    sentences = dict(line.split("\t") for line in (HERE / "noizeus.txt").read_text().splitlines())
    for name in SETS[1:]:
        fit = [r for r in records if set_of(r) == name and LENGTH_MIN_S <= r["samples"] / 16000 <= LENGTH_MAX_S]
        if name == "accented":
            fit = [r for r in fit if "Numbers" not in r["path"]]
        if name in TEXTED:
            fit = [r for r in fit if reference_of(r, sentences)]
        for record in chosen(fit, per_set, lambda r: r["path"]):
            path = folder / f"{name}-{hashlib.sha256(record['path'].encode()).hexdigest()[:12]}.s16"
            path.write_bytes(sounds[record["start"] : record["start"] + record["samples"]].tobytes())
            result[name].append((path, reference_of(record, sentences)))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--speech", type=Path, required=True, help="folder of the project's speech sets")
    parser.add_argument("--program", type=Path, required=True, help="target/release/examples/margins")
    parser.add_argument("--model", action="append", required=True, metavar="NAME=FILE", help="stock=… first")
    parser.add_argument("--margins", default="full,32,64,128")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--per-set", type=int, default=60)
    arguments = parser.parse_args()
    cache = arguments.cache
    results = cache / "results.tsv"
    rows = list(csv.reader(results.open(), delimiter="\t", quoting=csv.QUOTE_NONE)) if results.exists() else []
    known = {(row[0], row[2], row[3]): row for row in rows}
    files = lists(cache, arguments.speech, arguments.per_set)
    for model in arguments.model:
        name, _, path = model.partition("=")
        for test in arguments.sets.split(","):
            for margin in arguments.margins.split(","):
                todo = []
                for file, reference in files[test]:
                    if test not in TEXTED and (name, margin) != ("stock", "full"):
                        reference = known["stock", file.name, "full"][9]
                    if (name, file.name, margin) not in known:
                        todo.append(f"{file}\t{reference}\n")
                if not todo:
                    continue
                listing = cache / "test" / "list.tsv"
                listing.write_text("".join(todo))
                output = subprocess.run([arguments.program, path, listing, margin], check=True, capture_output=True, text=True)
                with open(results, "a") as out:
                    for line in output.stdout.splitlines():
                        file, *rest = line.split("\t")
                        row = [name, test, Path(file).name, *rest]
                        if test not in TEXTED and (name, margin) == ("stock", "full"):
                            # Its own reference: no error, and as many words as it has.
                            row[6], row[7] = "0", str(len(row[9].split()))
                        known[name, row[2], margin] = row
                        out.write("\t".join(row) + "\n")
                print(f"{name}, {test}, {margin}: {len(todo)} recordings", flush=True)


if __name__ == "__main__":
    main()
