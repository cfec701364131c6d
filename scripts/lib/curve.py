"""Error and cost of Oratype's decoding against the margin, with all guards, without each of them, and
without second looks.

Runs `oratype bench` once for each setting and speech set, and prints a table for each set, for all together, and for
each length of recording; draws them with --plot.
"""

import json
import math
import sys
import tempfile
from pathlib import Path

from runs import Bench, lines_of, parser, speech_sets

# Encoder positions of 20 ms.
MARGINS = (16, 32, 48, 64, 96, 128, 192, 256)
# The margin at which guards are left out one by one; with all of them it is what the others are compared with.
STANDARD = 32
NO_RETRIES = ("--retries", "0")
GUARDS = ("endless", "unheard", "doubt", "twice")
# Bounds of the lengths that are told apart, seconds.
LENGTHS_S = (0, 2, 4, 8, 16, math.inf)


def settings():
    """What to measure: a name, and the options of `oratype bench`."""
    for margin in MARGINS:
        yield f"+{margin}", ("--margin", str(margin))
    for margin in MARGINS:
        yield f"+{margin}, no retries", ("--margin", str(margin), *NO_RETRIES)
    for guard in GUARDS:
        yield f"+{STANDARD}, without {guard!r}", ("--margin", str(STANDARD), "--without", guard)
    yield f"+{STANDARD}, without second looks", ("--margin", str(STANDARD), "--second-looks", "0")


def measure(bench, sets):
    """The file of results of every set, by setting."""
    all_settings = list(settings())
    runs = {name: [] for name, _ in all_settings}
    for speech_set in sets:
        for number, (name, options) in enumerate(all_settings, 1):
            print(f"{speech_set.name} {number}/{len(all_settings)} {name}", file=sys.stderr)
            runs[name].append(bench.run(speech_set, name, options))
    return runs


def scores(bench, runs):
    """A row for each setting, compared with the standard one."""
    standard = runs[f"+{STANDARD}"]
    return [bench.score(name, files, standard if files is not standard else None) for name, files in runs.items()]


def by_length(bench, runs):
    """The rows of the margins for each length of recording, over all sets; lengths that do not occur are left out."""
    for low, high in zip(LENGTHS_S, LENGTHS_S[1:]):
        title = f"{low} to {high} s" if high < math.inf else f"over {low} s"
        with tempfile.TemporaryDirectory() as folder:
            parts = {}
            for name in (f"+{margin}" for margin in MARGINS):
                lines = [line for line in lines_of(runs[name]) if low < line["duration_s"] <= high]
                parts[name] = [Path(folder) / f"{name}.jsonl"]
                parts[name][0].write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
            if lines:
                yield title, scores(bench, parts)


def table(title, rows):
    print(f"\n{title}: {rows[0]['utterances']} utterances, {rows[0]['words']} words")
    print(
        f"{'setting':<28}{'WER':>8}{'95 %':>14}{'CPU/utterance':>16}{'again':>7}"
        f"{f'against +{STANDARD}':>14}{'95 %':>16}{'better':>8}{'worse':>7}"
    )
    for row in rows:
        wer, low, high = row["wer_percent"]
        cells = (
            f"{row['name']:<28}{wer:>6.2f} %{f'{low:.1f} to {high:.1f}':>14}{row['cpu_ms']:>13.0f} ms{row['again']:>7}"
        )
        if row["difference"]:
            points, low, high, better, worse = row["difference"]
            cells += f"{points:>+14.2f}{f'{low:+.2f} to {high:+.2f}':>16}{better:>8.0f}{worse:>7.0f}"
        print(cells)


