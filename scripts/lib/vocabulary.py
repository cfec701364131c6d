"""What listing words gains and costs, on words that were not chosen by the recogniser's errors.

The listed words of a speech set are those of its references that are rare English (`rare_words`). The distractors are
rare words of the other sets, and of our documents, that nobody says in the set. Each set is recognised without a list,
with its words, with these and the distractors, and with the distractors alone.

Recall is the share of the listed words' occurrences in the references that come out right. False are listed words, and
distractors, that come out where nobody said them. U-WER is the error rate on the words that are not listed, without
listed words too many (Le et al., Interspeech 2021). These are of an alignment of words that are only made small; WER
is that of `oratype bench --score`. Intervals are 95 %, paired, by bootstrap over recordings.
"""

import hashlib
import random
import re
import sys
from collections import Counter
from pathlib import Path

from ggml_model import vocabulary
from runs import Bench, lines_of, parser, speech_sets

ROOT = Path(__file__).parents[2]
COMMON = frozenset((ROOT / "app/src/compose/common_words.txt").read_text(encoding="utf-8").split())
DOCUMENTS = ("README.md", "ARCHITECTURE.md")
# Letters of the shortest word that is listed: shorter ones are mostly parts of speech and abbreviations.
LETTERS_MIN = 4
# The model's tokens are numbered in the order in which they were joined, so the first are the commonest words. The list
# of common words lacks those that are also names, such as "more" and "white".
COMMON_TOKENS = 10_000
# A vocabulary has at most 1000 words (app/src/settings/lists.rs).
OWN_MAX, DISTRACTORS_MAX = 600, 400
# Endings of inflected words, and what stands there in the common form.
ENDINGS = {
    "s": ("",), "es": ("",), "ies": ("y",), "d": ("",), "ed": ("",), "ied": ("y",), "ing": ("", "e"),
    "er": ("", "e"), "ier": ("y",), "est": ("", "e"), "iest": ("y",), "ly": ("",), "ily": ("y",),
}  # fmt: skip
RESAMPLES = 2000
NO_LIST = "no list"


def words(text):
    """The words of a text, made small, without the possessive."""
    found = re.findall(r"[a-z0-9]+(?:'[a-z]+)?", text.lower().replace("’", "'"))
    return [word.removesuffix("'s") for word in found]


def is_common(word):
    """Whether this, or what it is a simple inflection of, is among the common words."""
    stems = [word]
    for ending, replacements in ENDINGS.items():
        if word.endswith(ending):
            stem = word.removesuffix(ending)
            stems += [stem + replacement for replacement in replacements]
            # As in "stopped".
            stems += [stem[:-1]] if stem[-2:-1] == stem[-1:] else []
    return not COMMON.isdisjoint(stems)


def common_tokens(models):
    """The words among the model's first tokens; all models have the same."""
    tokens, _ = vocabulary(min(models.glob("ggml-*.bin")).read_bytes())
    return {token.decode(errors="replace").strip().lower() for token in tokens[:COMMON_TOKENS]}


def rare_words(text, common):
    return {
        word
        for word in words(text)
        if re.fullmatch("[a-z]+", word) and len(word) >= LETTERS_MIN and word not in common and not is_common(word)
    }


def some(words, count):
    """So many of the words; which, does not change much when a few are added."""
    return sorted(sorted(words, key=lambda word: hashlib.sha256(word.encode()).digest())[:count])


def spelling(word, references):
    """How a word is to be typed: with the capitals that it has wherever no sentence begins, in texts that have any."""
    found = [
        match[0]
        for reference in references
        if not reference.isupper()
        for match in re.finditer(rf"(?<![.?!] )(?<![.?!]  )(?<!^)\b{word}\b", reference, re.IGNORECASE)
    ]
    return word if not found or word in found else min(found)


def lists_of(sets, common):
    """For each set its words and distractors, spelled."""
    references = [[row["reference"] for row in one.rows] for one in sets]
    # Without code, which has words that are none.
    documents = [re.sub(r"```.*?```|`.*?`", " ", (ROOT / name).read_text(), flags=re.DOTALL) for name in DOCUMENTS]
    for place, own_texts in enumerate(references):
        other_texts = [text for other in references[:place] + references[place + 1 :] for text in other]
        own = rare_words(" ".join(own_texts), common)
        said = {word for text in own_texts for word in words(text)}
        distractors = rare_words(" ".join(other_texts + documents), common) - said
        yield (
            [spelling(word, own_texts) for word in some(own, OWN_MAX)],
            [spelling(word, other_texts) for word in some(distractors, DISTRACTORS_MAX)],
        )


