"""A step's equations with their numbers put in."""

import re
from collections.abc import Iterator
from typing import Any

MOST = 6  # terms of a sum that are shown, the largest first


def explained(layer: Any, t: int, unit: int) -> Iterator[str]:
    """The lines of one step of one unit."""
    direction = layer._direction
    values = direction.values
    numbers = {name: float(v[t, unit]) for name, v in values.items() if unit < v.shape[1]}
    for name in ("h_before", "c_before"):
        if name in numbers:
            yield f"{name} = {number(numbers[name])}"
    for line in direction.equations:
        if line.name not in numbers:
            yield f"{line.name} = {line.text}"
        elif line.block is not None:
            terms = direction.terms(line, t, unit)
            yield f"{line.name} = {said(line.of)}{summed(terms)} = {number(numbers[line.name])}"
        elif line.text:
            told = with_numbers(line.text, numbers)
            told = "" if told == line.text else f" = {told}"
            yield f"{line.name} = {line.text}{told} = {number(numbers[line.name])}"


def said(of: tuple[str, ...]) -> str:
    """A sum in words."""
    parts = {"x": "W_x x", "h_before": "W_h h_before", "rh": "W_h rh"}
    return " + ".join(["b", *(parts[name] for name in of)])


def summed(terms: list[Any]) -> str:
    """A sum's terms as numbers: the bias, then the largest of the others."""
    if not terms:
        return ""
    bias, *others = terms
    largest = sorted(others, key=lambda term: -abs(term.weight * term.value))[:MOST]
    shown = [number(bias.weight)]
    shown += [f"{number(t.weight)}*{number(t.value)}" for t in others if t in largest][:MOST]
    if rest := len(others) - (len(shown) - 1):
        total = sum(t.weight * t.value for t in others)
        seen = sum(t.weight * t.value for t in [t for t in others if t in largest][:MOST])
        shown.append(f"({rest} more: {number(total - seen)})")
    return " = " + " + ".join(shown)


def with_numbers(text: str, numbers: dict[str, float]) -> str:
    """A right-hand side with the numbers of the names in it."""

    def put_in(match: re.Match[str]) -> str:
        name = match[0]
        return number(numbers[name]) if name in numbers else name

    told = re.sub(r"[a-z]\w*(?!\w*\()", put_in, text)
    return re.sub(r"\(\(([^()]+)\)\)", r"(\1)", told)  # one pair of brackets is enough


def number(value: float) -> str:
    """Four digits; negative ones in brackets."""
    text = f"{value:.4g}"
    return f"({text})" if text.startswith("-") else text
