"""What the examples on Turkish treebanks share: the sentences, and a tagger without context."""

from collections import Counter, defaultdict

import fetch


def sentences():
    """The sentences of package turkish-treebanks, as lists of words that are lists of columns.

    In CoNLL-U column 1 is the word, 3 the part of speech, 5 the features.
    """
    data = fetch.read_all("turkish-treebanks", "data/*.conllu").values()
    blocks = "\n\n".join(text.decode() for text in data).split("\n\n")
    rows = [[line.split("\t") for line in b.splitlines() if line[:1] not in "#"] for b in blocks]
    return [sentence for sentence in rows if sentence]


def most_frequent(known, tags, test, otherwise):
    """The tags of the test sentences by each word's most frequent one, new words' `otherwise`."""
    counts = defaultdict(Counter)
    for sentence, answer in zip(known, tags, strict=True):
        for word, tag in zip(sentence, answer, strict=True):
            counts[word][tag] += 1
    best = {word: count.most_common(1)[0][0] for word, count in counts.items()}
    return [[best.get(word, otherwise) for word in sentence] for sentence in test]
