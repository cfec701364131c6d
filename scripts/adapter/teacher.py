"""What the student shall learn: the stock model's answers at full context.

For every clip the stock model decodes greedily under the product's rules, at 1500 positions. Kept are its tokens, and
for each step the 64 highest logits with the log of the sum of all, the decoder's last hidden state, and the
encoder's states over the clip and a margin. A clip without speech gets <|0.00|> and the end of the text instead.

Files, little endian, one row after the other: targets.jsonl (a line a clip: clip, tokens, skip = tokens before the
start of the transcript, step and position = first rows in the other files, steps, positions, kept), states.f16
[positions, 384], hidden.f16 [steps, 384], logits.f16 [steps, 64], indices.u16 [steps, 64], sums.f32 [steps].
An interrupted run goes on where it stopped. The files do not depend on how many workers made them.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import whisper

BATCH = 16
TOP = 64
STATES_BEHIND = 96
"""Encoder positions kept behind the clip's end."""
PROMPT_MAX = 48
VALIDATION_FIRST = 48
"""Clips to validate with that come first."""
FILES = {"states.f16": 768, "hidden.f16": 768, "logits.f16": 128, "indices.u16": 128, "sums.f32": 4}
"""Bytes in a row."""


def looped(tokens: list[int]) -> bool:
    """Whether text tokens end in three rounds of the same, twelve in all (app/src/recognise/guard.rs)."""
    for period in range(1, len(tokens) // 3 + 1):
        same = 0
        while same < len(tokens) - period and tokens[-1 - same] == tokens[-1 - same - period]:
            same += 1
        if same + period >= max(12, 3 * period):
            return True
    return False


@dataclass
class Lesson:
    """Clips of one mode that are decoded together, and the prompts before them, which are of one length."""

    clips: list[int]
    prompts: list[list[int]]


Answer = tuple[dict, dict[str, bytes]]
"""A clip's line of targets.jsonl but for `step` and `position`, and its rows of each file."""


class Teacher:
    """The stock model and the clips, in one process."""

    def __init__(self, cache: Path, model: Path, threads: int, device: str):
        torch.set_num_threads(threads)
        self.model, self.mel, _ = whisper.load(model)
        self.model.to(device)
        self.device = device
        self.clips = clips_of(cache)
        self.sounds = np.memmap(cache / "clips.i16", "<i2", "r")

    @torch.no_grad()
    def teach(self, lesson: Lesson) -> list[Answer]:
        """Decode the clips of a lesson."""
        clips = [self.clips[i] for i in lesson.clips]
        waves = [self.sounds[c["start"] : c["start"] + c["samples"]].astype(np.float32) / 32768 for c in clips]
        mels = torch.stack([self.mel(torch.from_numpy(wave), whisper.CONTEXT_FULL) for wave in waves])
        states = self.model.encoder(mels.to(self.device))
        timestamps = clips[0]["mode"] != "plain"
        start = [whisper.START_OF_TRANSCRIPT] + ([] if timestamps else [whisper.NO_TIMESTAMPS])
        caps = [whisper.token_cap(clip["samples"]) for clip in clips]
        said = whisper.greedy(self.model, states, [p + start for p in lesson.prompts], timestamps, caps)
        return [
            self.answer(i, clip, prompt, start, tokens, rows)
            for i, clip, prompt, tokens, rows in zip(lesson.clips, clips, lesson.prompts, said, states)
        ]

    def answer(self, index: int, clip: dict, prompt: list[int], start: list[int], said: list[int], states) -> Answer:
        """What is kept of a clip: states [1500, 384], said the tokens that were chosen."""
        nothing = clip["kind"] == "nothing"
        if nothing:
            said = [whisper.FIRST_TIMESTAMP, whisper.END_OF_TEXT]
        kept = said[-1] == whisper.END_OF_TEXT and not looped([t for t in said if t < whisper.END_OF_TEXT])
        tokens = prompt + start + said
        target = dict(clip=index, tokens=tokens, skip=len(prompt), steps=0, positions=0, kept=kept)
        if not kept:
            return target, {}
        decoder = self.model.decoder
        hidden = decoder(torch.tensor([tokens[:-1]]).to(self.device), states[None])[0, len(prompt) :]
        logits = decoder.logits(hidden)
        top, indices = (x.cpu() for x in logits.topk(TOP, -1))
        sums = logits.logsumexp(-1).cpu()
        if nothing:
            indices[-1, 0] = whisper.END_OF_TEXT
            top[-1], sums[-1] = -30.0, 0.0
            top[-1, 0] = 0.0
        target["steps"] = len(hidden)
        target["positions"] = min(whisper.CONTEXT_FULL, -(-clip["samples"] // 320) + STATES_BEHIND)
        return target, {
            "states.f16": states[: target["positions"]].half().cpu().numpy().tobytes(),
            "hidden.f16": hidden.half().cpu().numpy().tobytes(),
            "logits.f16": top.half().numpy().tobytes(),
            "indices.u16": indices.numpy().astype("<u2").tobytes(),
            "sums.f32": sums.numpy().astype("<f4").tobytes(),
        }


class Targets:
    """The files of answers, open to add to them."""

    def __init__(self, cache: Path):
        index = cache / "targets.jsonl"
        # A run that was stopped may have left half a line.
        lines = index.read_text().splitlines(keepends=True) if index.exists() else []
        whole = [line for line in lines if line.endswith("\n")]
        self.done = [json.loads(line) for line in whole]
        self.step = sum(d["steps"] for d in self.done)
        self.position = sum(d["positions"] for d in self.done)
        if index.exists():
            os.truncate(index, sum(map(len, whole)))
        self.index = open(index, "a")
        self.files = {name: open(cache / name, "r+b" if self.done else "wb") for name in FILES}
        for name, file in self.files.items():
            file.truncate((self.position if name == "states.f16" else self.step) * FILES[name])
            file.seek(0, 2)

    def add(self, answers: list[Answer]) -> None:
        """Write the rows first and then the lines that refer to them. A lesson that was written in part comes again."""
        made = {target["clip"] for target in self.done}
        answers = [answer for answer in answers if answer[0]["clip"] not in made]
        lines = []
        for target, rows in answers:
            target |= dict(step=self.step, position=self.position)
            for name, data in rows.items():
                self.files[name].write(data)
            self.step += target["steps"]
            self.position += target["positions"]
            self.done.append(target)
            lines.append(json.dumps(target) + "\n")
        for file in self.files.values():
            file.flush()
        self.index.writelines(lines)
        self.index.flush()


def clips_of(cache: Path) -> list[dict]:
    """The clips that prepare.py made."""
    return [json.loads(line) for line in (cache / "clips.jsonl").read_text().splitlines()]


def in_lessons(clips: list[int], prompts: dict[int, list[int]], kind) -> list[Lesson]:
    """Clips in the order given, in lessons of those that follow each other and are of one kind."""
    lessons: list[Lesson] = []
    for i in clips:
        if not lessons or len(lessons[-1].clips) == BATCH or kind(lessons[-1].clips[0]) != kind(i):
            lessons.append(Lesson([], []))
        lessons[-1].clips.append(i)
        lessons[-1].prompts.append(prompts.get(i, []))
    return lessons


def without_prompt(clips: list[dict]) -> list[Lesson]:
    """The lessons that need no other's text, those to validate with first, in an order that keeps clips of one mode and
    of like length together."""
    own = [i for i, clip in enumerate(clips) if clip["mode"] != "prompt"]
    first = [i for i in own if clips[i]["part"] == "validation"][:VALIDATION_FIRST]
    others = sorted(set(own) - set(first))
    order = [first, *(others[at : at + 16 * BATCH] for at in range(0, len(others), 16 * BATCH))]
    order = [sorted(group, key=lambda i: (clips[i]["mode"], clips[i]["samples"])) for group in order]
    return in_lessons(sum(order, []), {}, lambda i: clips[i]["mode"])


def with_prompt(clips: list[dict], done: list[dict]) -> list[Lesson]:
    """The lessons that come after what the same voice said in the clip before, as far as it said anything."""
    said = {d["clip"]: [t for t in d["tokens"][d["skip"] :] if t < whisper.END_OF_TEXT] for d in done if d["kept"]}
    last: dict[tuple[str, str], list[int]] = {}
    before: dict[int, list[int]] = {}
    for i, clip in enumerate(clips):
        voice = clip["source"], clip["speaker"]
        if clip["mode"] == "prompt":
            before[i] = last.get(voice, [])[-PROMPT_MAX:]
        elif said.get(i) and clip["kind"] == "speech":
            last[voice] = said[i]
    order = sorted(before, key=lambda i: (len(before[i]), clips[i]["samples"]))
    prompts = {i: [whisper.START_OF_PREVIOUS, *text] for i, text in before.items() if text}
    return in_lessons(order, prompts, lambda i: len(before[i]))


_teacher: Teacher | None = None
"""This process's."""


def _begin(*arguments) -> None:
    global _teacher
    _teacher = Teacher(*arguments)


def _teach(lesson: Lesson) -> list[Answer]:
    return _teacher.teach(lesson)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path, help="folder that prepare.py filled")
    parser.add_argument("model", type=Path, help="ggml-tiny.en.bin, f16")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the lessons")
    parser.add_argument("--threads", type=int, default=1, help="of each worker")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    clips = clips_of(arguments.cache)
    targets = Targets(arguments.cache)
    begun = time.monotonic()

    def missing(lessons: list[Lesson]) -> Iterator[Lesson]:
        made = {target["clip"] for target in targets.done}
        return (lesson for lesson in lessons if not made.issuperset(lesson.clips))

    teacher = arguments.cache, arguments.model, arguments.threads, arguments.device
    spawn = torch.multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.workers, spawn, initializer=_begin, initargs=teacher) as pool:
        for lessons in (lambda: without_prompt(clips), lambda: with_prompt(clips, targets.done)):
            for answers in pool.map(_teach, missing(lessons())):
                targets.add(answers)
                print(f"{len(targets.done)} of {len(clips)} clips, {time.monotonic() - begun:.0f} s", flush=True)
    print(f"{sum(d['kept'] for d in targets.done)} of {len(targets.done)} kept")


if __name__ == "__main__":
    main()
