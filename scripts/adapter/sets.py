"""The test sets: speech of people that were not trained on, as 16 kHz WAV files with manifests for `oratype bench`.

Reads what collect.py wrote; writes sets/NAME.tsv and sets/NAME/*.wav into the same folder. With texts:

read        14 volunteers of VoxForge read sentences at home; prepare.py leaves out these sentences where it knows texts
long        the same, each one's recordings joined, 10 to 24 s with short pauses between them
faster      read, a ninth faster; slower: a tenth slower; quiet: at -45 dB of full scale
noise-20    read, in recorded noise that was not trained with, 20 dB under the speech; noise-10, noise-5 likewise
noisy       NOIZEUS sentences, degraded as P.835's reference conditions are; "speaker" is the pair of sentences

Without texts, so that a model can only be compared with another (the reference is empty):

accented    names, numbers and addresses, mostly by people whose first language is another; what they were asked for is
            known, but not what they said
spontaneous interviews
telephone   prompts at 8 kHz, two voices

Every set is the same in every run.
"""

import argparse
import csv
import hashlib
import json
import re
import shutil
import wave
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

import augment
import prepare

HERE = Path(__file__).parent
RATE_HZ = augment.RATE_HZ
LENGTH_MIN_S, LENGTH_MAX_S = 0.4, 28.0
JOINED_MIN_S, JOINED_MAX_S = 10.0, 24.0
PAUSE_S = 0.3
QUIET_DB = -45.0
SNRS_DB = (20, 10, 5)
TEXTED = ("read", "long", "faster", "slower", "quiet", *(f"noise-{snr}" for snr in SNRS_DB), "noisy")
UNTEXTED = ("accented", "spontaneous", "telephone")
SOURCES = {
    "read": "voxforge", "noisy": "test-noisy", "accented": "alphanumeric", "spontaneous": "test-spontaneous",
    "telephone": "test-prompts",
}  # fmt: skip
COLUMNS = ["id", "path", "duration_s", "speaker", "reference"]


@dataclass
class Utterance:
    """A recording and what is said in it; the sound in f32 [samples] at 16 kHz."""

    id: str
    speaker: str
    reference: str
    sound: np.ndarray


def reference_of(record: dict, sentences: dict[str, str]) -> str:
    """What is said, as far as it is known."""
    if match := re.search(r"/sp(\d+)_", record["path"]):
        digits = match.group(1)
        return " ".join(sentences[digits[i : i + 2]] for i in range(0, len(digits), 2))
    return record.get("text", "")


def recorded(cache: Path) -> dict[str, list[Utterance]]:
    """The sets that are as they were recorded."""
    sounds, records = prepare.load(cache)
    sentences = dict(line.split("\t") for line in (HERE / "noizeus.txt").read_text().splitlines())
    result = {}
    for name, source in SOURCES.items():
        found = []
        for record in sorted((r for r in records if (r["use"], r["source"]) == ("test", source)), key=lambda r: r["path"]):
            reference = reference_of(record, sentences)
            if name in UNTEXTED:
                reference = ""
            unfit = name in TEXTED and not reference
            if unfit or not LENGTH_MIN_S <= record["samples"] / RATE_HZ <= LENGTH_MAX_S:
                continue
            sound = prepare.sound_of(sounds, record)
            speaker = re.search(r"/sp(\d+)_", record["path"]).group(1) if name == "noisy" else record["speaker"]
            found.append(Utterance(f"{name}-{digest(record['path'])}", speaker, reference, sound))
        result[name] = without_doubles(found)
    return result


def without_doubles(utterances: list[Utterance]) -> list[Utterance]:
    """Without sounds that are there more than once: telephone's prompts are, and files that were put in wrong places."""
    counts = Counter(utterance.sound.tobytes() for utterance in utterances)
    return [utterance for utterance in utterances if counts[utterance.sound.tobytes()] == 1]


def noises(cache: Path) -> list[list[np.ndarray]]:
    """Recorded noises that were not trained with, by source. A baby that was trained with is not among them."""
    sounds, records = prepare.load(cache)
    trained, tested = (prepare.noise_records(records, part) for part in (0, 1))
    # donateacry's file names begin with the device that recorded.
    device = lambda record: Path(record["path"]).name[:36].lower()  # noqa: E731
    known = {device(record) for record in trained if record["source"] == "noises-baby"}
    kept = [record for record in tested if record["source"] != "noises-baby" or device(record) not in known]
    sources = sorted({record["source"] for record in kept})
    return [[prepare.sound_of(sounds, r) for r in kept if r["source"] == source] for source in sources]


