"""Decodes the public speech sets into 16 kHz mono S16 WAV files with a manifest beside them.

Reads LISTS/SET.tsv and the Debian packages unpacked in OUT/deb; writes OUT/SET/manifest.tsv and
OUT/SET/wav. A set that is complete and whose list has not changed is left alone.
"""

import argparse
import array
import concurrent.futures
import csv
import math
import os
import pathlib
import shutil
import subprocess
import sys
import wave

RATE_HZ = 16_000
# Figures are comparable only when the clips are the same ones; a list gives two decimals.
DURATION_TOLERANCE_S = 0.05
# Scaling towards a clip's RMS level stops here, so that clicks keep their shape.
PEAK_LIMIT_DBFS = -1.0
FULL_SCALE = 32768
SPEECH_FOLDER = "asterisk-core-sounds-en-g722/usr/share/asterisk/sounds/en_US_f_Allison"
MANIFEST_COLUMNS = ["id", "path", "duration_s", "speaker", "reference"]


def decode(arguments):
    """The samples that ffmpeg makes of the given input arguments."""
    command = ["ffmpeg", "-nostdin", "-v", "error", *arguments]
    command += ["-ac", "1", "-ar", str(RATE_HZ), "-f", "s16le", "-"]
    return array.array("h", subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def write_wav(path, samples):
    with wave.open(str(path), "wb") as wav:
        wav.setparams((1, 2, RATE_HZ, len(samples), "NONE", ""))
        wav.writeframes(samples.tobytes())


def speech_clip(row, packages):
    """A recorded prompt. Its id is `ast-` and its path in the package with `_` for `/`."""
    folder = packages / SPEECH_FOLDER
    for file in folder.glob("**/*.g722"):
        if "ast-" + str(file.relative_to(folder).with_suffix("")).replace("/", "_") == row["id"]:
            return decode(["-f", "g722", "-i", str(file)])
    raise FileNotFoundError(f"{row['id']}: no such recording in {folder}")


def nonspeech_clip(row, packages):
    """The source, repeated as needed, cut at start_s for duration_s, scaled to level_dbfs RMS.

    The source is `ffmpeg:GRAPH` (generated), or `PACKAGE:FILE[,FILE...]` (joined; the second and
    further files are in the folder of the first).
    """
    start, length = (round(float(row[key]) * RATE_HZ) for key in ("start_s", "duration_s"))
    origin, _, names = row["source"].partition(":")
    if origin == "ffmpeg":
        samples = decode(["-f", "lavfi", "-t", row["duration_s"], "-i", names])
    else:
        first, *others = names.split(",")
        first = packages / origin / first
        samples = array.array("h")
        for file in [first, *(first.parent / name for name in others)]:
            samples.extend(decode(["-i", str(file)]))
    if not samples:
        raise ValueError(f"{row['id']}: {row['source']} holds no sound")
    while len(samples) < start + length:
        samples.extend(samples)
    return scaled(samples[start : start + length], float(row["level_dbfs"]))


def scaled(samples, level_dbfs):
    """The samples at an RMS level, or as near to it as the peak allows; silence stays silence."""
    peak = max(map(abs, samples)) / FULL_SCALE
    if peak == 0:
        return samples
    rms = math.sqrt(sum(x * x for x in samples) / len(samples)) / FULL_SCALE
    gain = min(10 ** (level_dbfs / 20) / rms, 10 ** (PEAK_LIMIT_DBFS / 20) / peak)
    return array.array("h", (round(x * gain) for x in samples))


def make_set(source, out, packages, clip):
    """Writes one set; returns how many clips differ from their list in duration."""
    stamp = out / source.name
    if stamp.exists() and stamp.read_bytes() == source.read_bytes():
        return 0
    with source.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    shutil.rmtree(out, ignore_errors=True)
    (out / "wav").mkdir(parents=True)

    def convert(row):
        samples = clip(row, packages)
        write_wav(out / row["path"], samples)
        return row, len(samples) / RATE_HZ

    different = 0
    # ffmpeg does the work, so threads are enough.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        with (out / "manifest.tsv").open("w", newline="", encoding="utf-8") as file:
            manifest = csv.writer(
                file, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n"
            )
            manifest.writerow(MANIFEST_COLUMNS)
            for done, (row, duration_s) in enumerate(pool.map(convert, rows), 1):
                if abs(duration_s - float(row["duration_s"])) > DURATION_TOLERANCE_S:
                    different += 1
                    listed = row["duration_s"]
                    print(f"{row['id']}: {duration_s:.2f} s, not {listed} s", file=sys.stderr)
                speaker, reference = row.get("speaker", "none"), row.get("reference", "")
                manifest.writerow([row["id"], row["path"], f"{duration_s:.2f}", speaker, reference])
                if done % 20 == 0 or done == len(rows):
                    print(f"\r{out.name}: {done}/{len(rows)} clips", end="", file=sys.stderr)
    print(file=sys.stderr)
    if different == 0:
        shutil.copy(source, stamp)
    return different


CLIPS = {"asterisk": speech_clip, "nonspeech": nonspeech_clip}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lists", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("sets", metavar="SET", nargs="+", choices=CLIPS)
    arguments = parser.parse_args()
    different = 0
    for name in arguments.sets:
        source = arguments.lists / f"{name}.tsv"
        different += make_set(source, arguments.out / name, arguments.out / "deb", CLIPS[name])
    if different:
        print(f"{different} clips differ from the lists: figures may differ", file=sys.stderr)


if __name__ == "__main__":
    main()
