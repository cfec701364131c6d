"""Write the measured part of README.md, and the curves beside it, from results.tsv and the training's log.

Differences are paired, utterance by utterance, against the stock model's full context; the intervals are 95 %
bootstrap percentiles over utterances.
"""

import argparse
import csv
import json
import tomllib
from collections import defaultdict
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

HERE = Path(__file__).parent
BEGIN, END = "<!-- measured: report.py writes from here -->\n", "<!-- to here -->\n"
RESAMPLES = 2000
MARGINS = ["full", "32", "64", "128"]
LENGTHS = [(0, 3), (3, 6), (6, 12)]
COLOURS = {"stock": "tab:orange", "adapted": "tab:blue"}


class Row:
    """One recording recognised once."""

    def __init__(self, fields: list[str]):
        self.model, self.set, self.path, self.margin, self.ending = fields[:5]
        self.tokens, self.errors, self.words = (int(f) for f in fields[5:8])
        self.cpu_ms = float(fields[8])
        self.text = fields[9]


def rate(pairs: np.ndarray) -> float:
    """Word error rate in percent of [n, 2] errors and words."""
    return 100 * pairs[:, 0].sum() / max(1, pairs[:, 1].sum())


def interval(values, statistic) -> str:
    """95 % bootstrap interval of a statistic over rows."""
    random = np.random.default_rng(1)
    found = [statistic(values[random.integers(len(values), size=len(values))]) for _ in range(RESAMPLES)]
    low, high = np.percentile(found, [2.5, 97.5])
    return f"{low:.1f} to {high:.1f}"


def difference(table: np.ndarray) -> float:
    """Points of [n, 3]: errors, errors of the reference system, words."""
    return 100 * (table[:, 0] - table[:, 1]).sum() / max(1, table[:, 2].sum())


def table(rows: list[Row], durations: dict[str, float]) -> list[str]:
    """Error and cost against margin, per set."""
    found = defaultdict(dict)
    for row in rows:
        found[row.set, row.model, row.margin][row.path] = row
    lines = ["| set (recordings) | model | margin | error, % (95 %) | against stock at full context, points (95 %) | loops | processor, ms |", "|---|---|---|---|---|---|---|"]  # fmt: skip
    for test in dict.fromkeys(row.set for row in rows):
        base = found[test, "stock", "full"]
        for model in dict.fromkeys(row.model for row in rows):
            for margin in MARGINS:
                here = found.get((test, model, margin))
                if not here:
                    continue
                paths = [path for path in here if path in base]
                pairs = np.array([[here[p].errors, here[p].words] for p in paths])
                against = np.array([[here[p].errors, base[p].errors, here[p].words] for p in paths])
                loops = sum(here[p].ending != "EndOfText" for p in paths)
                cost = np.mean([here[p].cpu_ms for p in paths])
                delta = "–" if (model, margin) == ("stock", "full") else f"{difference(against):+.1f} ({interval(against, difference)})"  # fmt: skip
                label = margin if margin == "full" else f"+{margin}"
                lines.append(f"| {test} ({len(paths)}) | {model} | {label} | {rate(pairs):.1f} ({interval(pairs, rate)}) | {delta} | {loops} | {cost:.0f} |")  # fmt: skip
    return lines


def by_length(rows: list[Row], durations: dict[str, float]) -> list[str]:
    """Error at +32 by length over the sets with texts."""
    lines = ["| length, s | stock, full | stock, +32 | adapted, +32 | adapted, full |", "|---|---|---|---|---|"]
    for low, high in LENGTHS:
        cells = []
        for model, margin in (("stock", "full"), ("stock", "32"), ("adapted", "32"), ("adapted", "full")):
            chosen = [r for r in rows if (r.model, r.margin) == (model, margin) and low <= durations[r.path] < high and r.set in ("prompts", "read", "noisy")]  # fmt: skip
            pairs = np.array([[r.errors, r.words] for r in chosen]).reshape(-1, 2)
            cells.append(f"{rate(pairs):.1f} ({len(chosen)})" if len(chosen) else "–")
        lines.append(f"| {low} to {high} | " + " | ".join(cells) + " |")
    return lines


