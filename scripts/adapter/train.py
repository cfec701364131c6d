"""Train the adapter: low-rank additions to every linear layer, by distillation from full context to short ones.

The student hears a clip with a context of the clip and a margin, often in noise that the teacher did not hear, and is
fed the teacher's tokens. Loss: KL divergence between the two distributions at each step (the teacher's 64 most
likely tokens and the rest as one), and the squared distance of encoder states and of the decoder's last hidden
states from the teacher's, relative to their variance. In bfloat16 where that costs nothing: a step
takes two thirds of the time, and the loss is the same to two digits. Resumable: checkpoint.pt holds everything, and a
run that was stopped takes the same batches as one that was not.
"""

import argparse
import hashlib
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import augment
import lowrank
import prepare
import whisper
from teacher import FILES

BATCH_POSITIONS = 2400
"""Encoder positions in a batch, at most 16 clips: the cost of a step is about the same for short and long clips."""
POSITIONS_MAX = 3200
"""More than this a batch may not have with its margin; then it is cut."""
BATCH_MAX = 16
STEP_BATCHES = 2
"""Batches, each with a margin of its own, that a step averages its gradient over."""
MARGINS = [(0.58, 16, 72), (0.20, 72, 160), (0.10, 160, 400), (0.12, None, None)]
"""Share, least and largest margin behind the longest clip of a batch, in positions; None: the full context."""
VALIDATION_MARGINS = {"+32": 32, "+128": 128, "full": whisper.CONTEXT_FULL}
RANK = 24
NOISE_SHARE = 0.35
SNR_DB = (8, 30)
BABBLE_SHARE, BABBLE_VOICES = 0.25, (4, 9)
"""How often the noise is other people's voices, and how many."""
GRADIENT_MAX = 1.0
OPTIONS = ("part", "start", "rank", "rate", "steps", "minutes", "states_weight", "hidden_weight", "seconds_max", "seed")
"""What a run may not change once it has begun, besides clips, targets and the constants above."""


@dataclass
class Item:
    """A clip and what the teacher made of it. Rows refer to the teacher's files."""

    start: int
    samples: int
    tokens: list[int]
    skip: int
    step: int
    steps: int
    position: int
    positions: int
    nothing: bool


