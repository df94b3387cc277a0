"""What each part of a model is in a graph of ONNX: one function for each kind of part."""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from .._base.module import Module
from .._base.prediction import works_along_time
from ..layers import (
    Add,
    Concat,
    Dropout,
    Embedding,
    Identity,
    LastStep,
    LayerNorm,
    Linear,
    MaxPool,
    MeanPool,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    SumPool,
    Tanh,
    TimeDistributed,
)
from ..layers._recurrent import Recurrent
from ._sequences import Sequences
from ._stack import run_stack
from ._writer import Signal


def append(module: Module, graph: Sequences, x: Signal) -> Signal:
    """Adds a part to a graph: y of x. TypeError or ValueError for what ONNX does not have."""
    if not (module.takes_ids or module.made_of_parts):
        _check_floats(module, graph, x)
    return _append(module, graph, x)


@singledispatch
def _append(module: Module, graph: Sequences, x: Signal) -> Signal:
    raise TypeError(f"{graph.where(type(module))} has no place in a graph of ONNX")


@_append.register
def _(module: Sequential, graph: Sequences, x: Signal) -> Signal:
    for name, part in module.named_parts():
        with graph.inside(name):
            x = append(part, graph, x)
    return x


@_append.register
def _(module: Concat, graph: Sequences, x: Signal) -> Signal:
    ys = _branches(module, graph, x)
    joined = graph.add("Concat", *(y.name for y in ys), axis=-1)
    return Signal(joined, sum(y.features for y in ys), ys[0].has_steps)


@_append.register
def _(module: Add, graph: Sequences, x: Signal) -> Signal:
    return _summed(module, graph, _branches(module, graph, x))


@_append.register
def _(module: Residual, graph: Sequences, x: Signal) -> Signal:
    _check_floats(module, graph, x)
    return _summed(module, graph, [x, *_branches(module, graph, x)])


@_append.register
def _(module: TimeDistributed, graph: Sequences, x: Signal) -> Signal:
    ((name, part),) = module.named_parts()
    if works_along_time(part):
        raise ValueError(
            f"{graph.where(type(module))} holds a {type(part).__name__} that works along an axis "
            "of each step, expected one that knows of no time"
        )
    with graph.inside(name):
        return append(part, graph, x)


@_append.register
def _(module: Identity, graph: Sequences, x: Signal) -> Signal:
    return x


@_append.register
def _(module: Dropout, graph: Sequences, x: Signal) -> Signal:
    return x


@_append.register
def _(module: Tanh, graph: Sequences, x: Signal) -> Signal:
    return x._replace(name=graph.add("Tanh", x.name))


@_append.register
def _(module: ReLU, graph: Sequences, x: Signal) -> Signal:
    return x._replace(name=graph.add("Relu", x.name))


@_append.register
def _(module: Sigmoid, graph: Sequences, x: Signal) -> Signal:
    return x._replace(name=graph.add("Sigmoid", x.name))


@_append.register
def _(module: Softmax, graph: Sequences, x: Signal) -> Signal:
    return x._replace(name=graph.add("Softmax", x.name, axis=-1))


@_append.register
def _(module: Embedding, graph: Sequences, x: Signal) -> Signal:
    weight = graph.stored("weight", module.weight, module.weight.data)
    return Signal(graph.add("Gather", weight, x.name), module.embedding_dim, x.has_steps)


@_append.register
def _(module: Linear, graph: Sequences, x: Signal) -> Signal:
    graph.check_features(x, module.in_features, type(module))
    y = graph.add("MatMul", x.name, graph.stored("weight_t", module.weight, module.weight.data.T))
    if module.bias is not None:
        y = graph.add("Add", y, graph.stored("bias", module.bias, module.bias.data))
    return x._replace(name=y, features=module.out_features)


@_append.register
def _(module: LayerNorm, graph: Sequences, x: Signal) -> Signal:
    if len(module.normalized_shape) > 1:
        raise ValueError(
            f"{graph.where(type(module))} has normalized_shape={module.normalized_shape}, "
            "expected one size, that of the features"
        )
    graph.check_features(x, module.normalized_shape[0], type(module))
    weight, bias = module.weight, module.bias
    gains = np.ones(x.features, graph.dtype) if weight is None else weight.data
    inputs = [x.name, graph.stored("weight", module, gains)]
    inputs += [] if bias is None else [graph.stored("bias", module, bias.data)]
    return x._replace(name=graph.add("LayerNormalization", *inputs, axis=-1, epsilon=module.eps))


@_append.register
def _(module: SumPool, graph: Sequences, x: Signal) -> Signal:
    total = graph.reduce("ReduceSum", graph.real_steps(x.name), 0)
    return Signal(total, x.features, has_steps=False)


@_append.register
def _(module: MeanPool, graph: Sequences, x: Signal) -> Signal:
    total = graph.reduce("ReduceSum", graph.real_steps(x.name), 0)
    count = graph.add("CastLike", graph.count_of_steps(), total)
    return Signal(graph.add("Div", total, count), x.features, has_steps=False)


@_append.register
def _(module: MaxPool, graph: Sequences, x: Signal) -> Signal:
    largest = graph.reduce("ReduceMax", graph.real_steps(x.name, -np.inf), 0)
    return Signal(graph.real_rows(largest), x.features, has_steps=False)


@_append.register
def _(module: LastStep, graph: Sequences, x: Signal) -> Signal:
    if module.bidirectional:
        if x.features % 2:
            came = f"{graph.where(type(module))} gets {x.features} features"
            raise ValueError(f"{came}, expected an even number: two directions")
        sizes = graph.integers(*[x.features // 2] * 2)
        forward, reverse = graph.add_several("Split", [x.name, sizes], 2, axis=-1)
        y = graph.add("Concat", graph.last_step(forward), graph.first_step(reverse), axis=-1)
    elif module.direction == "reverse":
        y = graph.first_step(x.name)
    else:
        y = graph.last_step(x.name)
    return Signal(graph.real_rows(y), x.features, has_steps=False)


@_append.register(Recurrent)
def _(module: Any, graph: Sequences, x: Signal) -> Signal:
    initial = graph.initial_states(module)
    y, final = run_stack(module, graph, x, initial, ends=graph.ends())
    graph.final_states(module, initial, final)
    return y


def _check_floats(module: Module, graph: Sequences, x: Signal) -> None:
    """TypeError for ids."""
    if x.is_ids:
        raise TypeError(f"{graph.where(type(module))} gets ids, expected an Embedding in front")


def _branches(module: Any, graph: Sequences, x: Signal) -> list[Signal]:
    """What each part of one makes of x."""
    ys = []
    for name, part in module.named_parts():
        with graph.inside(name):
            ys.append(append(part, graph, x))
    if len({y.has_steps for y in ys}) > 1:
        raise ValueError(f"{graph.where(type(module))} joins what has steps and what has none")
    return ys


def _summed(module: Module, graph: Sequences, ys: Sequence[Signal]) -> Signal:
    """Signals of one shape, added in order."""
    first, *others = ys
    name = first.name
    for y in others:
        graph.check_features(y, first.features, type(module))
        name = graph.add("Add", name, y.name)
    return first._replace(name=name)
