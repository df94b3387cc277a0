"""Numbers and names as C has them."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .._base.checks import Array
from .._base.names import free_name
from .._base.quantized import Int8Parameter, QuantizedParameter

COLUMNS = 100
NARROW = {"bf16": "unsigned short", "int8": "signed char"}  # what quantized weights are in C


class Names:
    """Identifiers of C, each given once."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = set(taken)

    def new(self, *parts: str) -> str:
        """The parts joined by "_", with a number if that is taken."""
        name = "_".join(re.sub(r"\W", "_", part, flags=re.ASCII) for part in parts if part)
        free = free_name(name, self._taken)
        self._taken.add(free)
        return free


class Tables:
    """The constants of a model: tables of weights, and what holds their addresses."""

    def __init__(self, names: Names, dtype: np.dtype[Any]) -> None:
        self._names = names
        self._dtype = dtype
        self._known: dict[tuple[int, str], str] = {}
        self._kept: list[Any] = []  # so that no id is given again
        self.lines: list[str] = []
        self.real = "float" if dtype == np.float32 else "double"

    def table(self, path: str, values: Any, array: Array | None = None) -> str:
        """The name of the table of a parameter, or of an array made of one; each is there once."""
        if isinstance(values, QuantizedParameter):
            return self._once(path, values, NARROW[values.form], values.numbers)
        return self._once(path, values, self.real, np.asarray(values) if array is None else array)

    def scales(self, path: str, values: Int8Parameter) -> str:
        """The name of the table of the scales of a matrix's rows."""
        return self._once(f"{path}_scale", values, self.real, values.scales)

    def _once(self, path: str, values: Any, type_name: str, array: Array) -> str:
        """The name of a table of that type, which is written unless it is there."""
        key = id(values), type_name
        if key not in self._known:
            if not np.isfinite(array).all():
                raise ValueError(
                    f"export_c: {path} has values that are not finite, expected finite ones"
                )
            name = self._names.new("model", path)
            shape = "".join(f"[{size}]" for size in array.shape)
            self.lines += [
                f"static const {type_name} {name}[{array.size}] = {{ /* {shape} */",
                *rows(self._numbers(array)),
                "};",
            ]
            self._known[key] = name
            self._kept.append(values)
        return self._known[key]

    def struct(self, type_name: str, path: str, members: list[str]) -> str:
        """The address of a constant struct."""
        name = self._names.new("model", path)
        self.lines += [f"static const model_{type_name} {name} = {{", *rows(members), "};"]
        return f"&{name}"

    def number(self, path: str, value: float) -> str:
        """A number of the model's dtype; ValueError if it is too large for that."""
        if abs(value) > float(np.finfo(self._dtype).max):
            raise ValueError(f"export_c: {path} is {value}, which is too large for {self._dtype}")
        return self._numbers(np.asarray(value, self._dtype))[0]

    def _numbers(self, array: Array) -> list[str]:
        """Each number as the shortest decimal that reads as the same again."""
        suffix = "f" if array.dtype == np.float32 else ""
        return [f"{word}{suffix}" for word in array.ravel().astype(str).tolist()]


def rows(words: Iterable[str]) -> Iterator[str]:
    """Words with commas in indented lines."""
    line = " "
    for word in words:
        if len(line) + len(word) + 2 > COLUMNS:
            yield line
            line = " "
        line += f" {word},"
    yield line
