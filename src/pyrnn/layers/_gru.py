"""The gated recurrent unit (Cho et al. 2014)."""

from typing import Any

import numpy as np

from .._base.checks import Array, check_flag
from .._base.module import storable
from ._recurrent import Recurrent


@storable
class GRU(Recurrent[Array]):
    """Gated recurrent unit.

        r, z = sigmoid(W_i* x_t + b_i* + W_h* h_{t-1} + b_h*)   (each with its own rows)
        n    = tanh(W_in x_t + b_in + r * (W_hn h_{t-1} + b_hn))      reset_after=True
        n    = tanh(W_in x_t + b_in + W_hn (r * h_{t-1}) + b_hn)      reset_after=False
        h_t  = (1 - z) * n + z * h_{t-1}

    reset_after=True is the form of torch.nn.GRU and cuDNN; False is that of the paper, of Keras'
    option of that name, and of ONNX' linear_before_reset=0.

    `layer_norm`, for reset_after=True alone, makes of W_ih x and W_hh h LN(.) * weight_ln_ih and
    LN(.) * weight_ln_hh (3H each, from 1), and adds the biases behind; mean and variance are over
    the three gates of a row, LN(a) = (a - mean) / sqrt(variance + 1e-5). Ba et al. 2016, who
    normalise the candidate's part by itself.

    `y, h = gru(x, h0=None, lengths=None, mask=None)`: shapes and all else as RNN describes it.
    Parameters have torch's names and shapes, gates in the order r, z, n: weight_ih_l0 (3H, I),
    weight_hh_l0 (3H, H), bias_ih_l0 (3H), bias_hh_l0 (3H), then _l1 ..., each followed by its
    _reverse.
    """

    cell = "gru"
    gates = 3

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
        reset_after: bool = True,
        zoneout: float = 0.0,
        recurrent_dropout: float = 0.0,
        layer_norm: bool = False,
        recompute_every: int | str | None = None,
        dtype: Any = np.float32,
        seed: int | None = None,
    ) -> None:
        self.reset_after = check_flag("GRU", "reset_after", reset_after)
        if check_flag("GRU", "layer_norm", layer_norm) and not reset_after:
            raise ValueError(
                "GRU: layer_norm is True, expected False with reset_after=False: "
                "only the form with reset_after=True is normalised"
            )
        self.cell = "gru" if reset_after else "gru_reset_before"
        super().__init__(locals())
