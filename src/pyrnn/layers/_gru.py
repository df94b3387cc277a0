"""The gated recurrent unit (Cho et al. 2014)."""

import numpy as np
from numpy.typing import DTypeLike

from .._base.checks import Array, check_flag
from .._base.module import storable
from ._options import ARGUMENTS
from ._recurrent import Recurrent


@storable
class GRU(Recurrent[Array]):
    __doc__ = f"""Gated recurrent unit.

        r, z = sigmoid(W_i* x_t + b_i* + W_h* h_{{t-1}} + b_h*)   (each with its own rows)
        n    = tanh(W_in x_t + b_in + r * (W_hn h_{{t-1}} + b_hn))      reset_after=True
        n    = tanh(W_in x_t + b_in + W_hn (r * h_{{t-1}}) + b_hn)      reset_after=False
        h_t  = (1 - z) * n + z * h_{{t-1}}

    Cho et al. 2014, as torch.nn.GRU. Parameters have torch's names and shapes, gates in the order
    r, z, n: weight_ih_l0 (3H, F), weight_hh_l0 (3H, H), bias_ih_l0 (3H), bias_hh_l0 (3H).

    {
        ARGUMENTS.format(
            layer="gru",
            state="h",
            state_shape="(L*D, N, H)",
            single_state="(L*D, H)",
            own='''    reset_after : bool
        True is the form of torch.nn.GRU and cuDNN; False that of the paper, of Keras' option of
        that name, and of ONNX' linear_before_reset=0.
    layer_norm : bool
        With reset_after=True alone: W_ih x and W_hh h become LN(.) * weight_ln_ih and
        LN(.) * weight_ln_hh (3H each, from 1), and the biases are added after that; mean and
        variance are over the three gates of a row, LN(a) = (a - mean) / sqrt(variance + 1e-5).
        Ba et al. 2016 normalise the candidate's part by itself.
''',
        )
    }

    Examples
    --------
    >>> gru = pyrnn.GRU(3, 8, seed=0)
    >>> x = np.ones((2, 5, 3), np.float32)  # two sequences of five steps
    >>> y, h = gru(x)
    >>> y.shape, h.shape, np.array_equal(y[:, -1], h[0])
    ((2, 5, 8), (1, 2, 8), True)
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
        dtype: DTypeLike = np.float32,
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
