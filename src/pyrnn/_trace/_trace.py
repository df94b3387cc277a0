"""trace: what a network computes for one sequence, and what comes back through it."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import losses
from .._base.atomic_write import atomic_write
from .._base.checks import Array, as_plain_array, check_list, check_path, describe, join_some
from .._base.module import Module
from .._base.settings import Settings
from .._base.words import made_of_word
from ..layers import Softmax
from ..losses import Loss
from ._layer import INFLUENCE_STEPS, LayerTrace, norms_of
from ._pictures import draw
from ._table import TraceTable, table_of
from ._watched import gradients, watch
from ._words import explained

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Trace(Settings):
    """What `pyrnn.trace` returns: everything that a network computed for one sequence of T steps.

    `trace.layers` has a `LayerTrace` for each direction of each recurrent layer, in the order in
    which they ran. `trace[0]` gives one by its place, `trace["rnn"]` by its name. `trace.y` is the
    model's output and `trace.state` its final state, `trace.probabilities` the softmax of y (y
    itself where the model ends in one; None where y has one feature). `trace.parts` has the output
    of every other part by its name, `trace.attention` the weights of each Attention.

    Gradients are of `trace.loss`, a number L: that of the loss that was given, or the sum of the
    last step's y. `trace.back_from(t)` gives |dL/dh_t| and |dL/dc_t| for L = the sum of y_t.

    - `trace.explain(t, unit)` prints the equations of a step of a unit with their numbers put in.
    - `trace.table()` is a table of the steps, for a notebook as well, or `to_frame()` of pandas.
    - `trace.influence()` is |dh_t/dx_s| (T, T): how much of step s is still in step t.
    - `trace.plot()` draws heat maps and the gradients (matplotlib).
    - `trace.html(path)` writes a page that shows all of it and needs no network; a notebook shows
      the same page.

    Examples
    --------
    >>> rnn = pyrnn.RNN(1, 2, seed=0)
    >>> rnn.weight_ih_l0[...], rnn.weight_hh_l0[...] = [[1], [2]], [[0, 1], [1, 0]]
    >>> rnn.bias_ih_l0[...], rnn.bias_hh_l0[...] = 0, 0
    >>> trace = pyrnn.trace(rnn, np.array([[0.5], [0.0]], np.float32))
    >>> trace.explain(1, unit=0)
    RNN, step 1, unit 0, x = [0]
    h_before = 0.4621
    a = b + W_x x + W_h h_before = 0 + 1*0 + 0*0.4621 + 1*0.7616 = 0.7616
    h = tanh(a) = tanh(0.7616) = 0.642
    >>> trace.layers[0].gradient_norms["h"].round(3)
    array([1.004, 1.414], dtype=float32)
    """

    def __init__(
        self,
        model: Module,
        x: Any,
        state: Any,
        loss: tuple[Loss, Any] | None,
        tokens: Sequence[str] | None,
        classes: Sequence[str] | None,
    ) -> None:
        self.model, self.x = model, x
        self._start, self._loss = state, loss
        self._found: Any = None
        self.y, self.state, calls = watch(model, x, state)
        self.calls = tuple(call for call in calls if call.inside is not None)
        self.layers = tuple(self._layers())
        if not self.layers:
            raise ValueError(
                f"trace: {type(model).__name__} calls no recurrent layer, expected an RNN, LSTM or "
                "GRU in it"
            )
        self.steps = len(self.layers[0].x)
        self.parts = {call.name: call.y for call in calls if call.inside is None and call.name}
        self.attention = {
            call.name: np.asarray(call.y[1]) for call in calls if call.part._gives_weights
        }
        self.tokens = self._read_names("tokens", tokens, self.steps) or self._ids()
        self.classes = self._read_names("classes", classes, None)

    def _layers(self) -> Iterator[LayerTrace]:
        for number, call in enumerate(self.calls):
            directions = call.inside.directions
            for k, direction in enumerate(directions):
                name = call.name or type(call.part).__name__
                name += f" layer {direction.number}" if call.inside.layer.num_layers > 1 else ""
                name += " reverse" if direction.reverse and call.inside.layer.bidirectional else ""
                yield LayerTrace(name, call.inside, k, partial(self._gradient_of, number, k))

    def _read_names(self, what: str, given: Any, count: int | None) -> tuple[str, ...]:
        """Texts, one for each step."""
        if given is None:
            return ()
        names = tuple(map(str, check_list("trace", what, given)))
        if count is not None and len(names) != count:
            raise ValueError(
                f"trace: {what} has {len(names)} entries, expected {count}, one a step"
            )
        return names

    def _ids(self) -> tuple[str, ...]:
        """The ids of x as texts; nothing where x is no sequence of ids."""
        x = np.asarray(self.x) if isinstance(self.x, np.ndarray) else np.zeros(0)
        return tuple(map(str, x.ravel().tolist())) if x.dtype.kind in "iu" else ()

    @property
    def loss(self) -> float:
        """L, of which the gradients are."""
        return float(self._value_and_dy(self.y)[0])

    @property
    def probabilities(self) -> Array | None:
        """The softmax of y over its last axis."""
        if not isinstance(self.y, np.ndarray) or self.y.shape[-1] < 2:
            return None
        last = list(self.model.forward_path())[-1]
        return self.y if last.makes_probabilities else Softmax()(self.y)

    def _value_and_dy(self, y: Any, step: int = -1) -> tuple[float, Any]:
        """L and dL/dy."""
        if self._loss is not None:
            value, pullback = self._loss[0].vjp(y, self._loss[1])
            return value, pullback()
        if not isinstance(y, np.ndarray):
            raise TypeError(f"trace: y is {describe(y)}, expected one array, or a loss of it")
        dy, time = np.zeros_like(y), self._time_of(y)
        dy[(slice(None),) * time + (step,) if time is not None else ...] = 1
        return float((y * dy).sum()), dy

    def _time_of(self, y: Array) -> int | None:
        """The axis of y that has the steps; None where there is none."""
        single = np.ndim(self.x) == (1 if np.asarray(self.x).dtype.kind in "iu" else 2)
        keeps = self.model.keeps_time(y, self.steps, single=single)
        return (0 if single or not self.model.batch_first else 1) if keeps else None

    def _gradient_of(self, call: int, direction: int) -> Any:
        if self._found is None:
            _, self._found = gradients(
                self.model, self.x, self._start, lambda y: self._value_and_dy(y)[1]
            )
        return self._found[call].of_states[direction]

    def back_from(self, step: int) -> dict[str, dict[str, Array]]:
        """|dL/dh_t| and |dL/dc_t| of L = the sum of y at this step: {layer: {"h": (T,), ...}}.

        ValueError for a model whose output has no steps, and for a step that is not there.
        """
        if not isinstance(self.y, np.ndarray) or self._time_of(self.y) is None:
            raise ValueError("trace.back_from: y has no steps, expected an output for each step")
        self._check("back_from", "step", step, self.steps)

        def of_y(y: Array) -> Array:
            dy = np.zeros_like(y)
            dy[(slice(None),) * (self._time_of(y) or 0) + (step,)] = 1
            return dy

        _, found = gradients(self.model, self.x, self._start, of_y)
        flat = [states for of_call in found for states in of_call.of_states]
        return {
            layer.name: norms_of(states) for layer, states in zip(self.layers, flat, strict=True)
        }

    def _check(self, method: str, name: str, value: int, count: int) -> int:
        """A place in order, negative ones from the end; ValueError for one that is not there."""
        if not hasattr(value, "__index__"):
            raise TypeError(f"trace.{method}: {name} is {describe(value)}, expected an integer")
        if not -count <= value < count:
            raise ValueError(
                f"trace.{method}: {name} is {describe(value)}, expected one of {count}"
            )
        return int(value) % count

    def __getitem__(self, key: int | str) -> LayerTrace:
        """A layer by its place or by its name; KeyError for a name that is not there."""
        found = {layer.name: layer for layer in reversed(self.layers)}
        if isinstance(key, str):
            if key not in found:
                raise KeyError(f"trace: {describe(key)}, expected one of {join_some(found, ', ')}")
            return found[key]
        return self.layers[self._check("layers", "the index", key, len(self.layers))]

    def explain(self, t: int, unit: int = 0, layer: int | str = 0) -> None:
        """Prints what a step computes for one unit: each equation, its numbers, its result."""
        names = [one.name for one in self.layers]
        if isinstance(layer, str) and layer not in names:
            raise ValueError(
                f"trace.explain: layer is {describe(layer)}, expected one of {join_some(names)}"
            )
        if not isinstance(layer, str):
            layer = self._check("explain", "layer", layer, len(self.layers))
        of = self[layer]
        t = self._check("explain", "t", t, self.steps)
        unit = self._check("explain", "unit", unit, of.layer.hidden_size)
        x = of.x[t].tolist()
        shown = ", ".join(f"{value:.4g}" for value in x[:8]) + (", ..." if len(x) > 8 else "")
        token = f" {self.tokens[t]!r}" if self.tokens else ""
        print(f"{of.name}, step {t}{token}, unit {unit}, x = [{shown}]")
        print(*explained(of, t, unit), sep="\n")

    def influence(self, call: int = -1) -> Array:
        """|dh_t/dx_s| (T, T): the Frobenius norm of the derivative of what a recurrent layer gives
        at step t by what came to it at step s; of the last layer, or of another one.

        ValueError for more than 200 steps: the time grows with their square.
        """
        if self.steps > INFLUENCE_STEPS:
            raise ValueError(
                f"trace.influence: x has {self.steps} steps, expected at most {INFLUENCE_STEPS}"
            )
        inside = self.calls[self._check("influence", "call", call, len(self.calls))].inside
        matrix: Array = inside.influence()
        return matrix

    def table(self) -> TraceTable:
        """The steps in a table: token, |h|, |c|, mean gates and |dL/dh| of each layer, output."""
        return table_of(self)

    def plot(self, path: Any = None) -> "Figure":
        """Heat maps of gates and states over time, and the gradient's flow; saves the picture to
        `path` (.png, .svg, .pdf).

        Returns the matplotlib Figure. Needs matplotlib: ImportError says how to install it.
        """
        return draw(self, path)

    def html(self, path: Any) -> None:
        """Writes one page that shows the trace in any browser, without a network.

        It shows up to 200 steps and as many units as fit in a few hundred kilobytes, and says so
        where there are more. OSError for a path that cannot be written.
        """
        from ._page import page

        atomic_write(check_path("trace.html", path), page(self).encode())

    def _repr_html_(self) -> str:
        from ._page import in_frame, page

        return in_frame(page(self))

    def _phrases(self) -> Iterator[str]:
        yield type(self.model).__name__
        yield f"{self.steps} steps"
        yield "layers " + ", ".join(layer.name for layer in self.layers)


def trace(
    model: Module,
    x: Any,
    state: Any = None,
    loss: Any = None,
    *,
    tokens: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
) -> Trace:
    """Runs a model on one sequence and keeps everything that it computes: a `Trace`.

    model : any Module with an RNN, LSTM or GRU in it.
    x : one sequence: (T, F), ids (T,), or a batch of one; what the model takes. Floats are cast to
        the model's dtype.
    state : the initial state, as the model takes it; None is zero.
    loss : a pair (loss, target), the loss perhaps by name, as in ("cross_entropy", [2]); None takes
        the sum of the last step's y.
    tokens, classes : words for the steps and for the features of y, for tables and pictures.

    h, c and y are the layer's own, bit for bit. Its sums and gates come from the same kernels
    again, for all steps at once, with the layer's bits; with layer normalisation, and a projection,
    what numpy computes agrees to rounding. Gradients go back step by step through the layers' own
    backward pass. Nothing is dropped; the model and its .grad stay as they are.

    ValueError for a model without a recurrent layer, for several sequences, and for quantized
    weights.

    Examples
    --------
    >>> model = pyrnn.Sequential(rnn=pyrnn.LSTM(3, 4, seed=0), head=pyrnn.Linear(4, 2, seed=1))
    >>> x = np.eye(3, dtype=np.float32)  # three steps
    >>> trace = pyrnn.trace(model, x, loss=("cross_entropy", [[0, 1, 0]]))
    >>> trace["rnn"]["f"].shape, np.array_equal(trace["rnn"]["h"], model.rnn(x)[0])
    ((3, 4), True)
    >>> trace.probabilities.shape, trace.influence().shape
    ((1, 3, 2), (3, 3))
    """
    if not isinstance(model, Module):
        raise TypeError(f"trace: model is {describe(model)}, expected a Module")
    x = as_plain_array("trace", "x", x, "of numbers")
    if x.dtype.kind == "f" and model.input_dtype is not None:
        x = x.astype(model.input_dtype)
    x = _batched(model, x)
    return Trace(model, x, state, _read_loss(loss), tokens, classes)


def _batched(model: Module, x: Array) -> Array:
    """x as a batch of one sequence."""
    axes = 1 if x.dtype.kind in "iu" else 2
    if x.ndim == axes:
        return x[None] if model.batch_first else x[:, None]
    rows = x.shape[0 if model.batch_first else 1] if x.ndim > axes else 0
    if x.ndim != axes + 1 or rows != 1:
        raise ValueError(
            f"trace: x has shape {x.shape}, expected one sequence: (T, F), (T,) of ids, or a batch "
            "of one"
        )
    return x


def _read_loss(loss: Any) -> tuple[Loss, Any] | None:
    if loss is None:
        return None
    if not isinstance(loss, tuple | list) or len(loss) != 2:
        raise TypeError(
            f"trace: loss is {describe(loss)}, expected a pair (loss, target), as in "
            '("cross_entropy", [[0, 1]])'
        )
    made = made_of_word("trace", "loss", loss[0], losses, Loss)
    if not isinstance(made, Loss):
        raise TypeError(f"trace: loss[0] is {describe(made)}, expected a loss or its name")
    return made, loss[1]
