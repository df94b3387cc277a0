"""Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000)."""

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from ._checks import check_flag, check_number, check_probability
from ._options import Options
from ._recurrent import Recurrent


class LSTM(Recurrent):
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

    Parameters have torch's names and shapes, gates in the order i, f, g, o: weight_ih_l0 (4H, I),
    weight_hh_l0 (4H, H or P), bias_ih_l0 (4H), bias_hh_l0 (4H), weight_hr_l0 (P, H) with a
    projection, then _l1 ..., each followed by its _reverse. As torch.nn.LSTM.
    """

    state_names: ClassVar[tuple[str, ...]] = ("h0", "c0")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
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
        self.cell_clip = None if cell_clip is None else check_number(owner, "cell_clip", cell_clip)
        if self.cell_clip is not None and not 0 < self.cell_clip < math.inf:
            raise ValueError(
                f"{owner}: cell_clip is {self.cell_clip}, expected a finite number > 0, or None"
            )
        self.zoneout_cell = check_probability(owner, "zoneout_cell", zoneout_cell)
        super().__init__(
            "lstm",
            Options(
                input_size=input_size,
                hidden_size=hidden_size,
                num_layers=num_layers,
                bias=bias,
                batch_first=batch_first,
                dropout=dropout,
                bidirectional=bidirectional,
                merge=merge,
                recompute_every=recompute_every,
                zoneout=zoneout,
                recurrent_dropout=recurrent_dropout,
                layer_norm=layer_norm,
                dtype=dtype,
                seed=seed,
                proj_size=proj_size,
            ),
        )

    @property
    def _gates(self) -> int:
        return 3 if self.coupled_gates else 4

    def _vectors(self) -> Iterator[tuple[str, int]]:
        if self.peephole:
            yield "weight_peephole", (self._gates - 1) * self.hidden_size
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
