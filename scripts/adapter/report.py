"""Write the measured part of README.md, and the curves beside it, from the results and the training's log.

Differences are paired, recording by recording, against the stock model's full context. The intervals are 95 %
bootstrap percentiles over speakers (noisy: over texts), because what one speaker says is not independent; where there
are fewer than six, over recordings, and hold for these voices only. Errors are those of recordings that were measured
at the stock model's full context too; texts that were cut are counted in all.
"""

import argparse
import hashlib
import json
import tomllib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np

import evaluate
from evaluate import MARGINS, SETS, Result
from sets import TEXTED

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

HERE = Path(__file__).parent
ADAPTER = HERE.parents[1] / "image/adapter/short-context.bin"
BEGIN, END = "<!-- measured: report.py writes from here -->\n", "<!-- to here -->\n"
RESAMPLES = 2000
CLUSTERS_MIN = 6
LENGTH_SETS = ("prompts", "read", "long")
LENGTHS = [(0, 2), (2, 4), (4, 8), (8, 16), (16, 28)]
COLOURS = {"stock": "tab:orange", "adapted": "tab:blue"}
STOCK_FULL, SHORT = ("stock", "full"), "32"

Table = dict[tuple[str, str, str], dict[str, Result]]
"""Results by set, model and margin, then by recording."""


def rate(errors_words: np.ndarray) -> float:
    """Word error rate in percent of [n, 2] errors and words."""
    return 100 * errors_words[:, 0].sum() / max(1, errors_words[:, 1].sum())


def difference(errors: np.ndarray) -> float:
    """Points of [n, 3]: errors, errors of what it is compared with, words."""
    return 100 * (errors[:, 0] - errors[:, 1]).sum() / max(1, errors[:, 2].sum())


def interval(values: np.ndarray, clusters: list[str], statistic: Callable[[np.ndarray], float]) -> str:
    """95 % bootstrap interval of a statistic over rows, drawn by cluster."""
    groups = defaultdict(list)
    for i, cluster in enumerate(clusters):
        groups[cluster].append(i)
    members = list(groups.values()) if len(groups) >= CLUSTERS_MIN else [[i] for i in range(len(values))]
    # A cluster's sums are enough for both statistics.
    sums = np.array([values[rows].sum(0) for rows in members])
    random = np.random.default_rng(1)
    found = [statistic(sums[random.integers(len(sums), size=len(sums))]) for _ in range(RESAMPLES)]
    low, high = np.percentile(found, [2.5, 97.5])
    return f"{low:.1f} to {high:.1f}"


def against(here: dict[str, Result], base: dict[str, Result]) -> np.ndarray:
    """[n, 3] errors here and there, and words, of the recordings here."""
    return np.array([[here[i].errors, base[i].errors, here[i].words] for i in here])


def main_table(found: Table, rows: dict[str, dict]) -> list[str]:
    """Error and cost against margin, per set."""
    lines = ["| set (recordings, speakers) | model | margin | error, % (95 %) | against stock at full context, points (95 %) | cut | processor, ms |", "|---|---|---|---|---|---|---|"]  # fmt: skip
    for name in SETS:
        base = found[name, *STOCK_FULL]
        for model in ("stock", "adapted"):
            for margin in MARGINS:
                here = {i: result for i, result in found[name, model, margin].items() if i in base}
                if not here:
                    continue
                clusters = [rows[i]["speaker"] for i in here]
                errors = against(here, base)
                error = f"{rate(errors[:, [0, 2]]):.1f} ({interval(errors[:, [0, 2]], clusters, rate)})"
                delta = f"{difference(errors):+.1f} ({interval(errors, clusters, difference)})"
                if (model, margin) == STOCK_FULL:
                    delta = "–"
                cut = sum(result.ending != "EndOfText" for result in here.values())
                cost = np.mean([result.cpu_ms for result in here.values()])
                label = margin if margin == "full" else f"+{margin}"
                size = f"{name} ({len(here)}, {len(set(clusters))})"
                lines.append(f"| {size} | {model} | {label} | {error} | {delta} | {cut} | {cost:.0f} |")
    return lines


def together(found: Table, rows: dict[str, dict]) -> list[str]:
    """The adapted model's points against the stock model's full context over several sets, as each has few words."""
    everything = ("prompts", *TEXTED)
    groups = {
        "all": everything,
        "without noise": [name for name in everything if not name.startswith("nois")],
        "in noise": [name for name in everything if name.startswith("nois")],
    }
    lines = ["| sets with texts | recordings | words | adapted, +32 | adapted, full |", "|---|---|---|---|---|"]
    for label, names in groups.items():
        cells = []
        for margin in (SHORT, "full"):
            # As many of each set as are measured at both margins.
            pairs = [
                (result, found[name, *STOCK_FULL][i])
                for name in names
                for i, result in found[name, "adapted", margin].items()
                if i in found[name, *STOCK_FULL] and i in found[name, "adapted", SHORT] and i in found[name, "adapted", "full"]
            ]
            errors = np.array([[here.errors, base.errors, here.words] for here, base in pairs]).reshape(-1, 3)
            speakers = [rows[here.id]["speaker"] for here, _ in pairs]
            cells.append(f"{difference(errors):+.2f} ({interval(errors, speakers, difference)})")
        lines.append(f"| {label} | {len(pairs)} | {errors[:, 2].sum()} | " + " | ".join(cells) + " |")
    return lines