def aligned(reference, text):
    """The words of both side by side, None where one lacks a word: the fewest edits (Wagner and Fischer)."""
    edits = [list(range(len(text) + 1))]
    for row, expected in enumerate(reference, 1):
        edits.append([row])
        for column, word in enumerate(text, 1):
            above, diagonal = edits[row - 1][column], edits[row - 1][column - 1]
            edits[row].append(min(diagonal + (expected != word), above + 1, edits[row][-1] + 1))
    row, column = len(reference), len(text)
    while row or column:
        here = edits[row][column]
        if row and column and here == edits[row - 1][column - 1] + (reference[row - 1] != text[column - 1]):
            row, column = row - 1, column - 1
            yield reference[row], text[column]
        elif row and here == edits[row - 1][column] + 1:
            row -= 1
            yield reference[row], None
        else:
            column -= 1
            yield None, text[column]


def count(line, own, distractors):
    """What became of the words of one recording."""
    counts = Counter()
    for expected, word in aligned(words(line["reference"]), words(line["text"])):
        right = expected == word
        if expected in own:
            counts["own"] += 1
            counts["own right"] += right
        elif expected:
            counts["others"] += 1
            counts["others wrong"] += not right
        elif word not in own and word not in distractors:
            counts["others wrong"] += 1
        if not right:
            counts["false own"] += word in own
            counts["false distractors"] += word in distractors
    return counts


def percent(counts, part, whole):
    return 100 * sum(one[part] for one in counts) / max(1, sum(one[whole] for one in counts))


def difference(counts, others, part, whole):
    """How many points more than without a list, and the interval."""
    if counts is others:
        return ""
    pairs = [(here[part] - there[part], here[whole]) for here, there in zip(counts, others)]

    def points(pairs):
        more, of = map(sum, zip(*pairs))
        return 100 * more / max(1, of)

    draw = random.Random(1)
    found = sorted(points(draw.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES))
    low, high = (found[round(share * (RESAMPLES - 1))] for share in (0.025, 0.975))
    return f"{points(pairs):+.2f} ({low:+.2f} to {high:+.2f})"


def run_all(bench, speech_set, own, distractors):
    """The results of the set by name of the list."""
    lists = {
        NO_LIST: [],
        "its words": own,
        "its words, distractors": own + distractors,
        "distractors": distractors,
    }
    results = {}
    for name, listed in lists.items():
        print(f"{speech_set.name}: {name}, {len(listed)} words", file=sys.stderr)
        folder = bench.results / speech_set.name / f"vocabulary {name}"
        folder.mkdir(parents=True, exist_ok=True)
        settings, file = folder / "oratype.toml", folder / "vocabulary.txt"
        settings.write_text(f'[recogniser]\nvocabulary = "{file.name}"\n', encoding="utf-8")
        file.write_text("".join(f"{word}\n" for word in listed), encoding="utf-8")
        options = ("--settings", str(settings))
        results[name] = bench.run(speech_set, f"vocabulary {name}", options, (settings, file))
    return results


def table(bench, title, files, counts):
    """`files` and `counts` by name of the list."""
    said = sum(one["own"] for one in counts[NO_LIST])
    others = sum(one["others"] for one in counts[NO_LIST])
    print(f"\n{title}: {len(counts[NO_LIST])} recordings, listed words said {said} times, other words {others} times")
    print(
        f"{'listed':<24}{'recall':>8}{'points more (95 %)':>26}{'false':>7}{'distr.':>7}"
        f"{'WER':>9}{'points more (95 %)':>26}{'U-WER':>9}{'points more (95 %)':>26}{'CPU':>9}"
    )
    for name, part in counts.items():
        score = bench.score(f"{title}, {name}", files[name], None if name == NO_LIST else files[NO_LIST])
        wer = ""
        if score["difference"]:
            points, low, high = score["difference"][:3]
            wer = f"{points:+.2f} ({low:+.2f} to {high:+.2f})"
        recall, u_wer = (
            f"{difference(part, counts[NO_LIST], *of):>26}" for of in (("own right", "own"), ("others wrong", "others"))
        )
        false, false_distractors = (sum(one[kind] for one in part) for kind in ("false own", "false distractors"))
        print(
            f"{name:<24}{percent(part, 'own right', 'own'):>6.1f} %{recall}{false:>7}{false_distractors:>7}"
            f"{score['wer_percent'][0]:>7.2f} %{wer:>26}{percent(part, 'others wrong', 'others'):>7.2f} %{u_wer}"
            f"{score['cpu_ms']:>6.0f} ms"
        )


def main():
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    bench, sets = Bench(arguments), speech_sets(arguments.sets)
    pooled_files, pooled_counts = {}, {}
    for one, (own, distractors) in zip(sets, lists_of(sets, common_tokens(arguments.models))):
        files = {name: [file] for name, file in run_all(bench, one, own, distractors).items()}
        small = [frozenset(map(str.lower, listed)) for listed in (own, distractors)]
        counts = {name: [count(line, *small) for line in lines_of(part)] for name, part in files.items()}
        table(bench, f"{one.name}, {len(own)} words and {len(distractors)} distractors", files, counts)
        for name in files:
            pooled_files.setdefault(name, []).extend(files[name])
            pooled_counts.setdefault(name, []).extend(counts[name])
    if len(sets) > 1:
        table(bench, "all sets", pooled_files, pooled_counts)


if __name__ == "__main__":
    main()
