"""torch.nn.RNN, LSTM and GRU whose forward and backward passes are pyrnn's."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from .. import layers
from .._base.inputs import check_reset_to
from ._inputs import as_lengths, as_resets, check_input, check_no, check_weights
from ._module import Stack, State


class _Layer(Stack, nn.RNNBase):
    """The call of torch's layers."""

    def _names(self) -> Sequence[str]:
        names: list[str] = self._flat_weights_names
        return names

    def _make_weights(self) -> None:
        super()._make_weights()
        names = list(self._own_names)
        each = len(names) // self._states
        self._flat_weights_names = names
        self._all_weights = [names[i : i + each] for i in range(0, len(names), each)]
        self._init_flat_weights()

    def forward(
        self,
        input: Any,
        hx: State = None,
        *,
        lengths: Any = None,
        resets: Any = None,
        reset_to: str = "zero",
    ) -> Any:
        """(output, state), as torch's.

        `lengths` (batch,) are those of the rows of a padded input. `resets`, bool, in the layout of
        the input without its last axis: before such a step the row's state becomes zero, or with
        reset_to="state" that of hx, and no gradient passes back; as in pyrnn's own layers.
        """
        if lengths is None and resets is None and reset_to == "zero":
            found = self._at_once(input, hx)
            if found is not None:
                return found
        owner, weights = type(self).__name__, self._weights()
        weight = check_weights(owner, self._names(), weights)
        check_reset_to(owner, reset_to, resets)
        if isinstance(input, PackedSequence):
            check_no(owner, "a PackedSequence", lengths=lengths, resets=resets)
            return self._forward_packed(input, hx, weights)
        x = check_input(owner, input, (2, 3), self.input_size, weight)
        batched = x.dim() == 3
        resets = as_resets(owner, resets, x.shape[:-1], batched and self.batch_first)
        if not batched:
            x = x.unsqueeze(1)
        elif self.batch_first:
            x = x.transpose(0, 1)
        count, states = x.shape[1], self._states
        state = self._read_state(hx, (states, count) if batched else (states,), count, weight)
        rows = {"count": count, "lengths": as_lengths(owner, lengths, count)}
        y, new = self._run(x, state, weights, **rows, resets=resets, reset_to=reset_to)
        if not batched:
            return y.squeeze(1), _as_state([part.squeeze(1) for part in new])
        return y.transpose(0, 1) if self.batch_first else y, _as_state(new)

    def _forward_packed(
        self, packed: PackedSequence, hx: State, weights: list[Tensor]
    ) -> tuple[PackedSequence, State]:
        owner, weight = type(self).__name__, weights[0]
        data, batch_sizes, order, original = packed
        x = check_input(owner, data, (2,), self.input_size, weight)
        count = int(batch_sizes[0])
        state = _select(self._read_state(hx, (self._states, count), count, weight), order)
        y, new = self._run(x, state, weights, count=count, batch_sizes=batch_sizes)
        return PackedSequence(y, batch_sizes, order, original), _as_state(_select(new, original))


def _select(state: list[Any], rows: Tensor | None) -> list[Any]:
    """A state's rows in another order."""
    return [p if p is None or rows is None else p.index_select(1, rows) for p in state]


def _as_state(parts: list[Tensor]) -> State:
    """A state as the user sees it: h, or (h, c)."""
    return parts[0] if len(parts) == 1 else tuple(parts)


class RNN(_Layer, nn.RNN, of=layers.RNN):
    """torch.nn.RNN, computed by pyrnn.

    Arguments, parameters, state_dict, inputs and outputs are torch's, and the options of pyrnn.RNN
    that torch does not have are further keywords: merge, direction, zoneout, recurrent_dropout,
    bias="single". Weights and inputs are float32 or float64 on the CPU; under torch.autocast
    inputs are converted to the weights' dtype, in which all is computed.

    Examples
    --------
    >>> import torch
    >>> rnn = pyrnn.torch.RNN(8, 16, num_layers=2)
    >>> y, h = rnn(torch.randn(5, 3, 8))
    >>> y.shape, h.shape
    (torch.Size([5, 3, 16]), torch.Size([2, 3, 16]))
    """

    def _cell(self) -> str:
        return f"rnn_{self.nonlinearity}"


class LSTM(_Layer, nn.LSTM, of=layers.LSTM):
    """torch.nn.LSTM, computed by pyrnn.

    Arguments, parameters, state_dict, inputs and outputs are torch's, and the options of pyrnn.LSTM
    that torch does not have are further keywords: layer_norm, peephole, zoneout and others. As RNN
    otherwise.

    Examples
    --------
    >>> import torch
    >>> lstm = pyrnn.torch.LSTM(8, 16, batch_first=True, layer_norm=True)
    >>> y, (h, c) = lstm(torch.randn(3, 5, 8))
    >>> y.sum().backward()
    """


class GRU(_Layer, nn.GRU, of=layers.GRU):
    """torch.nn.GRU, computed by pyrnn.

    Arguments, parameters, state_dict, inputs and outputs are torch's, and the options of pyrnn.GRU
    that torch does not have are further keywords: reset_after, layer_norm, zoneout and others. As
    RNN otherwise.

    Examples
    --------
    >>> import torch
    >>> gru = pyrnn.torch.GRU(8, 16)
    >>> gru.load_state_dict(torch.nn.GRU(8, 16).state_dict())
    <All keys matched successfully>
    """