def by_length(found: Table, rows: dict[str, dict]) -> list[str]:
    """Points against the stock model's full context by length."""
    systems = [("stock", SHORT), ("adapted", SHORT), ("adapted", "full")]
    labels = [f"{model}, {'+' * (margin != 'full')}{margin}" for model, margin in systems]
    lines = ["| length, s | recordings | " + " | ".join(labels) + " |", "|---|---|" + "---|" * len(systems)]
    for low, high in LENGTHS:
        cells, count = [], 0
        for model, margin in systems:
            pairs = [
                (result, found[name, *STOCK_FULL][i])
                for name in LENGTH_SETS
                for i, result in found[name, model, margin].items()
                if i in found[name, *STOCK_FULL] and low <= float(rows[i]["duration_s"]) < high
            ]
            count = len(pairs)
            errors = np.array([[here.errors, base.errors, here.words] for here, base in pairs]).reshape(-1, 3)
            speakers = [rows[here.id]["speaker"] for here, _ in pairs]
            cells.append(f"{difference(errors):+.1f} ({interval(errors, speakers, difference)})" if pairs else "–")
        lines.append(f"| {low} to {high} | {count} | " + " | ".join(cells) + " |")
    return lines


def worst(found: Table) -> list[str]:
    """The recordings that lost most by the adapter at the short margin, each voice and sentence once."""
    lost = {}
    for name in SETS:
        base = found[name, *STOCK_FULL]
        for i, here in found[name, "adapted", SHORT].items():
            if i not in base:
                continue
            entry = (here.errors - base[i].errors, name, base[i].text, here.text)
            key = i.split("-")[-1]
            if entry[0] > 0 and entry > lost.get(key, (0,)):
                lost[key] = entry
    lines = ["| set | stock, full context | adapted, +32 |", "|---|---|---|"]
    for _, *cells in sorted(lost.values(), reverse=True)[:8]:
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def draw_margins(found: Table, out: Path) -> None:
    """Error against margin, per set and model, with the number of recordings."""
    names = [name for name in SETS if found[name, *STOCK_FULL]]
    columns = 5
    lines = -(-len(names) // columns)
    figure, axes = pyplot.subplots(lines, columns, figsize=(3 * columns, 2.6 * lines), squeeze=False)
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    margins = [*MARGINS[1:], MARGINS[0]]
    for axis, name in zip(axes.flat, names):
        # The same recordings everywhere: some margins were measured with more of them.
        points = [found[name, model, margin] for model in COLOURS for margin in margins]
        shared = set.intersection(*map(set, filter(None, points)))
        for model, colour in COLOURS.items():
            results = [[found[name, model, margin][i] for i in shared if found[name, model, margin]] for margin in margins]
            errors = [rate(np.array([[r.errors, r.words] for r in here] or [[np.nan, 1]])) for here in results]
            axis.plot([*(f"+{margin}" for margin in margins[:-1]), "full"], errors, "o-", color=colour, label=model)
        axis.set_title(f"{name}, {len(shared)}")
        axis.set_ylim(bottom=0)
    for axis in axes[:, 0]:
        axis.set_ylabel("word errors, %")
    axes[0][0].legend()
    figure.tight_layout()
    figure.savefig(out)


def draw_training(logs: list[list[dict]], out: Path) -> None:
    """Validation KL against steps, a line for each run and margin."""
    figure, axis = pyplot.subplots(figsize=(5, 3))
    for log, style in zip(logs, ("o-", "o--", "o:", "o-.")):
        axis.set_prop_cycle(None)
        for name in log[0]["validation"]:
            label = f"margin {name}" if log is logs[0] else None
            axis.plot([e["step"] for e in log], [e["validation"][name] for e in log], style, label=label)
    axis.set_xlabel("step")
    axis.set_ylabel("KL divergence per token, validation")
    axis.set_ylim(bottom=0)
    axis.legend()
    figure.tight_layout()
    figure.savefig(out)


def read_log(path: Path) -> list[dict]:
    """The lines of a training's log."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def training(cache: Path) -> list[str]:
    """What the runs came to that were averaged, with their curves; nothing where the adapter is not made of those at hand."""
    made_of = cache / "exported.sha256"
    exported, *checkpoints = made_of.read_text().splitlines() if made_of.exists() else [""]
    if not exported.startswith(hashlib.sha256(ADAPTER.read_bytes()).hexdigest()):
        return []
    checkpoints = [Path(line.split(maxsplit=1)[1]) for line in checkpoints]
    logs = [read_log(path.with_name("log.jsonl")) for path in checkpoints if path.suffix == ".pt"]
    if not logs:
        return []
    draw_training(logs, HERE / "training.svg")
    first = logs[0][0]
    return [
        f"{len(logs)} runs on {first['clips']} clips ({first['hours']:.1f} h), averaged afterwards. KL divergence per token from the stock model's full context, {first['validation_clips']} validation clips, by margin: {first['validation']} before; "  # fmt: skip
        + "; ".join(f"{log[-1]['validation']} after {log[-1]['step']} steps" for log in logs) + ".",
        "", "![validation](training.svg)", "",
    ]  # fmt: skip


def ablations(cache: Path) -> list[str]:
    """Short runs that differ in one thing each."""
    logs = {path.parent.name: read_log(path) for path in sorted((cache / "ablation").glob("*/log.jsonl"))}
    logs = {name: log for name, log in logs.items() if log[-1].get("finished")}
    if not logs:
        return []
    first = next(iter(logs.values()))
    margins = list(first[0]["validation"])
    steps = {log[-1]["step"] for log in logs.values()}
    count = " or ".join(map(str, sorted(steps)))
    lines = [f"Short runs from the stock model that differ in one thing each, one seed, {count} steps; KL divergence per token on the validation clips. They tell how fast learning begins, not where it ends; differences of a tenth are chance.", ""]  # fmt: skip
    lines += ["| run | " + " | ".join(margins) + " |", "|---|" + "---|" * len(margins)]
    for name, row in {"stock": first[0], **{name: log[-1] for name, log in logs.items()}}.items():
        lines.append(f"| {name} | " + " | ".join(f"{row['validation'][margin]:.4f}" for margin in margins) + " |")
    return [*lines, ""]


def sources(cache: Path) -> list[str]:
    """What was trained on and tested with."""
    hours = defaultdict(float)
    for line in (cache / "recordings.jsonl").read_text().splitlines():
        record = json.loads(line)
        hours[record["source"]] += record["samples"] / 16000 / 3600
    lines = ["| source | what | licence | hours |", "|---|---|---|---|"]
    for source in tomllib.loads((HERE / "sources.toml").read_text())["source"]:
        place = source.get("git") or source["deb"]
        lines.append(f"| {source['name']}: {place} | {source['about']} | {source['licence']} | {hours[source['name']]:.2f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--prompts", type=Path, required=True, help="manifest of the public benchmark")
    parser.add_argument("--stock", type=Path, required=True, help="the stock model")
    parser.add_argument("--adapted", type=Path, required=True, help="the adapted model")
    arguments = parser.parse_args()
    cache = arguments.cache
    rows = {row["id"]: row for name in SETS for row in evaluate.load(evaluate.manifest_of(cache, arguments.prompts, name))}
    found: Table = defaultdict(dict)
    for model in ("stock", "adapted"):
        for result in evaluate.read_results(evaluate.results_of(cache, model, getattr(arguments, model))):
            if result.id in rows and rows[result.id]["hash"] == result.hash:
                found[result.set, model, result.margin][result.id] = result
    draw_margins(found, HERE / "margins.svg")
    counts = {
        model: [result.ending != "EndOfText" for (_, m, margin), results in found.items() if m == model and margin != "full" for result in results.values()]  # fmt: skip
        for model in ("stock", "adapted")
    }
    words = {name: sum(r.words for r in found[name, *STOCK_FULL].values()) for name in SETS}
    text = [
        *training(cache),
        *ablations(cache),
        "Texts that were cut, because they looped or grew too long, of all recognitions at short contexts: "
        + "; ".join(f"{model} {sum(cut)} of {len(cut)}" for model, cut in counts.items()) + ".", "",
        f"Words: {sum(words[name] for name in ('prompts', *TEXTED))} in the sets with texts.", "",
        "Points against the stock model's full context (95 %), sets together:", "", *together(found, rows), "",
        *main_table(found, rows), "", "![error against margin](margins.svg)", "",
        f"By length ({', '.join(LENGTH_SETS)}), points against the stock model's full context (95 %):", "",
        *by_length(found, rows), "",
        "What got worse most, adapted at +32 against stock at full context:", "", *worst(found), "",
        "### Sources", "", *sources(cache), "",
    ]  # fmt: skip
    readme = HERE / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, behind = rest.partition(END)
    readme.write_text(before + BEGIN + "\n".join(text) + END + behind)


if __name__ == "__main__":
    main()
