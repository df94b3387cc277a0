"""The plain recurrent network (Elman 1990)."""

from typing import Any

import numpy as np

from .._base.checks import Array, check_choice
from .._base.module import storable
from ._recurrent import Recurrent

NONLINEARITIES = ("tanh", "relu")


@storable
class RNN(Recurrent[Array]):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), or max(0, .) with nonlinearity="relu".

    `y, h = rnn(x, h0=None, lengths=None, mask=None)`. With T time steps, B rows, I = input_size,
    H = hidden_size, L = num_layers, D = 2 if bidirectional else 1:

    - x (T, B, I), (B, T, I) with batch_first, or (T, I) for one sequence; y (T, B, D*H) likewise,
      the last layer's h of every step, forward direction first. h (L*D, B, H), or (L*D, H) for
      one sequence: layer by layer, forward before reverse; h0 = None is zero.
    - `lengths`, integers (B,) in 0..T: a row is as good as cut off there. Its y is 0 from there
      on, its h that of its last step (h0 for length 0), and the reverse direction starts there.
    - `mask`, bool as x without its last axis: the real steps, in any pattern; the row is computed
      as if it had no others.

    - `merge` makes one output of both directions' h and h', in every layer: "concat" (h, h'), "sum"
      h + h', "mul" h * h', "average" (h + h') / 2. For all but concat, y and the input of the next
      layer have H features; states are never merged. As Keras' merge_mode, a Bidirectional around
      each layer.
    - `recompute_every`, a number of steps k or "sqrt" (the root of T): `vjp` keeps the states
      after every k steps, rounded up to whole chunks of the weight gradients' sums (16 to 512
      steps), and the pullback computes the segments between them again, the last first: the same
      bits from O(T/k + k) states and activations, for about 1.4 times the time. With two
      directions, what goes from layer to layer is kept whole, and two layers' gradients of it in
      the pullback: T B D*H elements each (T B H if merged); merge="mul" keeps both h of each layer.

    - `zoneout` (Krueger et al. 2016): in `vjp`, each unit of h_t keeps the value of h_{t-1} with
      this probability, drawn anew at each step; inference takes the mean,
      (1 - zoneout) * h_t + zoneout * h_{t-1}. y has what was kept.
    - `recurrent_dropout` (Gal & Ghahramani 2016): in `vjp`, W_hh sees h_{t-1} with units dropped
      with this probability, the others divided by 1 minus it. One mask for a row's whole sequence
      and for all gates, where Keras draws one per gate; what passes W_hh by (y, z * h_{t-1} of a
      GRU) is left alone.

    Between layers, `vjp` drops with probability `dropout`. Parameters have torch's names and
    shapes, weight_ih_l0 (H, I), weight_hh_l0 (H, H), bias_ih_l0 (H), bias_hh_l0 (H), then _l1 ...,
    each followed by its _reverse; they start in U(-1/sqrt(H), 1/sqrt(H)) by `seed`. x, states
    and gradients have the layer's `dtype`. TypeError or ValueError names what does not fit.
    As torch.nn.RNN.
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
        dtype: Any = np.float32,
        seed: int | None = None,
    ) -> None:
        self.nonlinearity = check_choice("RNN", "nonlinearity", nonlinearity, NONLINEARITIES)
        self.cell = f"rnn_{nonlinearity}"
        super().__init__(locals())
