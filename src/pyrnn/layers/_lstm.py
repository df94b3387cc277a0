"""Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000)."""

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from .._base.checks import Array, check_flag, check_number, check_probability
from .._base.module import storable
from ._recurrent import Recurrent


@storable
class LSTM(Recurrent[tuple[Array, Array]]):
    """Long short-term memory.

        i, f, o = sigmoid(W_i* x_t + b_i* + W_h* h_{t-1} + b_h*)   (each with its own rows)
        g       = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)
        c_t     = f * c_{t-1} + i * g
        h_t     = o * tanh(c_t),  or W_hr (o * tanh(c_t)) with proj_size (Sak et al. 2014)

    `y, (h, c) = lstm(x, state=None, lengths=None, mask=None)`; state is the tuple (h0, c0), None
    is zero. c is (L*D, B, H). With proj_size = P, h and y have P for H. All else (layouts, lengths,
    mask, merge, recompute_every, dropout, errors) is as RNN describes it.

    `return_cells=True` gives (y, state, cells): every c_t of the last layer, (T, B, D*H) as y has
    every h_t, the directions side by side whatever `merge`, 0 behind a row's end. `vjp` likewise;
    its pullback takes dcells, the gradient that the cells send back, as a third argument.

    Options, all of which can be combined; zoneout and recurrent_dropout are as RNN describes them:

    - `peephole`: i and f see c_{t-1}, o sees c_t: i = sigmoid(... + p_i * c_{t-1}), f likewise,
      o = sigmoid(... + p_o * c_t); weight_peephole_l0 (3H) in the order i, f, o (Gers et al. 2002,
      Graves 2013).
    - `coupled_gates`: f = 1 - i. Weights and biases have the three gates i, g, o (3H rows),
      peepholes i, o (2H). Greff et al. 2017 (CIFG), ONNX' input_forget.
    - `cell_clip`: c_t is cut off at -cell_clip and cell_clip before o and h_t see it; no gradient
      passes where it was (Sak et al. 2014; that of tf.clip_by_value).
    - `zoneout_cell`: zoneout of c_t, with masks of its own. h_t comes from c_t as it was before, as
      in the paper.
    - `layer_norm` (Ba et al. 2016): W_ih x and W_hh h become LN(.) * weight_ln_ih and
      LN(.) * weight_ln_hh, with the mean and variance over all gates of a row; the biases are
      added behind. h_t = o * tanh(LN(c_t) * weight_ln_c + bias_ln_c), the peephole sees c_t itself.
      Gains (4H), (4H), (H) start at 1, bias_ln_c (H; only with bias) at 0;
      LN(a) = (a - mean) / sqrt(variance + 1e-5).

    Parameters have torch's names and shapes, gates in the order i, f, g, o: weight_ih_l0 (4H, I),
    weight_hh_l0 (4H, H or P), bias_ih_l0 (4H), bias_hh_l0 (4H), weight_hr_l0 (P, H) with a
    projection, then _l1 ..., each followed by its _reverse. As torch.nn.LSTM.
    """

    cell = "lstm"
    gates = 4
    state_names: ClassVar[tuple[str, ...]] = ("h0", "c0")
    forget_gate: ClassVar[int] = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool | None = None,
        dropout: float = 0.0,
        bidirectional: bool = False,
        merge: str = "concat",
        proj_size: int = 0,
        peephole: bool = False,
        coupled_gates: bool = False,
        cell_clip: float | None = None,
        zoneout: float = 0.0,
        zoneout_cell: float = 0.0,
        recurrent_dropout: float = 0.0,
        layer_norm: bool = False,
        recompute_every: int | str | None = None,
        dtype: Any = np.float32,
        seed: int | None = None,
    ) -> None:
        owner = type(self).__name__
        self.peephole = check_flag(owner, "peephole", peephole)
        self.coupled_gates = check_flag(owner, "coupled_gates", coupled_gates)
        self.gates = 3 if self.coupled_gates else 4
        self.cell_clip = None if cell_clip is None else check_number(owner, "cell_clip", cell_clip)
        if self.cell_clip is not None and not 0 < self.cell_clip < math.inf:
            raise ValueError(
                f"{owner}: cell_clip is {self.cell_clip}, expected a finite number > 0, or None"
            )
        self.zoneout_cell = check_probability(owner, "zoneout_cell", zoneout_cell)
        super().__init__(locals())

    def _vectors(self) -> Iterator[tuple[str, int]]:
        if self.peephole:
            yield "weight_peephole", (self.gates - 1) * self.hidden_size
        yield from super()._vectors()
        if self.layer_norm:
            yield "weight_ln_c", self.hidden_size
        if self.layer_norm and self.bias:
            yield "bias_ln_c", self.hidden_size

    def _cell_options(self) -> dict[str, Any]:
        return super()._cell_options() | {
            "peephole": self.peephole,
            "coupled_gates": self.coupled_gates,
            "cell_clip": self.cell_clip or 0.0,
            "zoneout_cell": self.zoneout_cell,
        }
