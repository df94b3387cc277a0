"""Vocabulary: tokens as ids, and back."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from .._base.checks import Array, as_integers, check_size, describe
from .._base.settings import Settings

PADDING, UNKNOWN = "<pad>", "<unk>"


class Vocabulary(Settings):
    """The ids of tokens: 0 is "<pad>", 1 is "<unk>", for all tokens not in it.

    `Vocabulary(tokens)` gives each token the next id, in the order in which they come;
    `Vocabulary.build(sequences)` takes them from data. `tokens` is all of them by id, a tuple of
    texts that may be written as JSON; `Vocabulary(v.tokens)` is v again.

        v = pyrnn.Vocabulary.build([text.split() for text in texts], min_count=2)
        ids = v.encode("a new text".split())
        embedding = pyrnn.Embedding(len(v), 32, padding_idx=v.padding)

    `specials` are tokens of a model's own, which take the ids from 2 on:

        v = pyrnn.Vocabulary.build(targets, specials=("<bos>", "<eos>"))
        model = pyrnn.Seq2Seq(len(u), len(v), 32, 64, bos=v.id("<bos>"), eos=v.id("<eos>"))

    TypeError for a token that is no text, and for a text where a sequence of tokens is expected;
    ValueError for a token that comes twice.

    Examples
    --------
    >>> v = pyrnn.Vocabulary.build([["a", "b"], ["a", "c"]], min_count=2)
    >>> v.tokens
    ('<pad>', '<unk>', 'a')
    >>> v.encode(["a", "z"]).tolist()
    [2, 1]
    >>> v.decode([2, 1])
    ['a', '<unk>']
    """

    padding = 0  # the id of "<pad>"
    unknown = 1  # the id of "<unk>"

    def __init__(self, tokens: Iterable[str] = (), *, specials: Iterable[str] = ()) -> None:
        given = _tokens("Vocabulary", "tokens", tokens)
        if given[:2] == [PADDING, UNKNOWN]:
            given = given[2:]
        for token in given:
            if token in (PADDING, UNKNOWN):
                raise ValueError(
                    f"Vocabulary: tokens holds {describe(token)}, expected both {PADDING!r} and "
                    f"{UNKNOWN!r} in front, or neither"
                )
        own = _tokens("Vocabulary", "specials", specials)
        self.tokens = (PADDING, UNKNOWN, *own, *given)  # for reading, as the ids are
        self._ids = {token: i for i, token in enumerate(self.tokens)}
        if len(self._ids) < len(self.tokens):
            twice = next(token for token, n in Counter(self.tokens).items() if n > 1)
            raise ValueError(f"Vocabulary: {describe(twice)} comes twice, expected each once")

    @classmethod
    def build(
        cls,
        sequences: Iterable[Iterable[str]],
        *,
        min_count: int = 1,
        max_size: int | None = None,
        specials: Iterable[str] = (),
    ) -> "Vocabulary":
        """Of the tokens in sequences: the most frequent first, ties in alphabetical order.

        Only those that come at least `min_count` times, and of these as many as make the
        vocabulary, "<pad>", "<unk>" and specials included, no larger than `max_size`. A special
        among the data has its own id.
        """
        own = cls(specials=specials)
        least = check_size("Vocabulary", "min_count", min_count)
        if max_size is not None:
            check_size("Vocabulary", "max_size", max_size, minimum=len(own))
        counts: Counter[str] = Counter()
        if isinstance(sequences, str) or not isinstance(sequences, Iterable):
            raise TypeError(
                f"Vocabulary: sequences is {describe(sequences)}, expected sequences of tokens"
            )
        for i, sequence in enumerate(sequences):
            counts.update(_tokens("Vocabulary", f"sequences[{i}]", sequence))
        ordered = sorted(counts, key=lambda token: (-counts[token], token))
        kept = [t for t in ordered if counts[t] >= least and t not in own]
        kept = kept if max_size is None else kept[: max_size - len(own)]
        return cls([*own.tokens, *kept])

    def __len__(self) -> int:
        """The number of ids, those of "<pad>" and "<unk>" included."""
        return len(self.tokens)

    def __contains__(self, token: Any) -> bool:
        return token in self._ids

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Vocabulary) and self.tokens == other.tokens

    def __hash__(self) -> int:
        return hash(self.tokens)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, tokens=tuple(state["tokens"]))  # a list in older pickles

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} tokens)"

    def id(self, token: Any) -> int:
        """The id of one token. ValueError for one that is not in the vocabulary."""
        if not isinstance(token, str) or token not in self._ids:
            raise ValueError(
                f"Vocabulary: token is {describe(token)}, expected one of the vocabulary's"
            )
        return self._ids[token]

    def encode(self, tokens: Iterable[str]) -> Array:
        """The ids (T,) of a sequence of T tokens, int64."""
        given = _tokens("Vocabulary", "tokens", tokens)
        return np.array([self._ids.get(token, self.unknown) for token in given], np.int64)

    def decode(self, ids: Any) -> list[str]:
        """The tokens of ids (T,). ValueError for an id outside the vocabulary."""
        numbers = as_integers("Vocabulary", "ids", ids)
        wrong = numbers[(numbers < 0) | (numbers >= len(self))]
        if numbers.ndim != 1 or wrong.size:
            came = f"holds {wrong.flat[0]}" if wrong.size else f"has shape {numbers.shape}"
            raise ValueError(f"Vocabulary: ids {came}, expected (T,), each in 0..{len(self) - 1}")
        return [self.tokens[i] for i in numbers]


def _tokens(owner: str, name: str, value: Any) -> list[str]:
    """A sequence of tokens."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(
            f"{owner}: {name} is {describe(value)}, expected a sequence of tokens "
            "(text.split() for words, list(text) for characters)"
        )
    tokens = list(value)
    for token in tokens:
        if not isinstance(token, str):
            raise TypeError(f"{owner}: {name} holds {describe(token)}, expected texts as tokens")
    return tokens