def plot(tables, lengths, path):
    import matplotlib

    matplotlib.use("Agg")
    # A text editor's diff of two plots should show the figures' changes only.
    matplotlib.rcParams["svg.hashsalt"] = "oratype"
    from matplotlib import pyplot

    columns = 3
    # Behind those of the sets: cost, what the guards are worth, error and cost by length.
    rows = math.ceil((len(tables) + 4) / columns)
    figure, grid = pyplot.subplots(rows, columns, figsize=(5 * columns, 4 * rows), squeeze=False)
    panels = list(grid.flat)
    error_panels, (cost, worth, error_by_length, cost_by_length), unused = (
        panels[: len(tables)], panels[len(tables) : len(tables) + 4], panels[len(tables) + 4 :]
    )  # fmt: skip
    for axes in unused:
        axes.remove()

    def errors(axes, part, shift=1.0, **style):
        """Error rates and intervals against the margin, moved a little so that two series do not hide each other."""
        middle, low, high = zip(*(row["wer_percent"] for row in part))
        bars = [[m - l for m, l in zip(middle, low)], [h - m for h, m in zip(high, middle)]]
        axes.errorbar([shift * margin for margin in MARGINS], middle, yerr=bars, capsize=3, marker="o", **style)

    count = len(MARGINS)
    series = ((slice(count), "with retries", "#0072b2"), (slice(count, 2 * count), "no retries", "#d55e00"))
    for axes, (title, rows) in zip(error_panels, tables.items()):
        for shift, (part, label, color) in zip((0.97, 1.03), series):
            errors(axes, rows[part], shift, label=label, color=color)
        axes.set_title(f"{title}: {rows[0]['utterances']} utterances")
    pooled = list(tables.values())[-1]
    for part, label, color in series:
        cost.plot(MARGINS, [row["cpu_ms"] for row in pooled[part]], marker="o", color=color, label=label)
    cost.set_title("cost, all sets" if len(tables) > 1 else "cost")

    left_out = [row for row in pooled[count:] if row["name"].startswith(f"+{STANDARD},")]
    names = [row["name"].removeprefix(f"+{STANDARD}, ") for row in left_out]
    points, low, high = zip(*(row["difference"][:3] for row in left_out))
    bars = [[p - l for p, l in zip(points, low)], [h - p for h, p in zip(high, points)]]
    worth.errorbar(points, names, xerr=bars, capsize=3, marker="o", linestyle="", color="#0072b2")
    worth.axvline(0, color="#999999", linewidth=1)
    worth.invert_yaxis()
    worth.set_xlabel("word errors more, points")
    worth.set_title(f"what each is worth at +{STANDARD}")
    worth.grid(alpha=0.3)

    for place, (title, rows) in enumerate(lengths):
        style = {"label": title, "color": pyplot.cm.viridis(place / len(LENGTHS_S))}
        errors(error_by_length, rows, 1 + 0.03 * (place - 2), **style)
        cost_by_length.plot(MARGINS, [row["cpu_ms"] for row in rows], marker="o", **style)
    error_by_length.set_title("by length of recording")
    cost_by_length.set_title("cost by length of recording")

    for axes in (*error_panels, cost):
        axes.legend(fontsize="small")
    # Beside the panel, for both: in them it would hide something.
    cost_by_length.legend(loc="upper left", bbox_to_anchor=(1, 1))
    for axes in (*error_panels, error_by_length):
        axes.set_ylabel("word errors, %")
    for axes in (cost, cost_by_length):
        axes.set_ylabel("CPU per utterance, ms")
    for axes in (*error_panels, error_by_length, cost, cost_by_length):
        axes.set_ylim(bottom=0)
        axes.set_xscale("log", base=2)
        axes.set_xticks(MARGINS, MARGINS)
        axes.minorticks_off()
        axes.set_xlabel("margin, encoder positions")
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main():
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--plot", type=Path)
    arguments = options.parse_args()
    bench, sets = Bench(arguments), speech_sets(arguments.sets)
    runs = measure(bench, sets)
    tables = {
        one.name: scores(bench, {name: [files[place]] for name, files in runs.items()})
        for place, one in enumerate(sets)
    }
    if len(sets) > 1:
        tables["all sets"] = scores(bench, runs)
    lengths = list(by_length(bench, runs))
    for title, rows in [*tables.items(), *lengths]:
        table(title, rows)
    if arguments.plot:
        plot(tables, lengths, arguments.plot)


if __name__ == "__main__":
    main()
