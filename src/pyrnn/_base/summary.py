"""The table that Module.summary prints: layers, output shapes, numbers of parameters."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .checks import as_plain_array, check_size
from .parameter import Parameter
from .prediction import required_arguments

Row = tuple[str, str, str]


class Summarised:
    """What has a summary: the base of Module."""

    def summary(self, x: Any) -> str:
        """Prints, and returns, a table of layers, output shapes and numbers of parameters.

        `x` is an input, or its shape as a tuple, such as (N, T, F), or (N, T) for ids. A parameter
        that is shared counts in the first row that has it. Errors as those of a call on x.
        """
        text = summary(self, x)
        print(text)
        return text


def summary(module: Any, x: Any) -> str:
    """One row for each part that `module` runs on x, or on zeros of the shape x; and the total."""
    if module.takes_target or required_arguments(module) > 1:
        name = type(module).__name__
        raise ValueError(f"{name}.summary: {name} takes more than x, expected a module of x alone")
    rows: list[Row] = [("layer", "output shape", "parameters")]
    _, parts = _run(module, _read(module, x), "", set())
    rows += parts
    rows.append(("total", "", f"{module.num_parameters():,}"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{a:{widths[0]}}  {b:{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _read(module: Any, x: Any) -> Any:
    """The input itself, or zeros of its shape: ids for an Embedding in front."""
    owner = f"{type(module).__name__}.summary"
    if not isinstance(x, tuple):
        return as_plain_array(owner, "x", x, "or a tuple with its shape")
    shape = tuple(check_size(owner, f"x[{i}]", size) for i, size in enumerate(x))
    first = next(module.forward_path())
    return np.zeros(shape, np.int64 if first.takes_ids else module.input_dtype or np.float32)


def _run(module: Any, x: Any, name: str, seen: set[int]) -> tuple[Any, list[Row]]:
    """The module's output, and its parts' rows; what is shared counts where it comes first."""
    if module.made_of_parts:
        rows: list[Row] = []
        for i, part in enumerate(module):
            x, more = _run(part, x, f"{name}.{i}" if name else str(i), seen)
            rows += more
        return x, rows
    y, _ = module.run_part(x)
    return y, list(_rows_of(module, str(np.shape(y)), name, seen))


def _rows_of(module: Any, shape: str, name: str, seen: set[int]) -> Iterator[Row]:
    """A module's row, and those of the parts that it runs itself: their outputs are unseen."""
    for own, part in module.named_modules():
        full = ".".join(filter(None, (name, own)))
        new = {id(p): p for p in vars(part).values() if isinstance(p, Parameter)}
        count = sum(parameter.size for key, parameter in new.items() if key not in seen)
        seen.update(new)
        shown = type(part).__name__ if _is_composed(part) else repr(part)
        yield f"{full}  {shown}".lstrip(), shape if part is module else "", f"{count:,}"


def _is_composed(module: Any) -> bool:
    """Whether a module has parts, which have rows of their own."""
    return len(list(module.modules())) > 1
