"""The plain recurrent network (Elman 1990)."""

import numpy as np
from numpy.typing import DTypeLike

from .._base.checks import Array, check_choice
from .._base.module import storable
from ._options import ARGUMENTS
from ._recurrent import Recurrent

NONLINEARITIES = ("tanh", "relu")


@storable
class RNN(Recurrent[Array]):
    __doc__ = f"""h_t = tanh(W_ih x_t + b_ih + W_hh h_{{t-1}} + b_hh), or max(0, .) with "relu".

    Elman 1990, as torch.nn.RNN. Parameters have torch's names and shapes: weight_ih_l0 (H, F),
    weight_hh_l0 (H, H), bias_ih_l0 (H), bias_hh_l0 (H).

    {
        ARGUMENTS.format(
            layer="rnn",
            state="h",
            state_shape="(L*D, N, H)",
            single_state="(L*D, H)",
            own='''    nonlinearity : "tanh" or "relu"
        The function of the sum.
''',
        )
    }

    Examples
    --------
    >>> rnn = pyrnn.RNN(3, 8, seed=0)
    >>> x = np.ones((2, 5, 3), np.float32)  # two sequences of five steps
    >>> y, h = rnn(x, lengths=[5, 3])
    >>> y.shape, h.shape, bool((y[1, 3:] == 0).all())
    ((2, 5, 8), (1, 2, 8), True)
    """

    cell = "rnn_tanh"
    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool | None = None,
        dropout: float = 0.0,
        bidirectional: bool = False,
        merge: str = "concat",
        zoneout: float = 0.0,
        recurrent_dropout: float = 0.0,
        recompute_every: int | str | None = None,
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
    ) -> None:
        self.nonlinearity = check_choice("RNN", "nonlinearity", nonlinearity, NONLINEARITIES)
        self.cell = f"rnn_{nonlinearity}"
        super().__init__(locals())
