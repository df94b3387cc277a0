"""Writing a model as a graph of ONNX."""

import os
from functools import singledispatch
from typing import Any

import numpy as np
import onnx

from .._base.atomic_write import atomic_write, check_target
from .._base.checks import check_flag, check_path, check_size, describe
from .._base.module import Module
from .._base.names import in_messages
from .._base.prediction import reader_of_x
from ._parts import append
from ._sequences import Sequences
from ._writer import Signal

OPSET = 22
OPSETS = (17, 24)  # LayerNormalization is of 17; the last that was tried


def export(
    model: Module,
    path: Any,
    *,
    opset: int | None = None,
    state: bool = False,
    lengths: bool = False,
) -> None:
    """Writes a model's inference as a file of ONNX, with weights, for any batch and sequence.

    The graph has the input `x`, in the model's layout: (N, T, F), or (N, T) of ids, int64; and the
    output `y`, as a call gives it. N and T are free, from 1 on. The operators are ONNX' own:
    RNN, LSTM, GRU and what is around them.

    Parameters
    ----------
    model : Module
        RNN, LSTM and GRU; Embedding, Linear, LayerNorm, LastStep, pools, activations, Dropout
        (which drops nothing in inference); Sequential, Residual, Add, Concat of these, and
        TimeDistributed around what knows of no time. The `encoder` of a Seq2Seq, whose y is the
        memory; and a Seq2Seq, of which this is one step of the decoder: x are ids (N,), y logits
        (N, V), `memory` a further input if it attends, and `lengths` are those of the memory.
    path : path of a file
        It ends in ".onnx". Written as a whole or not at all.
    opset : int or None
        The operator set, 17 to 24; None is 22.
    state : bool
        Adds the states of every recurrent layer: inputs "h0" and, for an LSTM, "c0", and outputs
        "hn" and "cn", with the name of the layer and a dot in front if it is a part: "rnn.h0".
        (num_layers * num_directions, N, H) as in a call.
    lengths : bool
        Adds the input `lengths`, int64 (N,): the number of each row's steps. y is then what
        `model(x, lengths=lengths)` gives.

    TypeError for a part that has no place in a graph, such as a class of your own; ValueError for
    an option that ONNX lacks, as proj_size, cell_clip, layer_norm and zoneout of recurrent layers:
    both name the part. OSError with the path if it cannot be written. Nothing is written then.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "model.onnx")
    >>> model = pyrnn.Sequential(pyrnn.GRU(3, 8, seed=0), pyrnn.LastStep(), pyrnn.Linear(8, 2))
    >>> pyrnn.onnx.export(model, path)
    >>> pyrnn.onnx.recurrent_layers(path)
    {'0/GRU': GRU(input_size=3, hidden_size=8, batch_first=False)}
    """
    if not isinstance(model, Module):
        raise TypeError(f"export: model is {describe(model)}, expected a pyrnn.Module")
    for name, part in model.named_modules():
        if not part._is_own:
            came = in_messages(name, type(part))
            raise TypeError(f"export: {came} is of a class of your own, expected pyrnn's parts")
    path = check_path("export", path)
    if os.path.splitext(path)[1].lower() != ".onnx":
        raise ValueError(f"export: path is {describe(path)}, expected one that ends in '.onnx'")
    flags = {"state": state, "lengths": lengths}
    flags = {name: check_flag("export", name, flag) for name, flag in flags.items()}
    made = model_of(model, opset, **flags)
    check_target(path)
    atomic_write(path, made.SerializeToString())


@singledispatch
def model_of(model: Module, opset: int | None, *, state: bool, lengths: bool) -> onnx.ModelProto:
    """What export writes of a model."""
    opset = OPSET if opset is None else opset
    graph = Sequences(
        check_size("export", "opset", opset, minimum=OPSETS[0], maximum=OPSETS[1]),
        model.input_dtype or np.dtype(np.float32),
        batch_first=bool(model.batch_first),
        state=state,
        lengths=lengths,
    )
    write(model, graph)
    return graph.model(type(model).__name__)


@singledispatch
def write(model: Module, graph: Sequences) -> None:
    """Inputs, nodes and outputs of a model: those of one that takes a batch of sequences."""
    owner = type(model).__name__
    if graph.has_states and not model.num_states:
        raise ValueError(f"export: state is True, expected False: {owner} has no recurrent layer")
    if graph.has_lengths and not (model.stateful or model.time_aware):
        raise ValueError(f"export: lengths is True, expected False: {owner} takes none")
    graph.give_y(append(model, graph, _take_x(model, graph)))


def _take_x(model: Module, graph: Sequences) -> Signal:
    """The input x; ValueError if no part says what it is."""
    _, reader = reader_of_x(model)
    if reader is None:
        raise ValueError(
            f"export: {type(model).__name__} does not say how many features x has, expected a "
            "recurrent layer, Linear, LayerNorm or Embedding in front"
        )
    return graph.take_ids("x") if reader.takes_ids else graph.take_floats("x", reader._widths[-1])
