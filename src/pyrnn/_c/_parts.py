"""Parts: writes the modules of a model, each by the function for its class."""

from collections.abc import Callable
from typing import Any

from .._base.names import in_messages
from .._base.quantized import Int8Parameter
from ._program import Program, Value
from ._tables import Names, Tables

Writer = Callable[["Parts", Any, str, Value], Value]
WRITERS: dict[type, Writer] = {}


def writes(*classes: type) -> Callable[[Writer], Writer]:
    """Of a function: it writes modules of these classes, and of no subclass, which may differ."""

    def register(writer: Writer) -> Writer:
        WRITERS.update(dict.fromkeys(classes, writer))
        return writer

    return register


class Parts:
    """Writes modules into a program and its tables."""

    def __init__(self, program: Program, tables: Tables, names: Names, has_gain: bool) -> None:
        self.program = program
        self.tables = tables
        self.names = names
        self._has_gain = has_gain  # whether a matrix has the gain of layer normalisation, or 0

    def write(self, module: Any, path: str, x: Value) -> Value:
        """What a module makes of x."""
        return WRITERS[type(module)](self, module, path, x)

    def value(self, path: str, width: int) -> Value:
        """A new vector of a part."""
        return Value(self.names.new("y", path), width)

    def call(self, text: str, path: str, width: int, *x: Value) -> Value:
        """A new vector that a part makes of x."""
        return self.program.call(text, x, self.value(path, width))

    def table(self, path: str, parameter: Any) -> str:
        """The table of a parameter; "0" for None."""
        return "0" if parameter is None else self.tables.table(path, parameter)

    def matrix(
        self, path: str, weight: Any, bias: str, gain: str = "0", rows: slice = slice(None)
    ) -> list[str]:
        """The members of the struct of some rows of a parameter; bias and gain are tables."""
        columns = weight.shape[1]
        begin, end, _ = rows.indices(weight.shape[0])

        def at_row(table: str, offset: str) -> str:
            return f"{table} + {offset}" if begin and table != "0" else table

        members = [str(end - begin), str(columns)]
        members += [at_row(self.tables.table(path, weight), f"{begin} * {columns}")]
        if isinstance(weight, Int8Parameter):
            members += [at_row(self.tables.scales(path, weight), str(begin))]
            self.program.columns = max(self.program.columns, columns)
        members += [at_row(bias, str(begin))]
        return [*members, gain] if self._has_gain else members


def where(module: Any, path: str) -> str:
    """How a message begins that is about a part."""
    return f"export_c: {in_messages(path, type(module))}"


def check_known(model: Any) -> None:
    """TypeError for a part of which nothing says what it is in C."""
    for path, module in model.named_modules():
        if type(module) not in WRITERS:
            known = ", ".join(sorted(cls.__name__ for cls in WRITERS))
            raise TypeError(f"{where(module, path)} cannot be written in C, expected {known}")


def check_takes(module: Any, path: str, x: Value, width: int | None = None) -> None:
    """ValueError unless x has that many features; None: any."""
    if x.width == 0 or width not in (None, x.width):
        came = f"{x.width} features" if x.width else "ids"
        wanted = "features" if width is None else f"{width} features"
        raise ValueError(f"{where(module, path)} gets {came}, expected {wanted}")
