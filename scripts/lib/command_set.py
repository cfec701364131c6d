"""Speaks the rows of tests/speech/commands.tsv by machine, dictates them, and says what became of each.

    command_set.py --program ORATYPE --manifest TSV --out FOLDER [--models FOLDER]

The voices are synthetic (flite and espeak-ng): nobody has recorded spoken commands that may be passed on. Whisper
mishears them more often than people, so two things are counted: recordings that became exactly what the row says, and
the same of those alone of which Whisper understood every word. A row may have a line of settings of its own. Everything
runs one after the other, on one thread.
"""

import argparse
import csv
import hashlib
import re
import subprocess
import sys
from pathlib import Path

# Words a minute of flite's voices at a stretch of 1, roughly.
FLITE_WORDS_PER_MINUTE = 175


def speak(row, path):
    """One recording; kept if it is there already."""
    if path.exists():
        return
    voice, rate, text = row["voice"], int(row["words_per_minute"]), row["spoken"]
    part = path.with_suffix(".part")
    if voice.startswith("en"):
        command = ["espeak-ng", "-v", voice, "-s", str(rate), "-w", part, text]
    else:
        stretch = f"duration_stretch={FLITE_WORDS_PER_MINUTE / rate:.2f}"
        command = ["flite", "-voice", voice, "--setf", stretch, "-t", text, "-o", part]
    subprocess.run(command, check=True)
    part.rename(path)


def words(text):
    """The letters and figures: how Whisper sets punctuation, hyphens and capitals does not count."""
    text = text.lower().replace("forty two", "42")
    return re.sub(r"[^a-z0-9]", "", text)


def form(text):
    """A written form: capitals, and commas and the full stops of "p.m.", are a matter of taste."""
    return re.sub(r",|\.(?=$|\s|m\b)", "", text.lower())


# What a row is about, by the beginning of its id.
GROUPS = {"word": "ordinary words", "form": "written forms"}


def is_understood(row, heard, typed):
    """Whether Whisper understood every word. It writes numbers in figures by itself, so that for written forms it is
    the letters and figures that must be as they were meant, and the rules have to do the rest."""
    if row["id"].startswith("form-"):
        return words(typed) == words(row["typed"])
    return words(heard) == words(row["spoken"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True, type=Path)
    parser.add_argument("--manifest", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--models", type=Path, default=Path(".cache/models"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    settings = arguments.out / "settings.toml"
    with arguments.manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    counts = {}
    for row in rows:
        spoken = hashlib.sha256(row["spoken"].encode()).hexdigest()[:8]
        path = arguments.out / f"{row['id']}-{row['voice']}-{row['words_per_minute']}-{spoken}.wav"
        speak(row, path)
        settings.write_text(f"{row['settings']}\n[recogniser]\nthreads = 1\n")
        command = [arguments.program, "-vv", "run", "--pace", "fast", "--models", arguments.models]
        command += ["--settings", settings, "--wav", path]
        run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        typed = run.stdout.removesuffix("\n").replace("\t", "\\t").replace("\n", "\\n")
        heard = " ".join(re.findall(r'Transcript \{ text: "(.*?)", ', run.stderr))
        understood = is_understood(row, heard, typed)
        same = form if row["id"].startswith("form-") else str
        right = same(typed) == same(row["typed"])
        group = GROUPS.get(row["id"].split("-")[0], "commands")
        count = counts.setdefault(group, {"all": 0, "right": 0, "understood": 0, "obeyed": 0})
        count["all"] += 1
        count["right"] += right
        count["understood"] += understood
        count["obeyed"] += understood and right
        if not right:
            print(f"{row['id']} ({row['voice']}): {row['spoken']}\n  heard:    {heard}")
            print(f"  typed:    {typed}\n  expected: {row['typed']}")
    for group, count in counts.items():
        print(
            f"{group}: {count['right']} of {count['all']} recordings became exactly what was meant; "
            f"{count['obeyed']} of {count['understood']} of those that were understood word for word"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
