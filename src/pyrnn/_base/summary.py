"""The table that Module.summary returns: layers, output shapes, numbers of parameters."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import _core
from .checks import as_plain_array, check_size
from .names import dotted
from .nested import leaves
from .parameter import Parameter
from .prediction import reader_of_x, required_arguments
from .settings import Settings
from .shown import html_table, in_bytes
from .value import observer

Outputs = list[tuple[Any, ...]]  # the shapes of what a call returns
Shapes = dict[int, list[Outputs]]  # by id of a module, one entry for each of its calls
# Two sizes of (N, T): an axis of the first in the one and of the second in the other is named.
PROBES = ((2, 7), (3, 11))
NAMES = {(2, 3): "N", (7, 11): "T", (14, 33): "N*T"}


class Row(NamedTuple):
    """A part, the shape of its output ("" if unseen), its own parameters and their bytes."""

    layer: str
    shape: str
    parameters: int
    bytes: int


class Summary(Settings):
    """What `Module.summary` returns: it shows itself as a table, in a notebook as one of HTML.

    `rows` has a `(layer, shape, parameters, bytes)` for each part; `trained`, `frozen` and `total`
    are such rows of sums. What is shared counts in the first row that has it. `str(summary)` is the
    text, and `print(summary)` prints it.

    Examples
    --------
    >>> model = pyrnn.Sequential(pyrnn.Embedding(100, 8), pyrnn.GRU(8, 16), pyrnn.Linear(16, 5))
    >>> model.summary()
    layer                                              output shape  parameters   bytes
    -----------------------------------------------------------------------------------
    0  Embedding(num_embeddings=100, embedding_dim=8)  (N, T, 8)            800  3.2 kB
    1  GRU(input_size=8, hidden_size=16)               (N, T, 16)         1,248  5.0 kB
    2  Linear(in_features=16, out_features=5)          (N, T, 5)             85   340 B
    -----------------------------------------------------------------------------------
    trained                                                               2,133  8.5 kB
    frozen                                                                    0     0 B
    total                                                                 2,133  8.5 kB
    >>> model.summary().total.parameters == model.num_parameters()
    True
    """

    def __init__(self, rows: list[Row], frozen: tuple[int, int] = (0, 0)) -> None:
        self.rows = tuple(rows)
        count, size = sum(row.parameters for row in rows), sum(row.bytes for row in rows)
        self.trained = Row("trained", "", count - frozen[0], size - frozen[1])
        self.frozen = Row("frozen", "", *frozen)
        self.total = Row("total", "", count, size)

    def _cells(self) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]], list[tuple[str, ...]]]:
        """The texts of the head, of the body and of the sums."""

        def texts(row: Row) -> tuple[str, ...]:
            return row.layer, row.shape, f"{row.parameters:,}", in_bytes(row.bytes)

        sums = self.trained, self.frozen, self.total
        head = ("layer", "output shape", "parameters", "bytes")
        return [head], [*map(texts, self.rows)], [*map(texts, sums)]

    def __repr__(self) -> str:
        blocks = self._cells()
        columns = zip(*(row for block in blocks for row in block), strict=True)
        a, b, c, d = (max(map(len, column)) for column in columns)
        lines = [
            [f"{p:{a}}  {q:{b}}  {r:>{c}}  {s:>{d}}" for p, q, r, s in block] for block in blocks
        ]
        rule = "-" * len(lines[0][0])
        return "\n".join([*lines[0], rule, *lines[1], rule, *lines[2]])

    def _repr_html_(self) -> str:
        head, body, sums = self._cells()
        return html_table(head[0], body, sums, left=2)


class Summarised:
    """What has a summary: the base of Module."""

    _has_row: ClassVar[bool] = True  # of its own; False: its last part's says all

    def summary(self, x: Any = None) -> Summary:
        """A table of the parts with the shapes of their outputs and their numbers of parameters.

        `x` is an input, or its shape as a tuple, such as (N, T, F), or (N, T) for ids; of several
        inputs a dict with such an entry for each argument of `forward`. Without one
        the width comes from the first layer that has one, and the numbers of samples and steps are
        shown as N and T; shapes are left out where no layer says what x is, and where a call takes
        more than x. The table is an object that a notebook shows; `print(model.summary())` prints
        it. Errors as those of a call on x.

        Examples
        --------
        >>> print(pyrnn.LSTM(3, 8).summary((2, 5, 3)).rows[0].shape)
        (2, 5, 8)
        """
        seen = _shapes_of_any(self) if x is None else _shapes_of(self, _read(self, x))
        named: Any = self
        frozen = [p for p in named.parameters() if not p.requires_grad]
        return Summary([*_rows(self, "", seen, (), set())], _size(frozen))


def _read(module: Any, x: Any) -> Any:
    """The input itself, or zeros of its shape; of several inputs a dict of such."""
    name = type(module).__name__
    if isinstance(x, Mapping):
        return {key: _read_one(module, key, value) for key, value in x.items()}
    if not _takes_x_alone(module):
        expected = "a module of x alone" if module.takes_target else "a dict of its inputs by name"
        raise ValueError(f"{name}.summary: {name} takes more than x, expected {expected}")
    return _read_one(module, "x", x)


def _read_one(module: Any, name: str, x: Any) -> Any:
    owner = f"{type(module).__name__}.summary"
    if not isinstance(x, tuple):
        return as_plain_array(owner, name, x, "or a tuple with its shape")
    sizes = (check_size(owner, f"{name}[{i}]", size) for i, size in enumerate(x))
    return _zeros(module, tuple(sizes))


def _takes_x_alone(module: Any) -> bool:
    return not module.takes_target and required_arguments(module) == 1


def _zeros(module: Any, shape: tuple[int, ...]) -> Any:
    """An input of this shape: ids where an Embedding comes first."""
    first = next(module.forward_path())
    return np.zeros(shape, np.int64 if first.takes_ids else module.input_dtype or np.float32)


def _shapes_of(module: Any, x: Any) -> Shapes:
    """The shapes of what all parts give in a call on x."""
    seen: Shapes = {}

    def note(part: Any, y: Any, *_: Any) -> None:
        y = y[0] if part.stateful and isinstance(y, tuple) else y
        shapes = [getattr(leaf, "shape", ()) for leaf in leaves(y) if leaf is not None]
        if seen.setdefault(id(part), [])[-1:] != [shapes]:  # a call may run another method
            seen[id(part)].append(shapes)

    _core.with_value(observer, note, module.run_part, x)
    return seen


def _shapes_of_any(module: Any) -> Shapes:
    """The same for the x that the layers say, N and T in the place of its sizes."""
    step, first = reader_of_x(module)
    if first is None or step._keeps_layout or not _takes_x_alone(module):
        return {}
    inputs = [_probe(module, sizes, first._widths) for sizes in PROBES]
    try:
        runs = [_shapes_of(module, x) for x in inputs]
    except Exception as error:
        error.add_note(
            f"summary() took an x of shape {inputs[0].shape}, which its layers seem to want; "
            "summary(shape) says what x is"
        )
        raise
    return {
        part: [
            [tuple(map(_axis, *shapes)) for shapes in zip(*outputs, strict=True)]
            for outputs in zip(found, runs[1][part], strict=True)
        ]
        for part, found in runs[0].items()
    }


def _probe(module: Any, sizes: tuple[int, int], features: tuple[int, ...]) -> Any:
    """x of N samples, and T steps if a part works along time before one makes the time axis."""
    N, T = sizes
    has_time = False
    for step in module.forward_path():
        has_time = any(part.num_states or part.time_aware for part in step.modules())
        if has_time or step.makes_time:
            break
    leading = ((N, T) if module.batch_first else (T, N)) if has_time else (N,)
    return _zeros(module, (*leading, *features))


def _axis(first: int, second: int) -> Any:
    """The name of an axis by its sizes in the two probes; a size that both have."""
    return first if first == second else NAMES.get((first, second), "?")


def _rows(
    module: Any, name: str, seen: Shapes, above: tuple[Any, ...], counted: set[int]
) -> Iterator[Row]:
    """A module's row, and those of its parts below it; a chain of parts has theirs alone."""
    parts = [(key, part) for key, part in vars(module).items() if isinstance(part, Summarised)]
    if module._has_row:
        own = {id(p): p for p in vars(module).values() if isinstance(p, Parameter)}
        new = [parameter for key, parameter in own.items() if key not in counted]
        counted.update(own)
        shown = type(module).__name__ if parts else repr(module)
        frozen = ", frozen" if own and not any(p.requires_grad for p in own.values()) else ""
        layer = f"{name}  {shown}{frozen}".lstrip()
        yield Row(layer, _next_shape(seen.get(id(module), [])), *_size(new))
    for key, part in parts:
        if not any(part is each for each in (module, *above)):
            yield from _rows(part, dotted(name, key), seen, (module, *above), counted)


def _size(parameters: list[Parameter]) -> tuple[int, int]:
    """Numbers and bytes of some parameters."""
    sizes = [(p.size, p.nbytes) for p in parameters]
    return sum(count for count, _ in sizes), sum(size for _, size in sizes)


def _next_shape(calls: list[Outputs]) -> str:
    """The outputs of a module's next call; of its last one for all rows that follow."""
    outputs = calls.pop(0) if len(calls) > 1 else calls[0] if calls else []
    texts = (", ".join(map(str, axes)) for axes in outputs)
    return ", ".join(f"({text})" if "," in text else f"({text},)" for text in texts)
