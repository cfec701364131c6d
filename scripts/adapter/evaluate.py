"""Measure models at several margins, with the product's own engine (app/examples/margins.rs).

The sets have speakers that were not trained on: prompts is the public benchmark (one voice, clear), the others are
those of sets.py. Where no texts are known, the stock model's full context is the reference, so that only differences
from it count.

Writes results/NAME-HASH.tsv into the cache, HASH being that of the model file: set, id, hash of sound and reference,
margin, ending, tokens, word errors, words of the reference, milliseconds of processor time, text. What was measured
before with the same model on the same recording is kept. Models may be measured side by side, the stock one first.
"""

import argparse
import csv
import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sets import COLUMNS, LENGTH_MAX_S, TEXTED, UNTEXTED

SETS = ("prompts", *TEXTED, *UNTEXTED)
MARGINS = ("full", "32", "64", "128")
TAB = dict(delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n")


def hash_of(*parts: bytes) -> str:
    """A short name for contents."""
    return hashlib.sha256(b"\n".join(parts)).hexdigest()[:12]


def chosen(rows: list[dict], count: int) -> list[dict]:
    """At most `count` rows, speaker by speaker, the same in every run; of changed recordings the same ones."""
    order = lambda row: hashlib.sha256(row["id"].split("-")[-1].encode()).digest()  # noqa: E731
    of_speaker: dict[str, int] = {}
    rounds = []
    for row in sorted(rows, key=order):
        rounds.append((of_speaker.get(row["speaker"], 0), row))
        of_speaker[row["speaker"]] = rounds[-1][0] + 1
    taken = [row for _, row in sorted(rounds, key=lambda pair: pair[0])[:count]]
    return sorted(taken, key=lambda row: row["id"])


def load(manifest: Path) -> list[dict]:
    """Rows of a manifest that are not too long, with paths that hold elsewhere too and a hash."""
    with open(manifest, newline="") as file:
        rows = [row for row in csv.DictReader(file, **TAB) if float(row["duration_s"]) <= LENGTH_MAX_S]
    for row in rows:
        path = (manifest.parent / row["path"]).resolve()
        row |= dict(path=str(path), hash=hash_of(path.read_bytes(), row["reference"].encode()))
    return rows


def manifest_of(cache: Path, prompts: Path, name: str) -> Path:
    """The manifest of a set."""
    return prompts if name == "prompts" else cache / "sets" / f"{name}.tsv"


@dataclass
class Result:
    """One recording recognised once; the columns of a results file."""

    set: str
    id: str
    hash: str
    margin: str
    ending: str
    tokens: int
    errors: int
    words: int
    cpu_ms: float
    text: str

    def __post_init__(self):
        self.tokens, self.errors, self.words, self.cpu_ms = int(self.tokens), int(self.errors), int(self.words), float(self.cpu_ms)  # fmt: skip


def results_of(cache: Path, name: str, model: Path) -> Path:
    """Where a model's results are."""
    return cache / "results" / f"{name}-{hash_of(model.read_bytes())}.tsv"


def read_results(path: Path) -> list[Result]:
    """All of a results file; nothing if there is none."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return [Result(*row) for row in csv.reader(file, **TAB)]


def name_and_path(text: str) -> tuple[str, Path]:
    """NAME=FILE."""
    name, _, path = text.partition("=")
    return name, Path(path)


def recognise(arguments: argparse.Namespace, rows: list[dict], margin: str, results: Path) -> list[str]:
    """What the program says about the recordings, shared among the workers; the lists for them lie beside the results."""
    workers = min(arguments.workers, len(rows))
    running = []
    for worker in range(workers):
        listing = results.with_suffix(f".todo-{worker}")
        with open(listing, "w", newline="") as file:
            lines = csv.DictWriter(file, COLUMNS, extrasaction="ignore", **TAB)
            lines.writeheader()
            lines.writerows(rows[worker::workers])
        command = [arguments.program, arguments.model[1], listing, margin]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    outputs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(f"{arguments.program} failed on the recordings of {results.with_suffix('.todo-*')}")
    for worker in range(workers):
        results.with_suffix(f".todo-{worker}").unlink()
    return outputs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--prompts", type=Path, required=True, help="manifest of the public benchmark")
    parser.add_argument("--program", type=Path, required=True, help="target/release/examples/margins")
    parser.add_argument("--stock", type=name_and_path, required=True, metavar="NAME=FILE", help="the model to compare with")
    parser.add_argument("--model", type=name_and_path, required=True, metavar="NAME=FILE", help="the model to measure")
    parser.add_argument("--margins", default=",".join(MARGINS), help="positions, or full")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--per-set", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread that recognise")
    arguments = parser.parse_args()
    cache = arguments.cache
    (cache / "results").mkdir(exist_ok=True)
    is_stock = arguments.model == arguments.stock
    path = results_of(cache, *arguments.model)
    results = {(result.id, result.hash, result.margin): result for result in read_results(path)}
    full = {result.id: result for result in read_results(results_of(cache, *arguments.stock)) if result.margin == "full"}
    for name in arguments.sets.split(","):
        rows = chosen(load(manifest_of(cache, arguments.prompts, name)), arguments.per_set)
        hashes = {row["id"]: row["hash"] for row in rows}
        for margin in arguments.margins.split(","):
            todo = [row for row in rows if (row["id"], row["hash"], margin) not in results]
            own = name in UNTEXTED and is_stock and margin == "full"
            if name in UNTEXTED and not own:
                if any(row["id"] not in full for row in todo):
                    raise SystemExit(f"{name} has no texts: measure {arguments.stock[0]} at full context first")
                todo = [row | {"reference": full[row["id"]].text} for row in todo]
            if not todo:
                continue
            output = "".join(recognise(arguments, todo, margin, path))
            with open(path, "a") as out:
                for line in output.split("\n")[:-1]:
                    id_, *rest = line.split("\t")
                    result = Result(name, id_, hashes[id_], *rest)
                    if own:
                        # Its own reference: no error, and as many words as it has.
                        result.errors, result.words = 0, len(result.text.split())
                        full[id_] = result
                    out.write("\t".join(map(str, vars(result).values())) + "\n")
            print(f"{arguments.model[0]}, {name}, {margin}: {len(todo)} of {len(rows)} recordings", flush=True)


if __name__ == "__main__":
    main()
