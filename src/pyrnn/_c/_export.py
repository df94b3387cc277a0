"""export_c: a model as one file of C."""

import os
import re
from typing import Any

from .._base.atomic_write import atomic_write
from .._base.checks import check_path, describe
from .._base.module import Module

SUFFIXES = (".c", ".h")
KEYWORDS = (  # of C and of C++
    "alignas alignof and asm auto bitand bitor bool break case catch char class compl concept const"
    " consteval constexpr constinit continue decltype default delete do double else enum explicit"
    " export extern false float for friend goto if inline int long mutable namespace new noexcept"
    " not nullptr operator or private protected public register reinterpret_cast requires restrict"
    " return short signed sizeof static static_assert static_cast struct switch template this"
    " thread_local throw true try typedef typeid typename union unsigned using virtual void"
    " volatile while xor"
)


def export_c(model: Any, path: Any, *, name: str = "model") -> None:
    """Writes a model as one file of C99, which runs it where there is no Python.

    The file has the weights, the functions of the cells with their equations, and, with the default
    `name`:

    - `model_state`: a struct with h and c of all layers, the caller's; `model_reset(&state)` makes
      them zero;
    - `model_step(&state, x, y)`: one step, as `model.stream().step(x)`. It is left out where a
      step needs those after it: of a reverse direction and of pools;
    - `model_run(&state, x, steps, y)`: one sequence x (T, F) from the state, as
      `model.run(x, state)`. The state becomes that at the end. With a reverse direction it takes
      `work`, too: `MODEL_WORK(steps)` numbers for what one direction leaves for the other.

    x and y are arrays of `MODEL_INPUTS` and `MODEL_OUTPUTS` numbers for each step, row after row,
    which do not overlap.
    Of a model that begins with an Embedding x is an int, or one for each step; the functions return
    0, or -1, having done nothing, for ids that are not in 0..MODEL_IDS - 1.

    The code allocates nothing, needs math.h alone, and is C++, too; its data are const. Numbers are
    float, or double for a float64 model; they are written so that they are read exactly. Results
    differ from pyrnn's in the last digits, as sums have another order.

    For a model from `quantize`, the matrices are tables of 16-bit or 8-bit numbers. The C code
    computes with them as that model does: in int8 it rounds what is multiplied, and sums integers.
    In bf16 it needs string.h, too.

    RNN, LSTM and GRU have all their options (dropout, recurrent dropout and zoneout as inference
    has them). Other parts may be Linear, Embedding, LayerNorm of one axis, Dropout, Identity, Tanh,
    ReLU, Sigmoid, Softmax, LastStep, SumPool, MeanPool, MaxPool, Sequential, Add, Concat, Residual,
    and TimeDistributed of what knows of no steps.

    TypeError for any other part, which is named, and for a model that is no Module; ValueError for
    weights that are not finite, options that are too large for a float, parts that do not fit, a
    name that is no identifier or a keyword, and a path that does not end in .c or .h; OSError if
    the file cannot be written, which is atomic.

    Examples
    --------
    >>> import os, re, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "amp.c")
    >>> model = pyrnn.Sequential(rnn=pyrnn.LSTM(1, 20, seed=0), head=pyrnn.Linear(20, 1, seed=1))
    >>> pyrnn.export_c(model, path, name="amp")
    >>> with open(path) as file:
    ...     print(*re.findall("^void .*;$", file.read(), re.MULTILINE), sep="\\n")
    void amp_reset(amp_state* state);
    void amp_step(amp_state* state, const float* x, float* y);
    void amp_run(amp_state* state, const float* x, int steps, float* y);
    >>> folder.cleanup()
    """
    from ._model import as_c

    if not isinstance(model, Module):
        raise TypeError(f"export_c: model is {describe(model)}, expected a Module")
    name, path = check_name(name), check_c_path(path)
    atomic_write(path, as_c(model, name).encode())


def check_name(name: Any) -> str:
    """What all names in the file begin with."""
    if not isinstance(name, str):
        raise TypeError(f"export_c: name is {describe(name)}, expected a string")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in KEYWORDS.split():
        raise ValueError(
            f"export_c: name is {describe(name)}, expected an identifier of C that is no keyword: "
            "letters, digits and underscores, a letter first"
        )
    return name


def check_c_path(path: Any) -> str:
    """A path of a C file."""
    text = check_path("export_c", path)
    if os.path.splitext(text)[1] not in SUFFIXES:
        raise ValueError(f"export_c: path is {describe(text)}, expected one that ends in .c or .h")
    return text
