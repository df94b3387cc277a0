"""Words for parts: "adam" for `Adam()`; the classes of a package themselves are the table."""

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from .checks import describe

ELSEWHERE = {  # what Keras and torch call a part whose name here is spelt otherwise
    "binarycrossentropy": "bcewithlogits",
    "bceloss": "bcewithlogits",
    "meansquarederror": "mse",
    "meanabsoluteerror": "mae",
    "l1loss": "mae",
}


def classes_by_word(package: ModuleType, kind: type) -> dict[str, type]:
    """The public classes of a kind, each by its name in lower case; not the kind itself."""
    return {
        name.lower(): cls
        for name, cls in vars(package).items()
        if isinstance(cls, type) and issubclass(cls, kind) and cls is not kind and name[0] != "_"
    }


def class_of_word(owner: str, name: str, word: Any, package: ModuleType, kind: type) -> Any:
    """The class that a word names, upper and lower case, "_" and "-" aside: "cross_entropy" is
    CrossEntropy. TypeError for what is no text; ValueError, with the nearest words, for another.
    """
    table = classes_by_word(package, kind)
    if not isinstance(word, str):
        raise TypeError(f"{owner}: {name} is {describe(word)}, expected one of {sorted(table)}")
    plain = word.lower().replace("_", "").replace("-", "") if len(word) < 100 else ""
    if plain not in table:
        near = [ELSEWHERE[plain]] if ELSEWHERE.get(plain) in table else nearest_words(plain, table)
        text = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            f"{owner}: {name} is {describe(word)}, expected one of {sorted(table)}{text}"
        )
    return table[plain]


def made_of_word(owner: str, name: str, value: Any, package: ModuleType, kind: type) -> Any:
    """The part that a word names, made with the defaults of its class; what is no word as it is.
    ValueError for a class that needs arguments."""
    if not isinstance(value, str):
        return value
    cls = class_of_word(owner, name, value, package, kind)
    try:
        return cls()
    except TypeError:
        where = f"pyrnn.{package.__name__.rpartition('.')[2]}.{cls.__name__}"
        raise ValueError(
            f"{owner}: {name} is {describe(value)}, and a {cls.__name__} needs arguments, expected "
            f"{where}(...)"
        ) from None


def nearest_words(word: str, words: Iterable[str], cutoff: float = 0.7) -> list[str]:
    """Those spelt alike, the nearest first, or else those that begin with it or are in it: at most
    three. `cutoff` is the least similarity, 0 to 1, of difflib's get_close_matches."""
    from difflib import get_close_matches

    known = sorted(words)
    near = get_close_matches(word, known, 3, cutoff)
    begun = [other for other in known if len(word) > 1 and other.startswith(word)]
    within = [other for other in known if len(other) > 2 and other in word]
    return near or begun[:3] or within[:3]
