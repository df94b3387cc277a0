"""Nested arguments and results: tuples, named tuples, lists and dicts of arrays and others.

What is known of each item is nested likewise, in lists and dicts, with None for nothing.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .checks import Array, check_mapping, check_shape, describe, describe_all, read_floats

GIVEN_IF_NAMED = ("state", "lengths", "mask")  # by those that run any module


def read_nested(tree: Any, read: Callable[[Any], tuple[Any, Any]]) -> tuple[Any, Any]:
    """The two results of reading each item, nested as the items are; what is no nest, and None."""
    if tree is None:
        return None, None
    if isinstance(tree, dict):
        names, values = [*tree], [*tree.values()]
        items, places = read_nested(values, read)
        named = None if places is None else dict(zip(names, places, strict=True))
        return dict(zip(names, items, strict=True)), named
    if not isinstance(tree, tuple | list):
        return tree, None
    items, places, some = [], [], False
    for item in tree:
        one, place = read(item)
        items.append(one)
        places.append(place)
        some = some or place is not None
    if hasattr(tree, "_fields"):
        return type(tree)(*items), places if some else None
    return items if isinstance(tree, list) else tuple(items), places if some else None


def snapshot(tree: Any) -> Any:
    """The same with copies of arrays that somebody can write."""
    if isinstance(tree, np.ndarray):
        return tree.copy() if tree.flags.writeable else tree
    if isinstance(tree, tuple | list):
        return type(tree)(map(snapshot, tree))
    return tree


def leaves(tree: Any) -> Iterator[Any]:
    """What is nested."""
    if not isinstance(tree, tuple | list | dict):
        yield tree
        return
    for item in tree.values() if isinstance(tree, dict) else tree:
        yield from leaves(item)


def is_numbers(items: list[Any]) -> bool:
    """Whether a list is an array that is written down: of numbers, or of lists of them."""
    found = [*leaves(items)]
    return bool(found) and all(isinstance(item, int | float) for item in found)


def map_places(places: Any, function: Callable[[Any], Any]) -> Any:
    """What a function gives of each place, nested in tuples and dicts."""
    if isinstance(places, tuple):
        return function(places)
    if isinstance(places, list):
        return tuple([map_places(place, function) for place in places])
    if isinstance(places, dict):
        return {name: map_places(place, function) for name, place in places.items()}
    return None


def is_none(gradients: Any) -> bool:
    """Whether no gradient has come this far."""
    if isinstance(gradients, tuple):
        return all(map(is_none, gradients))
    if isinstance(gradients, dict):
        return all(map(is_none, gradients.values()))
    return gradients is None


def with_zeros(gradients: Any, places: Any) -> Any:
    """Nested gradients with zeros where there is none."""
    if isinstance(places, tuple):
        return np.zeros(places[1], places[2]) if gradients is None else gradients
    if isinstance(places, list):
        return tuple(map(with_zeros, gradients, places))
    if isinstance(places, dict):
        return {name: with_zeros(gradients[name], place) for name, place in places.items()}
    return None


def read_arguments(
    args: Any, options: Any, names: Any, read: Callable[[Any], tuple[Any, Any]], stateful: bool
) -> tuple[list[Any], dict[str, Any], list[Any], Any]:
    """(arguments in order, by name, the places of what holds floats, those of the state), read.

    The state and what follows it go by name: vjp may have others in between. One of a module that
    is not stateful is an input like others.
    """
    if len(args) == 1 and not options:  # most calls
        item, place = read(args[0])
        return [item], {}, [] if place is None else [place], None
    in_order, inputs, state = [], [], None
    by_name: dict[Any, Any] = {}
    known = (*names[: len(args)], *[None] * (len(args) - len(names)), *options)
    for i, argument in enumerate((*args, *options.values())):
        (item, place), name = (None, None) if argument is None else read(argument), known[i]
        if i < len(args) and not ((by_name and name) or name in GIVEN_IF_NAMED):
            in_order.append(item)
        elif name in by_name:
            raise TypeError(f"forward: {name} came twice, expected once")
        else:
            by_name[name] = item
        if name == "state" and stateful:
            state = place
        elif place is not None:
            inputs.append(place)
    return in_order, by_name, inputs, state


def read_gradients(
    places: Any, d: Any, owner: str, name: str = "dy"
) -> Iterator[tuple[tuple[Any, ...], Array]]:
    """(place, gradient) of the outputs that a caller gives one for; errors name the entry."""
    if d is None:
        return
    if places is None:
        raise ValueError(f"{owner}: {name} is {describe(d)}, expected None: y has no gradient")
    if isinstance(places, tuple):
        array = read_floats(owner, name, d, places[2])
        check_shape(owner, name, array, places[1], "the shape of y")
        yield places, array
    elif isinstance(places, dict):
        unknown = [key for key in check_mapping(owner, name, d) if key not in places]
        if unknown:
            known = describe_all(places)
            raise ValueError(f"{owner}: {name} has {describe_all(unknown)}, expected {known}")
        for key, item in d.items():
            yield from read_gradients(places[key], item, owner, f"{name}[{key!r}]")
    elif not isinstance(d, tuple | list) or len(d) != len(places):
        came = f"has {len(d)} entries" if isinstance(d, tuple | list) else f"is {describe(d)}"
        raise ValueError(f"{owner}: {name} {came}, expected one for each of {len(places)}")
    else:
        for i, (place, item) in enumerate(zip(places, d, strict=True)):
            yield from read_gradients(place, item, owner, f"{name}[{i}]")
