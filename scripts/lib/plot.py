"""Draws RESULTS/summary.json: error rate against CPU per utterance, and the spread of latency."""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
# A text editor's diff of two plots should show the figures' changes only.
matplotlib.rcParams["svg.hashsalt"] = "oratype"

from matplotlib import pyplot

# Told apart by those who confuse red and green, and in print.
COLOURS = ["#0072b2", "#d55e00", "#999999"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    engines = json.loads((arguments.results / "summary.json").read_text(encoding="utf-8"))

    figure, (cost, latency) = pyplot.subplots(1, 2, figsize=(11, 4.5))
    for engine, colour in zip(engines, COLOURS, strict=True):
        label = engine["name"]
        cost.bar(label, engine["cpu_ms"], color=colour)
        cost.annotate(
            f"WER {engine['wer_percent']:.2f} %",
            (label, engine["cpu_ms"]),
            ha="center",
            va="bottom",
        )
        times = sorted(engine["latencies_ms"])
        shares = [100 * (place + 1) / len(times) for place in range(len(times))]
        latency.step(times, shares, where="post", color=colour, label=label)
    cost.set_ylabel("CPU per utterance, ms")
    cost.margins(y=0.12)
    cost.tick_params(axis="x", labelsize="small")
    latency.set_xlabel("end of utterance to last character, ms")
    latency.set_ylabel("utterances, %")
    latency.set_xlim(left=0)
    latency.set_ylim(0, 101)
    latency.grid(alpha=0.3)
    latency.legend(loc="lower right")
    figure.suptitle(f"{engines[0]['utterances']} utterances of recorded speech, one run")
    figure.tight_layout()
    figure.savefig(arguments.out, metadata={"Date": None} if arguments.out.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
