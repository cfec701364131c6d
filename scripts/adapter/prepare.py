"""Cut and join the recordings to training clips of 0.4 to 24 s.

Reads what collect.py wrote; writes clips.i16 and clips.jsonl (one line a clip: start and length in samples, source,
speaker, kind, mode, part). kind: speech or nothing (no speech in it: the text shall end at once). mode: how it will
be decoded: timestamps, plain, or prompt (time stamps, after text that was said before). part: train or validation;
speakers are in one of them only, where a source tells who speaks; the others are all trained with.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np

import augment

RATE_HZ = 16_000
LENGTH_MIN_S, LENGTH_MAX_S = 0.4, 24.0
SHARES = {
    "voxforge": 0.27, "sky": 0.16, "queen": 0.18, "coffee": 0.08, "alphanumeric": 0.10, "lj-1": 0.06,
    "reader": 0.03, "gcompris": 0.04, "wake-words": 0.04, "community": 0.02, "digits": 0.02,
}  # fmt: skip
"""How often a speech clip comes from a source: by breadth of speakers first, then by hours."""
NOTHING_SHARE = 0.07
MODES, MODE_SHARES = ["timestamps", "plain", "prompt"], [0.65, 0.2, 0.15]


def load(cache: Path) -> tuple[np.ndarray, list[dict]]:
    """The store of sound (i16, not read yet) and the recordings in it."""
    records = [json.loads(line) for line in (cache / "recordings.jsonl").read_text().splitlines()]
    return np.memmap(cache / "sounds.i16", "<i2", "r"), records


def noise_records(records: list[dict], part: int) -> list[dict]:
    """Recordings without speech; part 0 is for training, 1 (every fifth) for tests."""
    noises = [r for r in records if r["use"] == "noise"]
    return [r for i, r in enumerate(noises) if (i % 5 == 4) == bool(part)]


def sound_of(sounds: np.ndarray, record: dict) -> np.ndarray:
    """A recording in f32."""
    return sounds[record["start"] : record["start"] + record["samples"]].astype(np.float32) / 32768


def noises_of(sounds: np.ndarray, records: list[dict]) -> list[np.ndarray]:
    """Recorded noises to train with, in f32."""
    return [sound_of(sounds, r) for r in noise_records(records, 0)]


def words_of(text: str) -> str:
    """A text's words alone: without case, punctuation and spaces."""
    return "".join(c for c in text.lower() if c.isalnum())


def training_records(records: list[dict]) -> list[dict]:
    """Speech to train with: none of the sentences that are read in the test sets, as far as texts are known."""
    tested = {words_of(r["text"]) for r in records if r["use"] == "test" and "text" in r}
    return [r for r in records if r["use"] == "train" and not ("text" in r and words_of(r["text"]) in tested)]


def length_s(random: np.random.Generator) -> float:
    """How long a clip shall be."""
    low, high = [(0.4, 3), (3, 8), (8, 16), (16, 23)][random.choice(4, p=[0.3, 0.42, 0.2, 0.08])]
    return random.uniform(low, high)


def speech(sounds: np.ndarray, group: list[dict], random: np.random.Generator) -> np.ndarray:
    """Speech of one speaker: recordings joined until they are long enough, then cut, in mid-word as often as not."""
    wanted = int(length_s(random) * RATE_HZ)
    at = random.integers(len(group))
    pieces, samples = [], 0
    for record in group[at : at + 12]:
        pieces.append(sound_of(sounds, record))
        samples += record["samples"]
        if samples >= wanted:
            break
        gap = int(random.uniform(0.05, 0.7) * RATE_HZ)
        pieces.append(np.zeros(gap, np.float32))
        samples += gap
    sound = np.concatenate(pieces)
    if len(sound) > wanted and (random.random() < 0.5 or len(sound) > 1.4 * wanted):
        at = random.integers(len(sound) - wanted)
        sound = sound[at : at + wanted]
    return sound


def clip(sounds: np.ndarray, group: list[dict], noises: list[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """A speech clip as the teacher hears it."""
    sound = speech(sounds, group, random)
    if random.random() < 0.35:
        sound = augment.speed(sound, random)
    before, behind = augment.silence(random), augment.silence(random)
    sound = np.pad(sound, (before, behind))
    if random.random() < 0.2:
        sound = augment.room(sound, random)
    sound = augment.at_level(sound, random.uniform(-36, -14))
    sound = sound + augment.coloured_noise(len(sound), random) * 10 ** (random.uniform(-80, -50) / 20)
    if random.random() < 0.1:
        sound = augment.add_noise(sound, random.uniform(2, 15), noises, random)
    least = int(LENGTH_MIN_S * RATE_HZ)
    return np.pad(sound, (0, max(0, least - len(sound))))[: int(LENGTH_MAX_S * RATE_HZ)]


def nothing(noises: list[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """A clip without speech: noise from loud to hardly there."""
    samples = int(min(LENGTH_MAX_S, 0.4 + random.exponential(3)) * RATE_HZ)
    return augment.noise_like(samples, noises, random) * 10 ** (random.uniform(-85, -20) / 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path, help="folder that collect.py filled")
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    cache = arguments.cache
    random = np.random.default_rng(arguments.seed)
    sounds, records = load(cache)
    noises = noises_of(sounds, records)
    groups: dict[str, dict[str, list[dict]]] = {}
    for record in training_records(records):
        groups.setdefault(record["source"], {}).setdefault(record["speaker"], []).append(record)
    names = [name for name in SHARES if name in groups]
    shares = np.array([SHARES[name] for name in names])
    start, part_counts = 0, {"train": 0, "validation": 0}
    with open(cache / "clips.i16", "wb") as store, open(cache / "clips.part", "w") as index:
        for _ in range(arguments.clips):
            entry = dict(start=start, kind="speech", mode=str(random.choice(MODES, p=MODE_SHARES)), part="train")
            if random.random() < NOTHING_SHARE:
                entry |= dict(kind="nothing", mode="timestamps", source="noise", speaker="")
                sound = nothing(noises, random)
            else:
                name = names[random.choice(len(names), p=shares / shares.sum())]
                # A speaker at random, but one with much to say more often.
                speakers = sorted(groups[name])
                weights = np.sqrt([len(groups[name][s]) for s in speakers])
                speaker = speakers[random.choice(len(speakers), p=weights / weights.sum())]
                sound = clip(sounds, groups[name][speaker], noises, random)
                entry |= dict(source=name, speaker=speaker)
                if speaker and hashlib.sha256(f"{name}/{speaker}".encode()).digest()[0] % 16 == 0:
                    entry["part"] = "validation"
            entry["samples"] = len(sound)
            store.write((sound.clip(-1, 1) * 32767).astype("<i2").tobytes())
            index.write(json.dumps(entry) + "\n")
            start += len(sound)
            part_counts[entry["part"]] += 1
    # What was taught about other clips does not belong to these.
    (cache / "targets.jsonl").unlink(missing_ok=True)
    (cache / "clips.part").rename(cache / "clips.jsonl")
    print(f"{part_counts['train']} clips to train with, {part_counts['validation']} to validate, {start / RATE_HZ / 3600:.2f} h")


if __name__ == "__main__":
    main()
