"""The text by which the operator knows a stack of layers, and the sizes that follow from it."""

from ast import literal_eval
from collections.abc import Mapping
from functools import cache
from operator import index
from typing import Any

from .. import _core
from .._base.runtime import active_isa

# Buffers of that many rows are whole cache lines, so that their sizes are linear in the rows.
_GRAIN = 16


def text_of(arguments: Mapping[str, Any]) -> str:
    """The arguments of a `_core.Stack` as a text: what a graph can hold as a constant."""
    return " ".join([f"{name}={_constant(value)}" for name, value in arguments.items()])


def _constant(value: Any) -> Any:
    """The number that a symbol stands for: torch.compile may hold those of a module as symbols."""
    if isinstance(value, float):
        return float(value)
    return value if isinstance(value, str | bool) else index(value)


def _read(text: str) -> dict[str, Any]:
    return {name: _value(word) for name, _, word in (p.partition("=") for p in text.split())}


def _value(word: str) -> Any:
    """A number or a bool as such, any other word as text."""
    try:
        return literal_eval(word)
    except ValueError:
        return word


class Layer:
    """A stack of layers, from the text that describes it."""

    def __init__(self, text: str) -> None:
        arguments = _read(text)
        self.stack = _core.Stack(**arguments)
        directions = 2 if arguments["bidirectional"] else 1
        self.states = arguments["num_layers"] * directions
        self.h_size = arguments["proj_size"] or arguments["hidden_size"]
        self.c_size = arguments["hidden_size"] if self.stack.has_c else 0
        self.output_size = self.h_size * (directions if arguments["merge"] == "concat" else 1)

    def saved_bytes(self, steps: Any, rows: Any, ragged: bool, packed: bool) -> Any:
        """The bytes that the backward pass needs, or a few more.

        `steps` are those of all sequences together, `rows` is the number of sequences. The result
        is linear in both, so that they may be symbols.
        """
        least, of_steps, of_rows = _saved_sizes(self.stack, ragged, packed, active_isa())
        return least + _grains(steps) * of_steps + _grains(rows) * of_rows


def _grains(count: Any) -> Any:
    return (count + (_GRAIN - 1)) // _GRAIN


@cache
def _saved_sizes(stack: _core.Stack, ragged: bool, packed: bool, isa: str) -> tuple[int, int, int]:
    """The bytes for no rows, and how many _GRAIN more steps, or sequences, add."""
    least, more_steps, more_rows = (
        stack.saved_bytes(steps, rows, ragged, packed)
        for steps, rows in ((0, 0), (_GRAIN, 0), (0, _GRAIN))
    )
    return least, more_steps - least, more_rows - least


@cache
def layer_of(text: str) -> Layer:
    """The layer that a text describes, made once."""
    return Layer(text)
