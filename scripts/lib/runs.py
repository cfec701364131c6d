"""Runs of `oratype bench` on speech sets: each is kept and not done again, so that what was stopped goes on.

The word error rates and their intervals all come from `oratype bench --score`.
"""

import argparse
import csv
import hashlib
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

NUMBER = r"([+-]?[0-9.]+)"
WORDS = re.compile(r"^words +(\d+)", re.MULTILINE)
RATE = re.compile(rf"^WER +{NUMBER} % 95 % interval {NUMBER} to {NUMBER}", re.MULTILINE)
DIFFERENCE = re.compile(
    rf"^against the other +{NUMBER} points of WER, 95 % interval {NUMBER} to {NUMBER}; (\d+) better, (\d+) worse",
    re.MULTILINE,
)


def parser(description):
    """The options that every script with runs has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--oratype", type=Path, required=True, help="the program")
    parser.add_argument("--models", type=Path, required=True, help="the folder of models")
    parser.add_argument("--model", type=Path, help="another model file")
    parser.add_argument("--set", type=Path, required=True, action="append", dest="sets", help="manifest; several times")
    parser.add_argument("--results", type=Path, required=True, help="where runs are kept")
    return parser


class SpeechSet:
    """A manifest; its name is that of the file, or of the folder if the file is called manifest.tsv."""

    def __init__(self, path):
        self.path = path.resolve()
        self.name = self.path.parent.name if path.stem == "manifest" else path.stem
        with path.open(encoding="utf-8", newline="") as file:
            self.rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))

    def recordings(self):
        """The files of sound."""
        return [self.path.parent / row["path"] for row in self.rows]


def speech_sets(paths):
    """The sets; a comparison pairs recordings by id, so no two may have the same."""
    sets = [SpeechSet(path) for path in paths]
    ids = [row["id"] for one in sets for row in one.rows]
    if len(set(ids)) < len(ids):
        sys.exit("two of the sets have a recording of the same id; give each set once")
    return sets


class Bench:
    """`oratype bench`, with one program, one folder of models and one folder of results."""

    def __init__(self, arguments):
        self.oratype, self.results = arguments.oratype, arguments.results
        self.options = ["--models", str(arguments.models)]
        models = sorted(arguments.models.glob("*.*"))
        if arguments.model:
            self.options += ["--model", str(arguments.model)]
            models.append(arguments.model)
        self.digests = [digest(path) for path in (self.oratype, *models)]

    def run(self, speech_set, name, options=(), inputs=()):
        """The file of results of one run; done only if there is none of the same program, models, recordings, options
        and contents of `inputs`, which are files that the options name."""
        files = [speech_set.path, *speech_set.recordings(), *inputs]
        key = [*self.digests, str(speech_set.path), *map(digest, files), *self.options, *options]
        slug = re.sub(r"\W+", "-", name).strip("-")
        out = self.results / speech_set.name / f"{slug}-{hashlib.sha256(repr(key).encode()).hexdigest()[:12]}.jsonl"
        if out.exists():
            return out
        out.parent.mkdir(parents=True, exist_ok=True)
        # Only what is complete gets the name by which it is found.
        part = out.with_suffix(".part")
        command = [self.oratype, "bench", *self.options, *options, "--pace", "fast"]
        command += ["--set", speech_set.path, "--out", part]
        done = subprocess.run(command, stdout=subprocess.DEVNULL)
        if done.returncode != 0 or len(lines_of([part])) != len(speech_set.rows):
            sys.exit(f"{speech_set.name}, {name}: not all recordings were recognised (status {done.returncode})")
        return part.rename(out)

    def score(self, name, files, against=None):
        """Results of one or several sets in figures, and how they differ from those of another run of the sets."""
        command = [self.oratype, "bench"]
        for option, paths in (("--score", files), ("--against", against or [])):
            command += [word for path in paths for word in (option, path)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        words, rate, difference = (pattern.search(done.stdout) for pattern in (WORDS, RATE, DIFFERENCE))
        if done.returncode != 0 or not rate:
            sys.exit(f"{done.stdout}{name}: no WER (status {done.returncode}); do the sets have references?")
        lines = lines_of(files)
        return {
            "name": name,
            "utterances": len(lines),
            "words": int(words[1]),
            "wer_percent": [float(number) for number in rate.groups()],
            "cpu_ms": statistics.mean(line["cpu_ms"] for line in lines),
            "again": sum(line["retries"] > 0 for line in lines),
            # Points, the interval's ends, utterances that are better and worse.
            "difference": [float(number) for number in difference.groups()] if difference else None,
        }


def digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def lines_of(files):
    return [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
