"""What the student shall learn: the stock model's answers at full context.

For every clip the stock model decodes greedily under the product's rules, at 1500 positions. Kept are its tokens, and
for each step the 64 highest logits with the log of the sum of all, the decoder's last hidden state, and the
encoder's states over the clip and a margin. A clip without speech gets <|0.00|> and the end of the text instead.

Files, little endian, one row after the other: targets.jsonl (a line a clip: clip, tokens, skip = tokens before the
start of the transcript, step and position = first rows in the other files, steps, positions, kept), states.f16
[positions, 384], hidden.f16 [steps, 384], logits.f16 [steps, 64], indices.u16 [steps, 64], sums.f32 [steps].
An interrupted run goes on where it stopped.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch

import whisper

BATCH = 8
TOP = 64
STATES_BEHIND = 96
"""Encoder positions kept behind the clip's end."""
PROMPT_MAX = 48
VALIDATION_FIRST = 40
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


def voice(clip: dict) -> tuple[str, str]:
    """Whose text may go before a clip's as a prompt."""
    return clip["source"], clip["speaker"]


def remember(said: dict[tuple[str, str], list[int]], clip: dict, target: dict) -> None:
    """What was said last, for the voice's next clip."""
    if target["kept"] and clip["kind"] == "speech":
        said[voice(clip)] = [t for t in target["tokens"][target["skip"] :] if t < whisper.END_OF_TEXT]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path, help="folder that prepare.py filled")
    parser.add_argument("model", type=Path, help="ggml-tiny.en.bin, f16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    cache = arguments.cache
    torch.set_num_threads(arguments.threads)
    model, mel, _ = whisper.load(arguments.model)
    model.to(arguments.device)
    clips = [json.loads(line) for line in (cache / "clips.jsonl").read_text().splitlines()]
    sounds = np.memmap(cache / "clips.i16", "<i2", "r")

    index = cache / "targets.jsonl"
    # A run that was stopped may have left half a line.
    whole = [line for line in index.read_text().splitlines(keepends=True) if line.endswith("\n")] if index.exists() else []
    done = [json.loads(line) for line in whole]
    step = sum(d["steps"] for d in done)
    position = sum(d["positions"] for d in done)
    if index.exists():
        os.truncate(index, sum(map(len, whole)))
    files = {name: open(cache / name, "r+b" if done else "wb") for name in FILES}
    for name, file in files.items():
        file.truncate((position if name == "states.f16" else step) * FILES[name])
        file.seek(0, 2)

    # Some clips to validate with come first, so that training can begin while this goes on. The others are taken in an
    # order that keeps a batch in one mode. A speaker's last text is the next one's prompt.
    first = [i for i, clip in enumerate(clips) if clip["part"] == "validation"][:VALIDATION_FIRST]
    others = sorted(set(range(len(clips))) - set(first), key=lambda i: (i // (BATCH * 16), clips[i]["mode"], i))
    made = {target["clip"] for target in done}
    order = [i for i in first + others if i not in made]
    said: dict[tuple[str, str], list[int]] = {}
    for target in done:
        remember(said, clips[target["clip"]], target)
    begun = time.monotonic()
    with open(index, "a") as out, torch.no_grad():
        for at in range(0, len(order), BATCH):
            batch = [clips[i] for i in order[at : at + BATCH]]
            waves = [
                torch.from_numpy(sounds[c["start"] : c["start"] + c["samples"]].astype(np.float32) / 32768) for c in batch
            ]
            states = model.encoder(torch.stack([mel(w, whisper.CONTEXT_FULL) for w in waves]).to(arguments.device))
            # A batch may straddle two modes.
            for mode in sorted({c["mode"] for c in batch}):
                rows = [i for i, c in enumerate(batch) if c["mode"] == mode]
                prompts = [[] for _ in rows]
                if mode == "prompt":
                    before = [said.get(voice(batch[i]), []) for i in rows]
                    length = min(PROMPT_MAX, min((len(b) for b in before if b), default=0))
                    prompts = [[whisper.START_OF_PREVIOUS, *b[-length:]] if b and length else [] for b in before]
                    if any(not p for p in prompts):
                        prompts = [[] for _ in rows]
                start = [whisper.START_OF_TRANSCRIPT] + ([whisper.NO_TIMESTAMPS] if mode == "plain" else [])
                caps = [whisper.token_cap(batch[i]["samples"]) for i in rows]
                answers = whisper.greedy(model, states[rows], [p + start for p in prompts], mode != "plain", caps)
                for i, prompt, answer in zip(rows, prompts, answers):
                    nothing = batch[i]["kind"] == "nothing"
                    if nothing:
                        answer = [whisper.FIRST_TIMESTAMP, whisper.END_OF_TEXT]
                    text = [t for t in answer if t < whisper.END_OF_TEXT]
                    kept = answer[-1] == whisper.END_OF_TEXT and not looped(text)
                    tokens = prompt + start + answer
                    target = dict(clip=order[at + i], tokens=tokens, skip=len(prompt), step=step, position=position, steps=0, positions=0, kept=kept)  # fmt: skip
                    if kept:
                        hidden = model.decoder(torch.tensor([tokens[:-1]]).to(states.device), states[i : i + 1])[0, len(prompt) :]
                        logits = model.decoder.logits(hidden)
                        top, indices = (x.cpu() for x in logits.topk(TOP, -1))
                        sums = logits.logsumexp(-1).cpu()
                        if nothing:
                            indices[-1, 0] = whisper.END_OF_TEXT
                            top[-1], sums[-1] = -30.0, 0.0
                            top[-1, 0] = 0.0
                        target["steps"] = len(hidden)
                        target["positions"] = min(whisper.CONTEXT_FULL, -(-batch[i]["samples"] // 320) + STATES_BEHIND)
                        files["states.f16"].write(states[i, : target["positions"]].half().cpu().numpy().tobytes())
                        files["hidden.f16"].write(hidden.half().cpu().numpy().tobytes())
                        files["logits.f16"].write(top.half().numpy().tobytes())
                        files["indices.u16"].write(indices.numpy().astype("<u2").tobytes())
                        files["sums.f32"].write(sums.numpy().astype("<f4").tobytes())
                    step += target["steps"]
                    position += target["positions"]
                    remember(said, batch[i], target)
                    done.append(target)
            for file in files.values():
                file.flush()
            out.writelines(json.dumps(d) + "\n" for d in done[-len(batch) :])
            out.flush()
            if at // BATCH % 5 == 0:
                elapsed = time.monotonic() - begun
                print(f"{len(done)} of {len(clips)} clips, {elapsed:.0f} s", flush=True)
    print(f"{sum(d['kept'] for d in done)} of {len(done)} kept")


if __name__ == "__main__":
    main()
