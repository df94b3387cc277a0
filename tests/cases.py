"""Settings of a recurrent layer, with random numbers for each and both ways to compute it.

A Case names the options; `Case.problem()` builds the layer and its inputs. `Problem.inference()`
and `Problem.training()` ask pyrnn, `Problem.expected()` asks the float64 twin; all of them answer
in dictionaries of arrays with the same names, sequences time first.
"""

import itertools
import platform
from dataclasses import dataclass, field

import numpy as np

import pyrnn
import reference
from compare import assert_close
from draws import draw_lengths, state_masks

LAYERS = {
    "rnn_tanh": (pyrnn.RNN, {"nonlinearity": "tanh"}),
    "rnn_relu": (pyrnn.RNN, {"nonlinearity": "relu"}),
    "lstm": (pyrnn.LSTM, {}),
    "gru": (pyrnn.GRU, {"reset_after": True}),
    "gru_reset_before": (pyrnn.GRU, {"reset_after": False}),
}
CELLS = tuple(LAYERS)
HEADS = ("y", "hn", "cn", "cells")
X86_ISAS = ("avx512", "avx2", "baseline")
ISAS = X86_ISAS if platform.machine() == "x86_64" else tuple(pyrnn.available_isas())


@dataclass(frozen=True)
class Case:
    """The options of one layer and the shape of its input."""

    cell: str
    input_size: int = 5
    hidden_size: int = 6
    num_layers: int = 1
    bidirectional: bool = False
    direction: str = "forward"
    bias: bool = True
    proj_size: int = 0
    batch_first: bool = False
    dropout: float = 0.0
    merge: str = "concat"
    cells: bool = False  # every c is asked for
    recompute_every: int | str | None = None
    options: tuple[tuple[str, float], ...] = ()  # of the cell: keywords and values
    dtype: str = "float64"
    T: int = 5
    B: int = 4
    lengths: str = "none"  # "none", "ragged" (1..T), "zeros" (0..T, one of each), "full" (all T)
    state: bool = True
    seed: int = 0

    def __str__(self):
        """Only what differs from the defaults: the id of a parametrised test."""
        default = Case(self.cell)
        changed = {k: v for k, v in vars(self).items() if v != getattr(default, k)}
        return "-".join([self.cell, *(f"{k}={v}" for k, v in changed.items() if k != "cell")])

    @property
    def directions(self):
        return 1 + self.bidirectional

    @property
    def output_size(self):
        """Width of h in one direction."""
        return self.proj_size or self.hidden_size

    @property
    def features(self):
        """Width of y."""
        return self.output_size * (self.directions if self.merge == "concat" else 1)

    @property
    def terms(self):
        """How many products one output can depend on, the length that tolerances follow."""
        width = max(self.input_size, self.directions * self.output_size) + self.hidden_size + 1
        return max(1, self.T) * width * self.num_layers

    @property
    def gradient_terms(self):
        """A weight's gradient sums over all rows what outputs already summed."""
        return self.terms * max(1, self.B)

    def layer(self):
        """A layer whose weights and biases are uniform in +-1/sqrt(hidden_size)."""
        cls, options = LAYERS[self.cell]
        if self.proj_size:
            options = {**options, "proj_size": self.proj_size}
        layer = cls(
            self.input_size,
            self.hidden_size,
            num_layers=self.num_layers,
            bidirectional=self.bidirectional,
            direction=self.direction,
            bias=self.bias,
            batch_first=self.batch_first,
            dropout=self.dropout,
            merge=self.merge,
            recompute_every=self.recompute_every,
            dtype=np.dtype(self.dtype),
            seed=self.seed,
            **options,
            **dict(self.options),
        )
        rng = np.random.default_rng([self.seed, 1])
        bound = 1 / np.sqrt(self.hidden_size)
        for p in layer.parameters():
            p[...] = rng.uniform(-bound, bound, p.shape).astype(self.dtype)
        return layer

    def any_problem(self):
        """The layer with random inputs, for tests that compare pyrnn with itself."""
        return Problem(self)

    def problem(self):
        """The same, for tests against the twin: relu and cell_clip keep off their kinks."""
        for draw in itertools.count():
            problem = Problem(self, draw)
            kinks = self.cell == "rnn_relu" or dict(self.options).get("cell_clip")
            if not kinks or problem.kink_distance > 50 * np.finfo(self.dtype).eps:
                return problem