def worst(rows: list[Row]) -> list[str]:
    """The recordings that lost most by the adapter at +32 against the stock model's full context."""
    base = {r.path: r for r in rows if (r.model, r.margin) == ("stock", "full")}
    here = [r for r in rows if (r.model, r.margin) == ("adapted", "32") and r.path in base]
    here = sorted(here, key=lambda r: base[r.path].errors - r.errors)[:8]
    return ["| set | stock, full context | adapted, +32 |", "|---|---|---|"] + [
        f"| {r.set} | {base[r.path].text} | {r.text} |" for r in here if r.errors > base[r.path].errors
    ]


def draw_margins(rows: list[Row], out: Path) -> None:
    """Error against margin, per set and model."""
    sets = list(dict.fromkeys(row.set for row in rows))
    figure, axes = pyplot.subplots(1, len(sets), figsize=(3 * len(sets), 3), sharey=True, squeeze=False)
    for axis, test in zip(axes[0], sets):
        for model in dict.fromkeys(row.model for row in rows):
            errors = []
            for margin in ("32", "64", "128", "full"):
                pairs = np.array([[r.errors, r.words] for r in rows if (r.set, r.model, r.margin) == (test, model, margin)])
                errors.append(rate(pairs) if len(pairs) else np.nan)
            axis.plot(["+32", "+64", "+128", "full"], errors, "o-", color=COLOURS.get(model), label=model)
        axis.set_title(test)
    axes[0][0].set_ylabel("word errors, %")
    axes[0][-1].legend()
    figure.tight_layout()
    figure.savefig(out)


def draw_training(log: list[dict], out: Path) -> None:
    """Validation KL against steps."""
    figure, axis = pyplot.subplots(figsize=(5, 3))
    for name in log[0]["validation"]:
        axis.plot([e["step"] for e in log], [e["validation"][name] for e in log], "o-", label=f"margin {name}")
    axis.set_xlabel("step")
    axis.set_ylabel("KL divergence per token, validation")
    axis.set_ylim(bottom=0)
    axis.legend()
    figure.tight_layout()
    figure.savefig(out)


def sources(cache: Path) -> list[str]:
    """What was trained on and tested with."""
    hours, speakers = defaultdict(float), defaultdict(set)
    for line in (cache / "recordings.jsonl").read_text().splitlines():
        record = json.loads(line)
        hours[record["source"]] += record["samples"] / 16000 / 3600
        speakers[record["source"]].add(record["speaker"])
    lines = ["| source | what | licence | hours |", "|---|---|---|---|"]
    for source in tomllib.loads((HERE / "sources.toml").read_text())["source"]:
        place = source.get("git") or source["deb"]
        lines.append(f"| {source['name']}: {place} | {source['about']} | {source['licence']} | {hours[source['name']]:.2f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--name", default="adapter", help="the training run")
    arguments = parser.parse_args()
    cache = arguments.cache
    with open(cache / "results.tsv") as file:
        rows = [Row(fields) for fields in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    durations = {row.path: (cache / "test" / row.path).stat().st_size / 32000 for row in rows}
    log = [json.loads(line) for line in (cache / arguments.name / "log.jsonl").read_text().splitlines()]
    draw_margins(rows, HERE / "margins.svg")
    draw_training(log, HERE / "training.svg")
    targets = [json.loads(line) for line in (cache / "targets.jsonl").read_text().splitlines()]
    clips = [json.loads(line) for line in (cache / "clips.jsonl").read_text().splitlines()]
    used = [clips[t["clip"]] for t in targets if t["kept"] and clips[t["clip"]]["part"] == "train"]
    heard = sum(clip["samples"] for clip in used) / 16000 / 3600
    last = log[-1]
    count = sum(1 for row in rows if row.model == "adapted")
    loops = sum(1 for row in rows if row.model == "adapted" and row.ending != "EndOfText")
    text = [
        f"Trained on {len(used)} clips ({heard:.2f} h) for {last['step']} steps; validation {log[0]['validation']} "
        f"before, {last['validation']} after (KL divergence per token from the stock model's full context, by margin).",
        "", "![validation](training.svg)", "",
        f"Loops and overlong texts in {count} recognitions of the adapted model, no guard's retry: {loops}.", "",
        *table(rows, durations), "", "![error against margin](margins.svg)", "",
        "By length, sets with texts, error in percent (recordings):", "", *by_length(rows, durations), "",
        "What got worse most, adapted at +32 against stock at full context:", "", *worst(rows), "",
        "### Sources", "", *sources(cache), "",
    ]  # fmt: skip
    readme = HERE / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, behind = rest.partition(END)
    readme.write_text(before + BEGIN + "\n".join(text) + END + behind)


if __name__ == "__main__":
    main()
