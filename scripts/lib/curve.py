"""Error and cost of Oratype's decoding against the margin, with all guards, without each of them, and
without second looks.

Runs `oratype bench` once for each setting, prints a table, and draws it with --plot.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys

# Encoder positions of 20 ms.
MARGINS = (16, 32, 48, 64, 96, 128, 192, 256)
# The margin at which guards are left out one by one.
STANDARD = 32
NO_RETRIES = ("--retries", "0")
GUARDS = ("endless", "unheard", "doubt", "twice")


def settings():
    """What to measure: a name, and the options of `oratype bench`."""
    for margin in MARGINS:
        yield f"+{margin}", ("--margin", str(margin))
    for margin in MARGINS:
        yield f"+{margin}, no retries", ("--margin", str(margin), *NO_RETRIES)
    for guard in GUARDS:
        yield f"+{STANDARD}, without {guard!r}", ("--margin", str(STANDARD), "--without", guard)
    yield f"+{STANDARD}, without second looks", ("--margin", str(STANDARD), "--second-looks", "0")


def measure(bench, results, name, options):
    """One run: error rate with its interval, CPU per utterance, utterances recognised again."""
    out = results / (re.sub(r"\W+", "-", name).strip("-") + ".jsonl")
    done = subprocess.run([*bench, *options, "--out", str(out)], stdout=subprocess.PIPE, text=True)
    found = re.search(r"^WER +([0-9.]+) % 95 % interval ([0-9.]+) to ([0-9.]+)", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not found:
        sys.exit(f"{done.stdout}{name}: no WER (status {done.returncode})")
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    return {
        "name": name,
        "wer_percent": [float(number) for number in found.groups()],
        "cpu_ms": statistics.mean(line["cpu_ms"] for line in lines),
        "again": sum(line["retries"] > 0 for line in lines),
        "utterances": len(lines),
    }


def table(rows):
    print(f"{'margin':<28}{'WER':>8}{'95 %':>14}{'CPU/utterance':>16}{'again':>7}")
    for row in rows:
        wer, low, high = row["wer_percent"]
        print(
            f"{row['name']:<28}{wer:>6.2f} %{f'{low:.1f} to {high:.1f}':>14}"
            f"{row['cpu_ms']:>13.0f} ms{row['again']:>7}"
        )


def plot(rows, path):
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "oratype"
    from matplotlib import pyplot

    figure, (error, cost) = pyplot.subplots(1, 2, figsize=(11, 4.5))
    count = len(MARGINS)
    for part, label, colour in ((rows[:count], "retries", "#0072b2"), (rows[count : 2 * count], "none", "#d55e00")):
        wer = [row["wer_percent"] for row in part]
        middle = [one[0] for one in wer]
        bars = [[one[0] - one[1] for one in wer], [one[2] - one[0] for one in wer]]
        error.errorbar(MARGINS, middle, yerr=bars, capsize=3, color=colour, label=label)
        cost.plot(MARGINS, [row["cpu_ms"] for row in part], marker="o", color=colour, label=label)
    error.set_ylabel("word errors, %")
    cost.set_ylabel("CPU per utterance, ms")
    cost.set_ylim(bottom=0)
    for axes in (error, cost):
        axes.set_xlabel("margin, encoder positions")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(f"{rows[0]['utterances']} utterances of recorded speech, one run")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--oratype", required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--set", required=True)
    parser.add_argument("--model", help="another model file")
    parser.add_argument("--results", type=pathlib.Path, required=True)
    parser.add_argument("--plot", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.results.mkdir(parents=True, exist_ok=True)
    bench = [arguments.oratype, "bench", "--models", arguments.models, "--set", arguments.set, "--pace", "fast"]
    if arguments.model:
        bench += ["--model", arguments.model]
    all_settings = list(settings())
    rows = []
    for number, (name, options) in enumerate(all_settings, 1):
        print(f"{number}/{len(all_settings)} {name}", file=sys.stderr)
        rows.append(measure(bench, arguments.results, name, options))
    table(rows)
    if arguments.plot:
        plot(rows, arguments.plot)


if __name__ == "__main__":
    main()
