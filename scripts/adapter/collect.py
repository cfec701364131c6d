"""Fetch the sources of sources.toml and decode them to one store of 16 kHz mono sound.

Writes sounds.i16 (all recordings, one after the other, little-endian i16) and recordings.jsonl (one line each:
source, use, speaker, path, start and length in samples, text where one is known). A source whose files hash to
something else than sources.toml says is refused.

Repositories are cloned from GitHub at their commit. Where ORATYPE_REPOSITORIES names a folder, owner+name/repo in it
is used instead (a git directory or a work tree).
"""

import argparse
import csv
import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

import games

RATE_HZ = 16_000
LENGTH_MIN_S, LENGTH_MAX_S = 0.2, 120.0
HERE = Path(__file__).parent


def repository(source: dict, cache: Path) -> list[str]:
    """A local git directory with the source's commit, as arguments of git."""
    owner_name = source["git"].replace("/", "+")
    if local := os.environ.get("ORATYPE_REPOSITORIES"):
        folder = Path(local) / owner_name / "repo"
        if folder.exists():
            return ["git", f"--git-dir={folder / '.git' if (folder / '.git').exists() else folder}"]
    folder = cache / "repositories" / owner_name
    git = ["git", f"--git-dir={folder}"]
    if not folder.exists():
        subprocess.run(["git", "init", "-q", "--bare", folder], check=True)
    if subprocess.run([*git, "cat-file", "-e", source["commit"]], capture_output=True).returncode != 0:
        url = f"https://github.com/{source['git']}"
        subprocess.run([*git, "fetch", "-q", "--depth=1", url, source["commit"]], check=True)
    return git


