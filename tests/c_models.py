"""Models for the tests of export_c, and their C files compiled and run."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from pyrnn._base.module import Module

DRIVER = Path(__file__).parent / "c" / "driver.c"
C99 = ("-std=c99", "-O1", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror", "-pedantic")
LAYERS = {"rnn": pyrnn.RNN, "lstm": pyrnn.LSTM, "gru": pyrnn.GRU}
OPTIONS = {  # of a cell alone, and values that are not the default
    "rnn": {"nonlinearity": ("relu", "sigmoid", "identity")},
    "lstm": {
        "peephole": (True,),
        "coupled_gates": (True,),
        "cell_clip": (0.3,),
        "zoneout_cell": (0.2,),
        "layer_norm": (True,),
        "proj_size": (2,),
    },
    "gru": {"reset_after": (False,), "layer_norm": (True,)},
}


def need(tool):
    """A visible skip where a program is not installed."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")


@dataclass
class Compiled:
    """An exported model as a program, and the model that it is of."""

    program: Path
    model: Module

    def outputs(self, x, before=()):
        """(y of a run, the state after it, y of steps) of one sequence; None for what is not."""
        command = [*before, str(self.program), str(len(x))]
        child = subprocess.run(command, input=x.tobytes(), capture_output=True, timeout=100)
        assert child.returncode == 0, child.stderr.decode()
        numbers = np.frombuffer(child.stdout, self.model.dtype)
        y, state, steps = expected(self.model, x)
        sizes = [y.size, state.size, 0 if steps is None else steps.size]
        assert sum(sizes) == numbers.size
        y_c, state_c, steps_c = np.split(numbers, np.cumsum(sizes)[:-1])
        steps_c = None if steps is None else steps_c.reshape(steps.shape)
        return y_c.reshape(y.shape), state_c, steps_c


def expected(model, x):
    """The same as pyrnn computes it."""
    y, states = model.run(x[None])
    rows = [row for state in states for row in zip(*leaves(state), strict=True)]
    state = np.concatenate(
        [np.empty(0, model.dtype), *(part for row in rows for part in row)], None
    )
    try:
        stream = model.stream()
    except (TypeError, ValueError):
        return y[0], state, None
    steps = [np.reshape(stream.step(row[None]), -1) for row in x]
    return y[0], state, np.array(steps, model.dtype)


def leaves(state):
    """h, or h and c."""
    return state if isinstance(state, tuple) else (state,)


