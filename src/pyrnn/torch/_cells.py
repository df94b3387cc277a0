"""torch.nn.RNNCell, LSTMCell and GRUCell whose step is pyrnn's."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from .. import layers
from ._inputs import check_axes, check_input, check_weights
from ._module import Stack, State


class _Cell(Stack, nn.RNNCellBase):
    """The call of torch's cells: one step."""

    _meaningless = frozenset({"merge", "direction"})  # one step has one direction

    def _name(self, name: str) -> str:
        return name.removesuffix("_l0")

    def _names(self) -> Sequence[str]:
        return self._own_names or [
            "weight_ih",
            "weight_hh",
            *(["bias_ih", "bias_hh"] if self.bias else []),
        ]

    def forward(self, input: Tensor, hx: State = None) -> State:
        """h', or (h', c'), of one step: input (batch, input_size) or (input_size)."""
        found = self._at_once(input, hx)
        if found is not None:
            return found
        owner, weights = type(self).__name__, self._weights()
        weight = check_weights(owner, self._names(), weights)
        x = check_input(owner, input, (1, 2), self.input_size, weight)
        batched = x.dim() == 2
        x = x if batched else x.unsqueeze(0)
        count = x.shape[0]
        state = self._read_state(hx, (count,) if batched else (), count, weight)
        _, new = self._run(x.unsqueeze(0), state, weights, count=count)
        new = [part.squeeze(0) if batched else part[0, 0] for part in new]
        return new[0] if len(new) == 1 else tuple(new)

    def _read_state(self, hx: State, *args: Any) -> list[Tensor | None]:
        """As a layer's, but torch's cells have another exception for the number of axes."""
        for part in hx if isinstance(hx, tuple | list) else [hx]:
            if isinstance(part, Tensor):
                check_axes(type(self).__name__, "hx", part, (1, 2))
        return super()._read_state(hx, *args)


class RNNCell(_Cell, nn.RNNCell, of=layers.RNN):
    """torch.nn.RNNCell, computed by pyrnn: `h = cell(x, h)`.

    Examples
    --------
    >>> import torch
    >>> cell = pyrnn.torch.RNNCell(8, 16)
    >>> h = cell(torch.randn(3, 8))
    """

    def _cell(self) -> str:
        return f"rnn_{self.nonlinearity}"


class LSTMCell(_Cell, nn.LSTMCell, of=layers.LSTM):
    """torch.nn.LSTMCell, computed by pyrnn: `h, c = cell(x, (h, c))`.

    Examples
    --------
    >>> import torch
    >>> cell = pyrnn.torch.LSTMCell(8, 16, layer_norm=True)
    >>> h, c = cell(torch.randn(3, 8))
    """


class GRUCell(_Cell, nn.GRUCell, of=layers.GRU):
    """torch.nn.GRUCell, computed by pyrnn: `h = cell(x, h)`.

    Examples
    --------
    >>> import torch
    >>> cell = pyrnn.torch.GRUCell(8, 16)
    >>> h = cell(torch.randn(3, 8))
    """
