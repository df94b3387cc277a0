"""Names of parts: dotted ones, those in messages, and ones that nothing has yet."""

from collections.abc import Container
from itertools import chain, count


def dotted(prefix: str, name: str) -> str:
    """The name of a part's part, as torch's; of a model's own part just that."""
    return f"{prefix}.{name}" if prefix else name


def in_messages(name: str, cls: type) -> str:
    """How messages call a part of this class: "module 0.rnn (LSTM)", or "LSTM" without a name."""
    return f"module {name} ({cls.__name__})" if name else cls.__name__


def free_name(name: str, taken: Container[str], numbered: str = "{}_{}") -> str:
    """The name, or the first one that is not taken of those with a number, from 2 on."""
    names = chain([name], (numbered.format(name, number) for number in count(2)))
    return next(free for free in names if free not in taken)