def digest(text: str) -> str:
    """A short name for a path."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def joined(utterances: list[Utterance]) -> Iterator[Utterance]:
    """Successive recordings of each speaker, as many as fit, with pauses between them."""
    pause = np.zeros(int(PAUSE_S * RATE_HZ), np.float32)

    def whole(parts: list[Utterance]) -> Iterator[Utterance]:
        sound = np.concatenate([piece for part in parts for piece in (part.sound, pause)][:-1])
        if JOINED_MIN_S <= len(sound) / RATE_HZ <= JOINED_MAX_S:
            reference = " ".join(part.reference for part in parts)
            yield Utterance(f"long-{parts[0].id.split('-')[-1]}", parts[0].speaker, reference, sound)

    for _, group in groupby(sorted(utterances, key=lambda u: u.speaker), key=lambda u: u.speaker):
        parts: list[Utterance] = []
        for utterance in group:
            samples = sum(len(part.sound) + len(pause) for part in parts) + len(utterance.sound)
            if parts and samples > JOINED_MAX_S * RATE_HZ:
                yield from whole(parts)
                parts = []
            parts.append(utterance)
        yield from whole(parts)


def changed(name: str, utterances: list[Utterance], change) -> list[Utterance]:
    """The utterances with another sound; each draws from a generator of its own."""
    result = []
    for utterance in utterances:
        own = utterance.id.split("-")[-1]
        random = np.random.default_rng(int(own, 16))
        sound = change(utterance.sound, random).astype(np.float32)
        result.append(Utterance(f"{name}-{own}", utterance.speaker, utterance.reference, sound))
    return result


def in_noise(sound: np.ndarray, snr_db: float, sources: list[list[np.ndarray]], random: np.random.Generator) -> np.ndarray:
    """In a noise of any of the sources, so many dB under the speech."""
    noise = augment.stretch(sources[random.integers(len(sources))], len(sound), random)
    return augment.mix(sound, noise, snr_db)


def sets(cache: Path) -> dict[str, list[Utterance]]:
    """All sets by name."""
    result = recorded(cache)
    read = result["read"]
    recorded_noises = noises(cache)
    result["long"] = list(joined(read))
    result["faster"] = changed("faster", read, lambda sound, _: resample_poly(sound, 9, 10))
    result["slower"] = changed("slower", read, lambda sound, _: resample_poly(sound, 10, 9))
    result["quiet"] = changed("quiet", read, lambda sound, _: augment.at_level(sound, QUIET_DB))
    for snr_db in SNRS_DB:
        name = f"noise-{snr_db}"
        result[name] = changed(name, read, lambda sound, random, snr_db=snr_db: in_noise(sound, snr_db, recorded_noises, random))  # fmt: skip
    return {name: result[name] for name in (*TEXTED, *UNTEXTED)}


def write(out: Path, name: str, utterances: list[Utterance]) -> None:
    """One set: its manifest and its recordings."""
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with open(out / f"{name}.tsv", "w", newline="") as file:
        rows = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
        rows.writerow(COLUMNS)
        for utterance in utterances:
            path = folder / f"{utterance.id}.wav"
            with wave.open(str(path), "wb") as sound:
                sound.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
                sound.writeframes((utterance.sound.clip(-1, 1) * 32767).round().astype("<i2").tobytes())
            seconds = len(utterance.sound) / RATE_HZ
            rows.writerow([utterance.id, path.relative_to(out), f"{seconds:.2f}", utterance.speaker, utterance.reference])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path, help="folder that collect.py filled")
    arguments = parser.parse_args()
    for name, utterances in sets(arguments.cache).items():
        write(arguments.cache / "sets", name, utterances)
        words = sum(len(utterance.reference.split()) for utterance in utterances)
        seconds = sum(len(utterance.sound) for utterance in utterances) / RATE_HZ
        speakers = len({utterance.speaker for utterance in utterances})
        print(f"{name}: {len(utterances)} recordings, {speakers} speakers, {seconds / 60:.1f} minutes, {words} words")


if __name__ == "__main__":
    main()
