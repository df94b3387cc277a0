"""Translates dates of many languages to ISO 8601 (many-to-many, of its own length).

The source is the language and the characters of a date in one of the four formats of the Unicode
CLDR, as the package babel has them: "tr 4 Mart 2026 Çarşamba" becomes "2026-03-04". The tests are
days that are in no other set, once in formats that the training has for this language, and once in
the one of the four that is kept from it, unless another reads the same that day. Years of two
digits are those from 1950 to 2049. The baseline copies the numbers, in the order that is most often
right for the language.
"""

import datetime
import re
from itertools import permutations

import numpy as np
from babel.dates import format_date

from _common import options, report, split
from _translation import Translator, draw

LANGUAGES = [
    "ar", "cs", "da", "de", "el", "en_GB", "en_US", "es", "fa", "fi", "fr", "he", "hi", "hu",
    "id", "it", "ja", "ko", "nb", "nl", "pl", "pt", "ro", "ru", "sv", "th", "tr", "uk", "vi", "zh",
]  # fmt: skip
FORMATS = ("short", "medium", "long", "full")
FIRST, DAYS = datetime.date(1950, 1, 1), 36525


def source(date, form, language):
    """The language, then the date's characters."""
    return [language, *format_date(date, form, locale=language)]


def dates(days, rng, kept=False):
    """(sources, targets): each day in a language drawn by lot, and in a format not kept.

    Or in the one that is kept, without the days on which another reads the same.
    """
    sources, targets = [], []
    for day in days:
        date = FIRST + datetime.timedelta(int(day))
        number, step = rng.integers(len(LANGUAGES)), 0 if kept else rng.integers(1, 4)
        texts = [source(date, form, LANGUAGES[number]) for form in FORMATS]
        text = texts[(number + step) % 4]  # each format is kept from every fourth language
        if not kept or texts.count(text) == 1:
            sources.append(text)
            targets.append(date.isoformat())
    return sources, targets


def copied(source, order):
    """The three numbers of a date in an order, as an ISO date; "" if a word is among them."""
    numbers = re.findall(r"\d+", "".join(source[1:]))
    if len(numbers) != 3:
        return ""
    year, month, day = (int(numbers[k]) for k in order)
    year += (year < 100) * (1900 if year >= 50 else 2000)
    return f"{year}-{month:02}-{day:02}"


def copies(training, test):
    """Accuracy in % of copies, in the order most often right in the training, by language."""
    right = {}
    for text, target in zip(*training, strict=True):
        counts = right.setdefault(text[0], dict.fromkeys(permutations(range(3)), 0))
        for order in counts:
            counts[order] += copied(text, order) == target
    best = {language: max(counts, key=counts.get) for language, counts in right.items()}
    found = [copied(text, best.get(text[0], (0, 1, 2))) for text in test[0]]
    return 100 * np.mean([a == b for a, b in zip(found, test[1], strict=True)])


def main():
    args = options(__doc__, plot="translate_dates.png").parse_args()
    rng, parts = np.random.default_rng(0), split(DAYS, 0.05, 0.1)
    counts = (300, 50, 50) if args.quick else (10000, 1000, 2000)
    days = [part[:count] for part, count in zip(parts, counts, strict=True)]
    training, validation, test = [dates(part, rng) for part in days]
    kept = dates(days[2], rng, kept=True)
    tasks = {"dates to ISO": test, "dates to ISO, formats new to the language": kept}
    results = {task: [] for task in tasks}
    for seed in range(args.seeds):
        translator = Translator(*training, 128, seed=seed)
        translator.fit(training, validation, 1 if args.quick else 6)
        for task, pairs in tasks.items():
            results[task].append(translator.exact(pairs))
            print(f"  seed {seed}, {task}: {results[task][-1]:.2f} % right", flush=True)
    text = source(datetime.date(2026, 3, 4), "full", "tr")
    draw(text, *translator.attention(text), args.plot)
    for task, pairs in tasks.items():
        report(
            args,
            task=task,
            model="GRU, 128 units, attention",
            metric="exact match in %",
            results=results[task],
            baseline=("copied numbers", copies(training, pairs)),
        )


if __name__ == "__main__":
    main()