def compiled(model, folder, compiler="gcc", flags=C99, link=("-lm",)):
    """The program of a model."""
    need(compiler)
    source, program = folder / "model.c", folder / "program"
    pyrnn.export_c(model, source)
    command = [compiler, *flags, *macros(model, source), str(DRIVER), "-o", str(program), *link]
    child = subprocess.run(command, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    return Compiled(program, model)


def macros(model, source):
    """What the driver has to know."""
    text = source.read_text()
    number = "float" if model.dtype == np.float32 else "double"
    yield f'-DMODEL_FILE="{source}"'
    yield f"-DNUMBER={number}"
    yield f"-DENDS_TIME={int(model.drops_time)}"
    for macro, sign in (
        ("TAKES_IDS", "MODEL_IDS"),
        ("HAS_STEP", "model_step("),
        ("HAS_STATE", f"  {number} h_"),
    ):
        if sign in text:
            yield f"-D{macro}"


def draw_x(model, steps, rng):
    """One sequence: (T, F), or ids (T,)."""
    first = next(part for part in model.modules() if part.takes_ids or part._width)
    if first.takes_ids:
        return rng.integers(0, first.num_embeddings, steps, dtype=np.int32)
    width = getattr(first, first._width)
    width = width[0] if isinstance(width, tuple) else width
    return rng.standard_normal((steps, width)).astype(model.dtype)


def with_drawn_weights(model, rng):
    """The model with weights of which none is what it was made with."""
    for parameter in model.parameters():
        parameter[...] = rng.uniform(-0.8, 0.8, parameter.shape).astype(parameter.dtype)
    return model


def draw_recurrent(rng, width, dtype):
    """A recurrent layer with any options, and the width of its output."""
    cell = str(rng.choice(list(LAYERS)))
    drawn = {k: v[rng.integers(len(v))] for k, v in OPTIONS[cell].items() if rng.random() < 0.35}
    if drawn.get("reset_after") is False:
        drawn.pop("layer_norm", None)
    way = rng.integers(3)
    if way == 2:
        merge = str(rng.choice(["concat", "sum", "mul", "average"]))
        drawn |= {"bidirectional": True, "merge": merge}
    elif way == 1:
        drawn["direction"] = "reverse"
    drawn["bias"] = bool(rng.random() < 0.8)
    drawn["zoneout"] = float(rng.choice([0.0, 0.15]))
    sizes = width, int(rng.integers(3, 8))
    layers = int(rng.integers(1, 4))
    layer = LAYERS[cell](*sizes, num_layers=layers, dtype=dtype, seed=0, **drawn)
    return layer, layer.num_features


def draw_plain(rng, width, dtype):
    """A layer without a state."""
    kind = rng.integers(5)
    if kind == 0:
        out = int(rng.integers(1, 6))
        return pyrnn.Linear(width, out, bias=bool(rng.integers(2)), dtype=dtype), out
    if kind == 1:
        affine = bool(rng.integers(2))
        return pyrnn.LayerNorm(width, elementwise_affine=affine, dtype=dtype), width
    names = ("Tanh", "ReLU", "Sigmoid", "Softmax", "Identity", "Dropout")
    return getattr(pyrnn, str(rng.choice(names)))(), width


def draw_part(rng, width, dtype, depth=0):
    """A part, and the width of its output."""
    kind = rng.integers(7)
    if kind < 3:
        return draw_recurrent(rng, width, dtype)
    if kind < 5 or depth:
        return draw_plain(rng, width, dtype)
    inner, inner_width = draw_part(rng, width, dtype, 1)
    if kind == 5:
        other, other_width = draw_part(rng, width, dtype, 1)
        return pyrnn.Concat(inner, pyrnn.Identity(), other), inner_width + width + other_width
    back = pyrnn.Linear(inner_width, width, dtype=dtype)
    return pyrnn.Residual(pyrnn.Sequential(inner, back)), width


def draw_end(rng, part, width, dtype):
    """Nothing, or one vector of the sequence and a head on it."""
    kind = rng.integers(5)
    if kind == 0:
        return []
    if kind == 1:
        pooled = pyrnn.Concat(pyrnn.MaxPool(), pyrnn.MeanPool(), pyrnn.SumPool())
        return [pooled, pyrnn.Linear(3 * width, 2, dtype=dtype)]
    pool = (pyrnn.MeanPool, pyrnn.MaxPool, pyrnn.SumPool)[rng.integers(3)]
    return [pool(), pyrnn.Linear(width, 3, dtype=dtype), pyrnn.Softmax()]


def draw_model(seed):
    """A model of any parts, which depends on the seed alone."""
    rng = np.random.default_rng(seed)
    dtype = np.float64 if rng.random() < 0.25 else np.float32
    first = width = int(rng.integers(1, 6))
    parts = []
    if rng.random() < 0.25:
        parts.append(pyrnn.Embedding(11, width, dtype=dtype))
    for _ in range(rng.integers(1, 5)):
        part, width = draw_part(rng, width, dtype)
        parts.append(part)
    if not any(part._width or part.takes_ids for part in parts[0].modules()):
        parts.insert(0, pyrnn.Linear(first, first, dtype=dtype))
    parts += draw_end(rng, parts[-1], width, dtype)
    return with_drawn_weights(pyrnn.Sequential(*parts), rng)
