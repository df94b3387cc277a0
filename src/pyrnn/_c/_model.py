"""A model as the text of a C file."""

from typing import Any

import numpy as np

from .._base.prediction import reader_of_x
from .._base.quantized import form_of
from . import _layers, _recurrent  # noqa: F401  (they say what modules become)
from ._functions import Functions
from ._kernels import kernel_names
from ._parts import Parts, check_known, where
from ._program import Program, Value
from ._source import renamed, source, title
from ._tables import Names, Tables

FUNCTIONS = {"reset", "step", "run", "state"}
LOCALS = {"state", "x", "y", "t", "steps", "work"}


def as_c(model: Any, name: str) -> str:
    """The whole file; what is in it begins with the name."""
    check_known(model)
    affine = affine_of(model)
    names = Names({f"model_{word}" for word in kernel_names() | FUNCTIONS} | LOCALS)
    program, tables = Program(), Tables(names, np.dtype(model.input_dtype or np.float32))
    parts = Parts(program, tables, names, has_gain=affine != "affine")
    x = Value("x", width_of_x(model))
    y = parts.write(model, "", x)
    if y.member or y is x:
        y = parts.call(f"model_copy({{x[0]}}, {y.width}, {{y}});", "", y.width, y)
    text = source(Functions(program, x, y), tables, affine)
    return title(str(model.summary())) + renamed(text, name)


def affine_of(model: Any) -> str:
    """The file of `kernels` with the product of this model's matrices and a vector."""
    form = form_of(p for module in model.modules() for p in module.matrices().values())
    if form:
        return f"affine_{form}"
    normalises = any(getattr(module, "layer_norm", False) for module in model.modules())
    return "affine_normalised" if normalises else "affine"


def width_of_x(model: Any) -> int:
    """The features of x, as the first part says that says any; 0 for ids."""
    _, reader = reader_of_x(model)
    if reader is None:
        raise ValueError(f"{where(model, '')} has no part that says how many features x has")
    return 0 if reader.takes_ids else int(reader._widths[-1])
