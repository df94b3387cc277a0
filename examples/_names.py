"""Proper names as tags of words: O, B-NAME at the first word of a name, I-NAME at the others."""

import numpy as np

import pyrnn

TAGS = ["O", "B-NAME", "I-NAME"]
ALLOWED = pyrnn.bio_constraints(TAGS)


def spans(tags):
    """{(first word, word after the last)} of the names; as for CoNLL, I-NAME may begin one."""
    tags = np.concatenate([[0], tags, [0]])
    before, now = tags[:-1], tags[1:]
    starts = np.flatnonzero((now == 1) | ((now == 2) & (before == 0)))
    ends = np.flatnonzero((before != 0) & (now != 2))
    return set(zip(starts.tolist(), ends.tolist(), strict=True))


class NameF1(pyrnn.metrics.Metric):
    """F1 of the names in the most probable tags that may follow each other.

    What a CRF has decoded comes as 1 for its tag and 0 for the others, and stays as it is.
    """

    name = "f1_names"

    def __init__(self):
        super().__init__()
        self._crf = pyrnn.CRF(len(TAGS), constraints=ALLOWED)
        for parameter in self._crf.parameters():
            parameter[...] = np.zeros_like(parameter.data)  # all that may follow does so alike

    def reset(self):
        self.both = self.either = 0

    @property
    def value(self):
        return 2 * self.both / self.either if self.either else np.nan

    def add(self, y, target, lengths):
        for told, right in zip(self._crf.decode(y, lengths), target, strict=True):
            self.count(told, right[: len(told)])

    def count(self, told, right):
        """Adds a sentence's tags."""
        told, right = spans(told), spans(right)
        self.both += len(told & right)
        self.either += len(told) + len(right)
