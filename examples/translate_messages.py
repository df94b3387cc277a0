"""Translates interface messages from English to Korean (many-to-many, of its own length).

"Delete selected volumes" becomes 선택한 볼륨 삭제. The messages are those that the packages Django,
horizon and wagtail have in their catalogues: words are read, and Korean is written by
syllables. A few thousand are little to learn a language from, but their programs say similar
things. The baseline writes the translation of the known message whose words are nearest.
Quality is chrF (Popović 2015).
"""

from collections import Counter

import numpy as np

import pyrnn
from _common import options, report, split
from _messages import english_words, korean_characters, korean_font, pairs
from _text import with_pairs
from _translation import Translator, draw

SHOWN = 6


def grams(text, n):
    """How often each run of n characters is in a text, without its spaces."""
    text = [symbol for symbol in text if symbol != " "]
    return Counter(zip(*(text[k:] for k in range(n)), strict=False))


def chrf(written, right, longest=6, beta=2):
    """chrF in %: F of the runs of 1 to 6 characters, with recall counted twice as much."""
    scores = []
    for n in range(1, longest + 1):
        both = [(grams(a, n), grams(b, n)) for a, b in zip(written, right, strict=True)]
        hit = sum((a & b).total() for a, b in both)
        precision = hit / max(1, sum(a.total() for a, _ in both))
        recall = hit / max(1, sum(b.total() for _, b in both))
        under = beta**2 * precision + recall
        scores.append((1 + beta**2) * precision * recall / under if under else 0.0)
    return 100 * np.mean(scores)


def nearest(training, sources):
    """The translation of the known message that shares most: cosine of its words and pairs."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    bags = TfidfVectorizer(analyzer=lambda text: with_pairs(text, 2), sublinear_tf=True)
    known = bags.fit_transform(training[0])
    best = (bags.transform(sources) @ known.T).toarray().argmax(axis=1)
    return [training[1][i] for i in best]


def word_for_word(training, sources):
    """Each word's Korean word, by Dice's coefficient, in the order of the English."""
    seen, counts = Counter(), (Counter(), Counter())
    for source, target in zip(*training, strict=True):
        sides = set(source), set("".join(target).split())
        for side, count in zip(sides, counts, strict=True):
            count.update(side)
        seen.update((a, b) for a in sides[0] for b in sides[1])
    best = {}
    for (a, b), n in sorted(seen.items()):  # in this order whatever the hashes of words are
        score = 2 * n / (counts[0][a] + counts[1][b])
        if n > 1 and score > best.get(a, (0, ""))[0]:
            best[a] = score, b
    return [list(" ".join(best[w][1] for w in source if w in best)) for source in sources]


def main():
    args = options(__doc__, seeds=2, plot="translate_messages.png").parse_args()
    messages = pairs()
    sources, targets = map(english_words, messages), map(korean_characters, messages.values())
    both = [(a, b) for a, b in zip(sources, targets, strict=True) if len(a) <= 10 and len(b) <= 30]
    both = both[:300] if args.quick else both
    parts = split(len(both), 0.1, 0.1)
    training, validation, test = (
        tuple(map(list, zip(*(both[i] for i in part), strict=True))) for part in parts
    )
    print(f"{len(both):,} messages, {len(training[0]):,} to learn from")
    results, exact = [], []
    for seed in range(args.seeds):
        translator = Translator(*training, 192, least=2, dropout=0.4, seed=seed)
        stop = pyrnn.EarlyStopping(patience=4)
        epochs = 1 if args.quick else 25
        translator.fit(training, validation, epochs, rate=3e-3, callbacks=[stop])
        written = translator(test[0], max_length=40, method="beam")
        results.append(chrf(written, test[1]))
        exact.append(100 * np.mean([a == b for a, b in zip(written, test[1], strict=True)]))
        print(f"  seed {seed}: chrF {results[-1]:.2f} %, {exact[-1]:.1f} % exact", flush=True)
    near = nearest(training, test[0])
    for source, told, right in list(zip(test[0], written, test[1], strict=True))[:SHOWN]:
        print(f"  {' '.join(source)}\n    {''.join(told)}  (the catalogue: {''.join(right)})")
    source = ["delete", "selected", "volumes"]
    with korean_font():
        draw(source, *translator.attention(source), args.plot)
    same = 100 * np.mean([a == b for a, b in zip(near, test[1], strict=True)])
    report(
        args,
        task="interface messages, English to Korean",
        model="GRU, 192 units, attention",
        metric="chrF in %",
        results=results,
        baseline=("the nearest known message's", chrf(near, test[1])),
        others=[("word for word", chrf(word_for_word(training, test[0]), test[1]))],
        remark=f"right from end to end: {np.mean(exact):.1f} %, the nearest's {same:.1f} %",
    )


if __name__ == "__main__":
    main()