@dataclass
class Problem:
    """A layer with x, initial states, lengths, and gradients to send back; sequences time first."""

    case: Case
    draw: int = 0
    layer: pyrnn.Module = field(init=False)

    def __post_init__(self):
        case = self.case
        rng = np.random.default_rng([case.seed, 2, self.draw])
        rows = case.num_layers * case.directions

        def normal(*shape):
            return rng.standard_normal(shape).astype(case.dtype)

        self.layer = case.layer()
        self.x = normal(case.T, case.B, case.input_size)
        self.h0 = normal(rows, case.B, case.output_size) if case.state else None
        self.c0 = normal(rows, case.B, case.hidden_size) if case.state and self.has_c else None
        self.d_y = normal(case.T, case.B, case.features)
        self.d_hn = normal(rows, case.B, case.output_size)
        self.d_cn = normal(rows, case.B, case.hidden_size) if self.has_c else None
        self.lengths = draw_lengths(case.lengths, case.T, case.B, rng)
        width = case.directions * case.hidden_size
        self.d_cells = normal(case.T, case.B, width) if case.cells else None
        self.options = {"return_cells": True} if case.cells else {}

    @property
    def has_c(self):
        return self.case.cell == "lstm"

    @property
    def state(self):
        """The initial state as the layer takes it."""
        return self.pack_state(self.h0, self.c0) if self.case.state else None

    def pack_state(self, h, c):
        return (h, c) if self.has_c else h

    def unpack_state(self, state):
        return state if self.has_c else (state, None)

    def to_layout(self, sequence):
        """Between time first and the layer's layout, either way."""
        return sequence.swapaxes(0, 1) if self.case.batch_first else sequence

    @property
    def twin(self):
        c = self.case
        weights = [p.data for p in self.layer.parameters()]
        options = c.num_layers, c.bidirectional, c.bias, c.proj_size, c.merge
        return reference.Stack(c.cell, weights, *options, dict(c.options), c.direction)

    def twin_forward(self, draw=None):
        """Inference, or training with the masks of that draw."""
        seed = self.layer.extra_state()["dropout_seed"]
        masks = None if draw is None else state_masks(self.case, seed, draw)
        return self.twin.forward(self.x, self.h0, self.c0, self.lengths, state_masks=masks)

    @property
    def kink_distance(self):
        """The smaller one of inference and of training with the first draw."""
        return min(reference.kink_distance(self.twin_forward(draw)[3]) for draw in (None, 0))

    def outputs(self, y, h, c, cells=None):
        all_c = {} if cells is None else {"cells": cells}
        return {"y": y, "hn": h} | ({"cn": c} if self.has_c else {}) | all_c

    def returned(self, y, state, cells=None):
        """The same from what the layer returns."""
        cells = None if cells is None else self.to_layout(cells)
        return self.outputs(self.to_layout(y), *self.unpack_state(state), cells)

    def expected(self, heads=HEADS, draw=0):
        """The twin's outputs, and its gradients when only `heads` send any back."""
        y, h, c, tape = self.twin_forward(draw)
        d_y = self.d_y if "y" in heads else np.zeros_like(self.d_y)
        d_hn, d_cn = (g if n in heads else None for n, g in (("hn", self.d_hn), ("cn", self.d_cn)))
        d_cells = self.d_cells if "cells" in heads else None
        d_x, d_h0, d_c0, grads = self.twin.backward(tape, d_y, d_hn, d_cn, d_cells)
        named = dict(zip((n for n, _ in self.layer.named_parameters()), grads, strict=True))
        inputs = {"d_x": d_x, "d_h0": d_h0} | ({"d_c0": d_c0} if self.has_c else {})
        return self.outputs(y, h, c, tape.cells if self.case.cells else None), inputs | named

    def inference(self):
        """What the layer's call returns."""
        given = self.to_layout(self.x), self.state, self.lengths
        return self.returned(*self.layer(*given, **self.options))

    def training(self, heads=HEADS, draw=0):
        """What vjp and its pullback return; gradients start from zero."""
        self.layer.zero_grad()
        x = self.to_layout(self.x)
        outputs, pullback = self.layer.vjp(x, self.state, self.lengths, rng=draw, **self.options)
        d_y = self.to_layout(self.d_y) if "y" in heads else None
        d_hn, d_cn = (g if n in heads else None for n, g in (("hn", self.d_hn), ("cn", self.d_cn)))
        if d_hn is None and d_cn is None:
            d_state = None
        else:  # a state is given whole: what has no gradient is zero
            zero = np.zeros_like
            d_hn = zero(self.d_hn) if d_hn is None else d_hn
            d_cn = zero(self.d_cn) if d_cn is None and self.has_c else d_cn
            d_state = self.pack_state(d_hn, d_cn)
        d_cells = self.to_layout(self.d_cells) if self.case.cells and "cells" in heads else None
        d_x, d_initial = pullback(d_y, d_state, d_cells)
        d_h0, d_c0 = self.unpack_state(d_initial)
        inputs = {"d_x": self.to_layout(d_x), "d_h0": d_h0} | ({"d_c0": d_c0} if self.has_c else {})
        named = {name: p.grad.copy() for name, p in self.layer.named_parameters()}
        return self.returned(*outputs), inputs | named


def check_against_twin(case):
    """Inference, the training forward pass and all gradients of one case."""
    problem = case.problem()
    assert_close(problem.inference(), problem.expected(draw=None)[0], case.dtype, case.terms)
    outputs, gradients = problem.expected()
    trained, actual = problem.training()
    assert_close(trained, outputs, case.dtype, case.terms)
    assert_close(actual, gradients, case.dtype, case.gradient_terms, backward=True)
