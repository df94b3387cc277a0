"""RNN, LSTM and GRU: their equations, their constructors and the options that only one of them has.

`_options.py` describes and checks the options that all have, and `_recurrent.py` runs the layers.
"""

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from .._base.checks import Array, check_choice, check_flag, check_number, check_probability
from .._base.module import storable
from ._equations import Equation, of_gru, of_lstm, of_rnn
from ._options import ARGUMENTS, Bias
from ._recurrent import Recurrent

NONLINEARITIES = ("tanh", "relu", "sigmoid", "identity")


@storable
class RNN(Recurrent[Array]):
    __doc__ = f"""h_t = f(W_ih x_t + b_ih + W_hh h_{{t-1}} + b_hh) with f = tanh, or `nonlinearity`.

    Elman 1990, as torch.nn.RNN. Parameters have torch's names and shapes: weight_ih_l0 (H, F),
    weight_hh_l0 (H, H), bias_ih_l0 (H), bias_hh_l0 (H).

    {
        ARGUMENTS.format(
            layer="rnn",
            state="h",
            state_shape="(L*D, N, H)",
            single_state="(L*D, H)",
            own='''    nonlinearity : "tanh", "relu", "sigmoid" or "identity"
        f, of each unit's sum a: tanh(a), max(0, a), 1 / (1 + exp(-a)) or a itself, which makes the
        layer linear. torch has the first two; ONNX and Keras have all four.
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
        bias: Bias = True,
        batch_first: bool | None = None,
        dropout: float = 0.0,
        bidirectional: bool = False,
        direction: str = "forward",
        merge: str = "concat",
        zoneout: float = 0.0,
        recurrent_dropout: float = 0.0,
        recompute_every: int | str | None = None,
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
    ) -> None:
        owner = type(self).__name__
        self.nonlinearity = check_choice(owner, "nonlinearity", nonlinearity, NONLINEARITIES)
        self.cell = f"rnn_{nonlinearity}"
        super().__init__(locals())

    def _equations(self) -> list[Equation]:
        return of_rnn(self)


@storable
class LSTM(Recurrent[tuple[Array, Array]]):
    __doc__ = f"""Long short-term memory.

        i, f, o = sigmoid(W_i* x_t + b_i* + W_h* h_{{t-1}} + b_h*)   (each with its own rows)
        g       = tanh(W_ig x_t + b_ig + W_hg h_{{t-1}} + b_hg)
        c_t     = f * c_{{t-1}} + i * g
        h_t     = o * tanh(c_t),  or W_hr (o * tanh(c_t)) with proj_size

    Hochreiter & Schmidhuber 1997, forget gate of Gers et al. 2000; as torch.nn.LSTM. Parameters
    have torch's names and shapes, gates in the order i, f, g, o: weight_ih_l0 (4H, F),
    weight_hh_l0 (4H, H or P), bias_ih_l0 (4H), bias_hh_l0 (4H), and weight_hr_l0 (P, H) with a
    projection.

    {
        ARGUMENTS.format(
            layer="lstm",
            state="(h, c)",
            state_shape="two arrays (L*D, N, H)",
            single_state="(L*D, H)",
            own='''    proj_size : int
        P: h and y have P features for H, c keeps H; 0 is no projection (Sak et al. 2014).
    peephole : bool
        i and f see c_{t-1}, o sees c_t: i = sigmoid(... + p_i * c_{t-1}), f likewise,
        o = sigmoid(... + p_o * c_t); weight_peephole_l0 (3H) in the order i, f, o (Gers et al.
        2002, Graves 2013).
    coupled_gates : bool
        f = 1 - i. Weights and biases have the three gates i, g, o (3H rows), peepholes i, o (2H);
        CIFG of Greff et al. 2017, ONNX' input_forget.
    cell_clip : float or None
        c_t is clipped to -cell_clip..cell_clip before o and h_t see it; no gradient passes where
        it was (Sak et al. 2014; that of tf.clip_by_value).
    zoneout_cell : float
        zoneout of c_t, with masks of its own. h_t comes from c_t as it was before, as in the paper.
    layer_norm : bool
        W_ih x and W_hh h become LN(.) * weight_ln_ih and LN(.) * weight_ln_hh, with the mean and
        variance over all gates of a row; the biases are added after that.
        h_t = o * tanh(LN(c_t) * weight_ln_c + bias_ln_c); the peephole sees c_t itself. The gains
        (4H), (4H), (H) start at 1, bias_ln_c (H; only with bias) at 0;
        LN(a) = (a - mean) / sqrt(variance + 1e-5) (Ba et al. 2016).
''',
        )
    }

    `return_cells=True` in a call or a vjp gives (y, (h, c), cells): every c_t of the last layer,
    (N, T, D*H), the directions side by side whatever `merge`, 0 after a row's end. The pullback
    then takes their gradient as a third argument, dcells.

    Examples
    --------
    >>> lstm = pyrnn.LSTM(3, 8, num_layers=2, bidirectional=True, seed=0)
    >>> x = np.ones((2, 5, 3), np.float32)  # two sequences of five steps
    >>> (y, (h, c)), pullback = lstm.vjp(x, lengths=[5, 3])
    >>> y.shape, h.shape, c.shape
    ((2, 5, 16), (4, 2, 8), (4, 2, 8))
    >>> dx, (dh0, dc0) = pullback(np.ones_like(y))  # adds into every parameter's .grad
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
        bias: Bias = True,
        batch_first: bool | None = None,
        dropout: float = 0.0,
        bidirectional: bool = False,
        direction: str = "forward",
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
        dtype: DTypeLike = np.float32,
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

    def _cell_options(self) -> dict[str, Any]:
        return super()._cell_options() | {
            "peephole": self.peephole,
            "coupled_gates": self.coupled_gates,
            "cell_clip": self.cell_clip or 0.0,
            "zoneout_cell": self.zoneout_cell,
        }

    def _equations(self) -> list[Equation]:
        return of_lstm(self)


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
        bias: Bias = True,
        batch_first: bool | None = None,
        dropout: float = 0.0,
        bidirectional: bool = False,
        direction: str = "forward",
        merge: str = "concat",
        reset_after: bool = True,
        zoneout: float = 0.0,
        recurrent_dropout: float = 0.0,
        layer_norm: bool = False,
        recompute_every: int | str | None = None,
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
    ) -> None:
        owner = type(self).__name__
        self.reset_after = check_flag(owner, "reset_after", reset_after)
        if check_flag(owner, "layer_norm", layer_norm) and not reset_after:
            raise ValueError(
                f"{owner}: layer_norm is True, expected False with reset_after=False: "
                "only the form with reset_after=True is normalised"
            )
        if reset_after and isinstance(bias, str) and bias == "single":
            raise ValueError(
                f"{owner}: bias is 'single', expected True or False with reset_after=True: "
                "b_hn is inside r * (...), so that it cannot be added to b_in"
            )
        self.cell = "gru" if reset_after else "gru_reset_before"
        super().__init__(locals())

    def _equations(self) -> list[Equation]:
        return of_gru(self)