def git_files(source: dict, cache: Path) -> Iterator[tuple[str, bytes]]:
    """Path and contents of the files that the source takes, sorted."""
    git = repository(source, cache)
    listing = subprocess.run(
        [*git, "ls-tree", "-r", "-z", "--name-only", source["commit"]], check=True, capture_output=True, text=True
    ).stdout
    without = source.get("without", [])
    paths = sorted(p for p in listing.split("\0") if re.search(source["files"], p) and p not in without)
    batch = subprocess.Popen([*git, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for path in paths:
        batch.stdin.write(f"{source['commit']}:{path}\n".encode())
        batch.stdin.flush()
        header = batch.stdout.readline().split()
        if header[-1] == b"missing":
            sys.exit(f"{source['git']}: {path} is not in the local copy")
        size = int(header[-1])
        yield path, batch.stdout.read(size)
        batch.stdout.read(1)
    batch.stdin.close()
    batch.wait()


def deb_files(source: dict, cache: Path) -> Iterator[tuple[str, bytes]]:
    """Name and contents of the speech in a Debian package's archive, sorted."""
    package = source["deb"].partition("=")[0]
    folder = cache / "packages" / package
    if not folder.exists():
        downloads = cache / "packages"
        downloads.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", source["deb"]], cwd=downloads, check=True)
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        subprocess.run(["dpkg", "-x", next(downloads.glob(f"{package}_*.deb")), part], check=True)
        part.rename(folder)
    yield from sorted(getattr(games, source["archive"])(folder))


def decode(path: str, data: bytes) -> np.ndarray | None:
    """16 kHz mono i16, or None where there is no sound in the file."""
    try:
        if path.endswith(".u8"):
            sound, rate = np.frombuffer(data, np.uint8).astype(np.float32) / 128 - 1, games.SKY_RATE_HZ
        else:
            sound, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
            sound = sound.mean(1)
    except soundfile.LibsndfileError:
        return None
    if rate != RATE_HZ:
        divisor = np.gcd(rate, RATE_HZ)
        sound = resample_poly(sound, RATE_HZ // divisor, rate // divisor)
    return (sound.clip(-1, 1) * 32767).astype("<i2")


def texts(path: str, data: bytes) -> dict[str, str]:
    """Texts out of a file that lies beside recordings, by the recordings' keys (see `key`)."""
    if path.endswith("etc/PROMPTS"):
        lines = [line.split(maxsplit=1) for line in data.decode("utf-8", "replace").splitlines()]
        return {path.split("/")[1] + "/" + a.split("/")[-1]: b for a, b in (x for x in lines if len(x) == 2)}
    if path.endswith("metadata.csv"):
        table = {}
        for row in csv.DictReader(io.StringIO(data.decode())):
            for column, folder in (("Name", "Names"), ("Number", "Numbers"), ("Address", "Addresses")):
                table[f"{folder}/{row['Response_ID']}"] = row[column]
        return table
    return {}


def key(path: str) -> str:
    """What `texts` calls a recording."""
    parts = path.rsplit(".", 1)[0].split("/")
    return f"{parts[-3]}/{parts[-1]}" if "wav" in parts else "/".join(parts[-2:])


def is_held_out(source: dict, speaker: str) -> bool:
    """Whether the speaker is for tests only."""
    held_out = source.get("held_out", [])
    if held_out == "third":
        return hashlib.sha256(speaker.encode()).digest()[0] % 3 == 0
    return speaker in held_out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path, help="folder for everything that is fetched and made")
    parser.add_argument("--record", action="store_true", help="print the hashes instead of checking them")
    arguments = parser.parse_args()
    cache = arguments.cache
    sources = tomllib.loads((HERE / "sources.toml").read_text())["source"]
    # An interrupted run goes on behind the last source that was finished: name, bytes of both files.
    finished = cache / "finished.tsv"
    done = [line.split("\t") for line in finished.read_text().splitlines()] if finished.exists() else []
    with open(cache / "sounds.part", "ab") as store, open(cache / "recordings.part", "a") as index:
        store.truncate(int(done[-1][1]) if done else 0)
        index.truncate(int(done[-1][2]) if done else 0)
        # Truncating leaves the position where it was.
        start = store.seek(0, os.SEEK_END) // 2
        index.seek(0, os.SEEK_END)
        for source in sources:
            if any(name == source["name"] for name, _, _ in done):
                continue
            files = git_files(source, cache) if "git" in source else deb_files(source, cache)
            listing, known_texts, taken = [], {}, []
            chance = random.Random(source["name"])
            for path, data in files:
                listing.append(f"{hashlib.sha256(data).hexdigest()}  {path}\n")
                if found := texts(path, data):
                    known_texts |= found
                    continue
                if chance.random() >= source.get("share", 1.0):
                    continue
                sound = decode(path, data)
                if sound is not None and LENGTH_MIN_S <= len(sound) / RATE_HZ <= LENGTH_MAX_S:
                    taken.append((path, sound))
            digest = hashlib.sha256("".join(listing).encode()).hexdigest()
            if arguments.record:
                print(f"{source['name']} {digest}")
            elif digest != source["sha256"]:
                sys.exit(f"{source['name']}: the files hash to {digest}, not to what sources.toml says")
            speakers, samples = set(), 0
            for path, sound in taken:
                match = re.search(source["speaker"], path) if "speaker" in source else None
                speaker = match.group(1) if match else ""
                use = "test" if is_held_out(source, speaker) else source["use"]
                record = dict(source=source["name"], use=use, speaker=speaker, path=path, start=start, samples=len(sound))
                if text := known_texts.get(key(path)):
                    record["text"] = text
                index.write(json.dumps(record) + "\n")
                store.write(sound.tobytes())
                start += len(sound)
                samples += len(sound)
                speakers.add(speaker)
            store.flush()
            index.flush()
            with open(finished, "a") as out:
                out.write(f"{source['name']}\t{store.tell()}\t{index.tell()}\n")
            hours = samples / RATE_HZ / 3600
            print(f"{source['name']}: {len(taken)} recordings, {hours:.2f} h, {len(speakers)} speakers", flush=True)
    (cache / "sounds.part").rename(cache / "sounds.i16")
    (cache / "recordings.part").rename(cache / "recordings.jsonl")
    finished.unlink()


if __name__ == "__main__":
    main()
