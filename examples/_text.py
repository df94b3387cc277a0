"""What the examples on sentences share: words, vectors for them, and a model without order."""

import re
from collections import Counter
from itertools import pairwise

import numpy as np

import pyrnn


def words(text):
    """Lower-case words, signs one by one; every number is the word 0."""
    return re.findall(r"[a-z']+|0|[^\sa-z0]", re.sub(r"\d+", "0", text.lower()))


def spelling(word):
    """A word, and how it begins and ends, which a rare word shares with others."""
    marked = f"<{word.lower()}>"
    return [word, *(marked[:n] for n in (3, 4, 5)), *("-" + marked[-n:] for n in (2, 3, 4))]


class Spelled(pyrnn.Module):
    """Word vectors, each the sum of the vectors of the word's features.

    y (N, T, dim) of ids x (N, T). Features that `known` texts have less than twice share one
    vector: all that words from elsewhere bring along.
    """

    stepwise = True  # a word's vector depends on no other word

    def __init__(self, known, dim, features=spelling, seed=None):
        counts = Counter(name for text in known for word in text for name in features(word))
        self._numbers = {name: i for i, (name, n) in enumerate(counts.most_common(), 1) if n > 1}
        self._of, self._ids, self._rows = features, {}, []
        self.vectors = pyrnn.Embedding(len(self._numbers) + 1, dim, seed=seed)
        self.vectors.weight[...] = 0.1 * self.vectors.weight.data

    def ids(self, texts):
        """The ids of texts, which are lists of words; new words get new ids."""
        for word in dict.fromkeys(word for text in texts for word in text):
            if word not in self._ids:
                self._ids[word] = len(self._ids)
                self._rows.append([self._numbers.get(name, 0) for name in self._of(word)])
        self._features = np.array(self._rows)  # (words, features of each)
        return [np.array([self._ids[word] for word in text]) for text in texts]

    def __call__(self, x):
        return self.vectors(self._features[x]).sum(axis=-2)

    def vjp(self, x, *, need_dx=True):
        parts, pullback = self.vectors.vjp(self._features[x])  # (N, T, features, dim)
        return parts.sum(axis=-2), lambda dy: pullback(
            np.broadcast_to(dy[..., None, :], parts.shape)
        )


def bag_of_words(texts, labels, parts):
    """Accuracy in % on the last of three parts (rows): logistic regression on words and pairs.

    The strength of its penalty, and whether pairs help, is chosen on the second part.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    tried = []
    for pairs in (1, 2):
        bags = TfidfVectorizer(analyzer=lambda text, n=pairs: with_pairs(text, n), min_df=2)
        bags.fit([texts[i] for i in parts[0]])
        x = [bags.transform([texts[i] for i in part]) for part in parts]
        y = [labels[part] for part in parts]
        for C in (1, 3, 10, 30, 100):
            model = LogisticRegression(C=C, solver="liblinear").fit(x[0], y[0])
            tried.append([np.mean(model.predict(x[k]) == y[k]) for k in (1, 2)])
    return 100 * max(tried, key=lambda scores: scores[0])[1]


def ridge(texts, ratings, parts):
    """Predictions for the texts of the last part; the penalty is chosen on the second."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge

    bags = TfidfVectorizer(analyzer=lambda text: with_pairs(text, 2), min_df=2, sublinear_tf=True)
    known = bags.fit_transform([texts[i] for i in parts[0]])
    near, test = (bags.transform([texts[i] for i in part]) for part in parts[1:])
    y, right = (np.array([ratings[i] for i in part]) for part in parts[:2])
    models = [Ridge(alpha).fit(known, y) for alpha in (0.1, 0.3, 1.0, 3.0, 10.0)]
    best = min(models, key=lambda model: np.mean((model.predict(near) - right) ** 2))
    return best.predict(test)


def with_pairs(text, n):
    """The words of a list and, with n = 2, each with its right neighbour."""
    return text + [f"{a} {b}" for a, b in pairwise(text)] * (n == 2)