class Data:
    """Clips and targets, memory-mapped."""

    def __init__(self, cache: Path, mel: whisper.MelSpectrogram):
        self.index = [json.loads(line) for line in (cache / "clips.jsonl").read_text().splitlines()]
        self.clips = np.memmap(cache / "clips.i16", "<i2", "r")
        sounds, records = prepare.load(cache)
        self.noises = prepare.noises_of(sounds, records)
        self.mel = mel
        # What the teacher has finished.
        self.parts: dict[str, list[Item]] = {"train": [], "validation": []}
        for line in (cache / "targets.jsonl").read_text().splitlines(keepends=True):
            if not line.endswith("\n"):
                break
            target = json.loads(line)
            clip = self.index[target["clip"]]
            if target["kept"]:
                fields = {k: target[k] for k in ("tokens", "skip", "step", "steps", "position", "positions")}
                nothing = clip["kind"] == "nothing"
                item = Item(start=clip["start"], samples=clip["samples"], nothing=nothing, **fields)
                self.parts[clip["part"]].append(item)
        types = {"f16": "<f2", "u16": "<u2", "f32": "<f4"}
        self.rows = {}
        for name, width in FILES.items():
            kind = types[name.split(".")[1]]
            count = (cache / name).stat().st_size // width
            shape = (count, width // np.dtype(kind).itemsize)
            self.rows[name.split(".")[0]] = np.memmap(cache / name, kind, "r", shape=shape)

    def tensor(self, name: str, start: int, count: int) -> Tensor:
        """Rows of a file as f32 (or int64 for indices)."""
        rows = np.asarray(self.rows[name][start : start + count])
        return torch.from_numpy(rows.astype(np.int64 if name == "indices" else np.float32))

    def wave(self, item: Item, random: np.random.Generator | None) -> Tensor:
        """The clip's sound, in noise if a generator is given and wants so."""
        sound = self.sound(item)
        if random is not None and not item.nothing and random.random() < NOISE_SHARE:
            snr_db = random.uniform(*SNR_DB)
            if random.random() < BABBLE_SHARE:
                others = random.choice(len(self.parts["train"]), random.integers(*BABBLE_VOICES))
                voices = [self.sound(self.parts["train"][i]) for i in others]
                sound = augment.mix(sound, augment.babble(voices, len(sound), random), snr_db)
            else:
                sound = augment.add_noise(sound, snr_db, self.noises, random)
        return torch.from_numpy(sound)

    def sound(self, item: Item) -> np.ndarray:
        """The clip's sound as the teacher heard it, f32."""
        return self.clips[item.start : item.start + item.samples].astype(np.float32) / 32768


def margin_of(random: np.random.Generator) -> int:
    """A margin from `MARGINS`; the full context is a very large one."""
    _, low, high = MARGINS[random.choice(len(MARGINS), p=[share for share, _, _ in MARGINS])]
    return whisper.CONTEXT_FULL if low is None else int(random.integers(low, high))


def batches(items: list[Item], random: np.random.Generator, seconds_max: float) -> list[list[Item]]:
    """All items that are not too long, in batches of like length, in random order."""
    items = [item for item in items if item.samples <= seconds_max * 16_000]
    items = sorted(items, key=lambda item: item.samples * random.uniform(0.8, 1.25))
    result, batch, longest = [], [], 0
    for item in items:
        positions = -(-item.samples // 320) + 48
        if batch and (len(batch) == BATCH_MAX or max(longest, positions) * (len(batch) + 1) > BATCH_POSITIONS):
            result.append(batch)
            batch, longest = [], 0
        batch.append(item)
        longest = max(longest, positions)
    result.append(batch)
    random.shuffle(result)
    return result


class Order:
    """The batches of a run, epoch by epoch: a function of seed, epoch and place, so that it can be gone on with."""

    def __init__(self, items: list[Item], seed: int, seconds_max: float, epoch: int = 0, place: int = 0):
        self.items, self.seed, self.seconds_max, self.epoch, self.place = items, seed, seconds_max, epoch, place
        self._draw()

    def _draw(self) -> None:
        self.batches = batches(self.items, np.random.default_rng([self.seed, self.epoch]), self.seconds_max)

    def take(self, count: int) -> list[list[Item]]:
        """The next batches, all of one epoch; what is left over at its end is left out."""
        if self.place + count > len(self.batches):
            self.epoch, self.place = self.epoch + 1, 0
            self._draw()
        self.place += count
        return self.batches[self.place - count : self.place]


def losses(model, data: Data, items: list[Item], margin: int, random: np.random.Generator | None) -> dict[str, Tensor]:
    """Mean losses over a batch: kl per step; states and hidden relative to the variance.

    With a generator, as it is trained: in noise, and in bfloat16 but for the logits and the losses. Without, as it is
    validated: without noise, in float32.
    """
    longest = max(-(-item.samples // 320) for item in items)
    context = min(whisper.CONTEXT_FULL, longest + margin)
    mel = torch.stack([data.mel(data.wave(item, random), context) for item in items])
    device = model.decoder.positional_embedding.device
    tokens = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(item.tokens[:-1]) for item in items], batch_first=True, padding_value=whisper.END_OF_TEXT
    )
    with torch.autocast(device.type, torch.bfloat16, enabled=random is not None):
        states = model.encoder(mel.to(device))
        hidden = model.decoder(tokens.to(device), states)
    states, hidden = states.float(), hidden.float()
    student_hidden = torch.cat([hidden[i, item.skip : item.skip + item.steps] for i, item in enumerate(items)])
    gather = lambda name: torch.cat([data.tensor(name, item.step, item.steps) for item in items]).to(device)  # noqa: E731
    teacher_hidden, sums = gather("hidden"), gather("sums")
    log_p, indices = gather("logits") - sums, gather("indices")
    # Rounded to f16, the teacher's probabilities may come to more than one.
    log_p = log_p - log_p.logsumexp(1, keepdim=True).clamp(min=0)
    log_q_all = model.decoder.logits(student_hidden).log_softmax(-1)
    log_q = log_q_all.gather(1, indices)
    p = log_p.exp()
    rest_p = (1 - p.sum(1)).clamp(min=1e-6)
    rest_q = (1 - log_q.exp().sum(1)).clamp(min=1e-6)
    kl = (p * (log_p - log_q)).sum(1) + rest_p * (rest_p.log() - rest_q.log())
    speech = torch.cat([torch.full((item.steps,), float(not item.nothing)) for item in items]).to(device)
    hidden_error = ((student_hidden - teacher_hidden) ** 2).mean(1) / teacher_hidden.var()
    state_errors = []
    for i, item in enumerate(items):
        count = min(item.positions, context)
        target = data.tensor("states", item.position, count).to(device)
        state_errors.append(((states[i, :count] - target) ** 2).mean() / target.var())
    return dict(
        kl=kl.mean(), states=torch.stack(state_errors).mean(), hidden=(hidden_error * speech).sum() / speech.sum().clamp(min=1)
    )  # fmt: skip


def validate(model, data: Data, count: int) -> dict[str, float]:
    """KL per token at `VALIDATION_MARGINS`, without noise, over at most `count` clips, one by one: in a batch the shorter ones
    would have more behind them."""
    items = data.parts["validation"][:count]
    steps = sum(item.steps for item in items)
    with torch.no_grad():
        return {
            name: round(sum(losses(model, data, [i], margin, None)["kl"].item() * i.steps for i in items) / steps, 4)
            for name, margin in VALIDATION_MARGINS.items()
        }


class Log:
    """What a run reports, a line of JSON each."""

    def __init__(self, path: Path):
        self.path = path

    def add(self, entry: dict) -> None:
        """One more line."""
        with open(self.path, "a") as out:
            out.write(json.dumps(entry) + "\n")

    def forget_behind(self, step: int) -> None:
        """Drop what a run wrote behind its last checkpoint; all of it, if there is none."""
        lines = self.path.read_text().splitlines(keepends=True) if self.path.exists() else []
        self.path.write_text("".join(line for line in lines if step > 0 and json.loads(line)["step"] <= step))


def adapter_state(model) -> dict[str, Tensor]:
    """The trained tensors."""
    return {name: p.detach().cpu().clone() for name, p in model.named_parameters() if p.requires_grad}


def begin_with(model, adapter: dict[str, Tensor]) -> None:
    """Put an adapter of no higher rank where a model's low-rank additions begin; the ranks that it leaves add nothing."""
    state = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for name, values in adapter.items():
            if name not in state or any(have > room for have, room in zip(values.shape, state[name].shape, strict=True)):
                raise SystemExit(f"{name} of the adapter to start from, {list(values.shape)}, does not fit: take a higher --rank, or all parts")
            state[name][: values.shape[0], : values.shape[1]] = values


def run(arguments: argparse.Namespace) -> None:
    """Train until the schedule ends."""
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    folder = arguments.cache / arguments.name
    folder.mkdir(parents=True, exist_ok=True)
    model, mel, _ = whisper.load(arguments.model)
    data = Data(arguments.cache, mel)
    start = {}
    if arguments.start:
        base_sha256 = hashlib.sha256(arguments.model.read_bytes()).digest()
        start = lowrank.from_bytes(arguments.start.read_bytes(), base_sha256)
    arguments.rank = arguments.rank or max((len(a) for name, a in start.items() if name.endswith(".a")), default=RANK)
    whisper.adapt(model if arguments.part == "all" else getattr(model, arguments.part), arguments.rank)
    if start:
        begin_with(model, start)
    model.to(arguments.device)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=arguments.rate, weight_decay=0.0, betas=(0.9, 0.98))
    options = {name: getattr(arguments, name) for name in OPTIONS}
    options["start"] = hashlib.sha256(arguments.start.read_bytes()).hexdigest() if arguments.start else None
    for name in ("clips", "targets"):
        options[name] = hashlib.sha256((arguments.cache / f"{name}.jsonl").read_bytes()).hexdigest()
    noise = [NOISE_SHARE, list(SNR_DB), BABBLE_SHARE, list(BABBLE_VOICES)]
    options["recipe"] = [list(MARGINS), BATCH_POSITIONS, POSITIONS_MAX, BATCH_MAX, STEP_BATCHES, *noise]
    step, progress, spent, order = 0, 0.0, 0.0, (0, 0)
    log = Log(folder / "log.jsonl")
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True, map_location=arguments.device)
        if {"start": None, **saved["options"]} != options:
            raise SystemExit(f"{checkpoint} is of a run with other options, {saved['options']}: take another --name")
        model.load_state_dict(saved["model"], strict=False)
        optimiser.load_state_dict(saved["optimiser"])
        step, progress, spent, order = saved["step"], saved["progress"], saved["spent"], saved["order"]
    order = Order(data.parts["train"], arguments.seed, arguments.seconds_max, *order)
    clips = [item for batch in order.batches for item in batch]
    log.forget_behind(step)
    if step == 0:
        validation = validate(model, data, arguments.validation_clips)
        hours = sum(item.samples for item in clips) / 16_000 / 3600
        tested = len(data.parts["validation"][: arguments.validation_clips])
        log.add(dict(step=0, clips=len(clips), hours=hours, validation_clips=tested, validation=validation))
    count = sum(p.numel() for p in parameters)
    print(f"{arguments.name}: {len(clips)} clips, {count} parameters, from step {step}", flush=True)

    def save() -> None:
        part = checkpoint.with_suffix(".part")
        state = dict(options=options, step=step, progress=progress, spent=spent, order=(order.epoch, order.place))
        torch.save(dict(model=adapter_state(model), optimiser=optimiser.state_dict(), **state), part)
        part.rename(checkpoint)

    running: dict[str, float] = {}
    begun = time.monotonic()
    while progress < 1.0:
        warm = min(1.0, (step + 1) / 50)
        rate = arguments.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad(set_to_none=True)
        for place, batch in enumerate(order.take(STEP_BATCHES)):
            # Each has a generator of its own, so that a resumed run draws the same.
            random = np.random.default_rng([arguments.seed, step, place])
            margin = margin_of(random)
            context = min(whisper.CONTEXT_FULL, margin + max(-(-item.samples // 320) for item in batch))
            fit = max(1, POSITIONS_MAX // context)
            if len(batch) > fit:
                batch = [batch[i] for i in random.choice(len(batch), fit, replace=False)]
            parts = losses(model, data, batch, margin, random)
            loss = parts["kl"] + arguments.states_weight * parts["states"] + arguments.hidden_weight * parts["hidden"]
            (loss / STEP_BATCHES).backward()
            for name, value in parts.items():
                running[name] = 0.99 * running.get(name, value.item()) + 0.01 * value.item()
        step += 1
        elapsed = spent + time.monotonic() - begun
        progress = elapsed / 60 / arguments.minutes if arguments.minutes else step / arguments.steps
        torch.nn.utils.clip_grad_norm_(parameters, GRADIENT_MAX)
        optimiser.step()
        if step % 25 == 0:
            left = elapsed / max(progress, 1e-6) - elapsed
            means = ", ".join(f"{name} {value:.4f}" for name, value in running.items())
            print(f"{arguments.name}: step {step}: {means}; {elapsed / 60:.1f} min, {left / 60:.1f} min left", flush=True)
        if step % arguments.validate_every == 0 or progress >= 1.0:
            found = validate(model, data, arguments.validation_clips)
            spent, begun = elapsed, time.monotonic()
            finished = progress >= 1.0
            log.add(dict(step=step, minutes=round(elapsed / 60, 2), rate=rate, training=running, validation=found, finished=finished))  # fmt: skip
            save()
            print(f"{arguments.name}: step {step}: validation {found}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path, help="folder that teacher.py filled")
    parser.add_argument("model", type=Path, help="ggml-tiny.en.bin, f16")
    parser.add_argument("--name", default="adapter", help="folder for this run, in the cache")
    parser.add_argument("--start", type=Path, metavar="ADAPTER", help="go on from this adapter file instead of from nothing")
    parser.add_argument("--rank", type=int, help=f"as that of --start, or {RANK}")
    parser.add_argument("--part", choices=["all", "encoder", "decoder"], default="all", help="what is adapted")
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--states-weight", type=float, default=0.3)
    parser.add_argument("--hidden-weight", type=float, default=0.3)
    parser.add_argument("--seconds-max", type=float, default=24.0, help="leave out longer clips")
    parser.add_argument("--validate-every", type=int, default=350)
    parser.add_argument("--validation-clips", type=int, default=48)
    parser.add_argument("--minutes", type=float, help="fit the schedule into this time instead of --steps")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=1)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
