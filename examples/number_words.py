"""Reads numbers in words (many-to-many, of its own length).

"four hundred and seven thousand and twelve" becomes "407012", character by character. No number is
in two of the sets. The baseline goes word by word and writes each one's first digits, none for
"hundred", "thousand" and "and"; it is right where no zero has to be filled in.
"""

import numpy as np

from _common import options, report, split
from _translation import Translator, draw

ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
]  # fmt: skip
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
DIGITS = {word: str(i) for i, word in enumerate(ONES)}
DIGITS |= {word: str(i) for i, word in enumerate(TENS, 2)}


def words(number):
    """A number below a million, in British English."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10 - 2] + (number % 10 > 0) * f"-{ONES[number % 10]}"
    size, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    more, rest = divmod(number, size)
    joint = " and " if rest < 100 else " "
    return f"{words(more)} {name}" + (rest > 0) * (joint + words(rest))


def numbers(count, rng):
    """(sources, targets) of different numbers of up to six digits, the longer the more often."""
    drawn = np.unique((10 ** rng.uniform(2, 6, 2 * count)).astype(int))
    drawn = rng.permutation(np.append(drawn, np.arange(100)))[:count].tolist()
    return [words(number) for number in drawn], [str(number) for number in drawn]


def word_by_word(text):
    """The digits of each word, one after the other."""
    return "".join(DIGITS.get(word, "") for word in text.replace("-", " ").split())


def main():
    args = options(__doc__, plot="number_words.png").parse_args()
    sources, targets = numbers(400 if args.quick else 10000, np.random.default_rng(0))
    training, validation, test = [
        ([sources[i] for i in part], [targets[i] for i in part])
        for part in split(len(sources), 0.1, 0.15)
    ]
    print(f"{len(training[0]):,} numbers to learn from, such as {training[0][0]}")
    accuracies = []
    for seed in range(args.seeds):
        translator = Translator(*training, 128, seed=seed)
        translator.fit(training, validation, 1 if args.quick else 5)
        accuracies.append(translator.exact(test))
        print(f"  seed {seed}: {accuracies[-1]:.2f} % right", flush=True)
    text = "four hundred and seven thousand and twelve"
    draw(text, *translator.attention(text), args.plot)
    right = [word_by_word(text) == number for text, number in zip(*test, strict=True)]
    report(
        args,
        task="numbers in words",
        model="GRU, 128 units, attention",
        metric="exact match in %",
        results=accuracies,
        baseline=("word by word", 100 * np.mean(right)),
    )


if __name__ == "__main__":
    main()
