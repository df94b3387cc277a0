"""Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000)."""

from typing import Any, ClassVar

import numpy as np

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
        recompute_every: int | str | None = None,
        dtype: Any = np.float32,
        seed: int | None = None,
    ) -> None:
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
                dtype=dtype,
                seed=seed,
                proj_size=proj_size,
            ),
        )
