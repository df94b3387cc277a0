"""Seq2Seq in graphs of ONNX: the encoder, and one step of the decoder."""

import math
from collections.abc import Sequence
from typing import Any

from ..seq2seq import Attention, AttentionDecoder, Seq2Seq
from ..seq2seq._encoder import Encoder
from ._export import write
from ._parts import append
from ._sequences import Sequences
from ._stack import run_stack
from ._writer import Signal


@write.register
def _(model: Encoder, graph: Sequences) -> None:
    """x is the source, y the memory, and the states are those that the decoder starts from."""
    if model.source is None:
        raise ValueError("export: Encoder has feature_size, expected source_vocabulary")
    x = graph.take_ids("x")
    with graph.inside("source"):
        x = append(model.source, graph, x)
    with graph.inside("layers"):
        memory, states = run_stack(model.layers, graph, x, ends=graph.ends())
    graph.give_y(memory)
    if not graph.has_states:
        return
    if model.bridge is not None:
        states = _bridged(model, graph, states)
    for name, state in zip(model.layers.state_names, states, strict=True):
        shape: list[int | str] = [model.sizes.layers, "N", model.sizes.hidden]
        graph.output(f"{name[0]}n", state, shape)


@write.register
def _(model: Seq2Seq, graph: Sequences) -> None:
    """One step: x are ids (N,), y the logits (N, V), and `memory` is what the encoder gives."""
    if not graph.has_states:
        raise ValueError("export: state is False, expected True: a Seq2Seq's step goes on from one")
    decoder: Any = model.decoder
    x = graph.take_step("x")
    memory = ""
    if model.attention is not None:
        memory = graph.take_floats("memory", decoder.memory_size).name
    elif graph.has_lengths:
        raise ValueError("export: lengths is True, expected False: without attention it reads none")
    states = graph.initial_states(decoder)
    with graph.inside("target"):
        x = append(model.target, graph, x)
    with graph.inside("decoder"):
        if memory:
            y, final = _attend_and_step(decoder, graph, x, memory, states)
        else:
            y, final = _step(decoder, graph, x, states)
    with graph.inside("output"):
        graph.give_y(append(model.output, graph, y))
    graph.final_states(decoder, [], final)


def _bridged(model: Encoder, graph: Sequences, states: Sequence[str]) -> list[str]:
    """The decoder's first states (L, N, H), of both directions' (2*L, N, H)."""
    assert model.bridge is not None
    layers, hidden = model.sizes.layers, model.sizes.hidden
    bridged = []
    for part, state in zip(("h", "c"), states, strict=False):
        apart = graph.add("Reshape", state, graph.integers(layers, 2, -1, hidden))
        beside = graph.add("Transpose", apart, perm=[0, 2, 1, 3])
        joined = graph.add("Reshape", beside, graph.integers(layers, -1, 2 * hidden))
        with graph.inside(f"bridge.{part}"):
            linear = getattr(model.bridge, part)
            y = append(linear, graph, Signal(joined, 2 * hidden))
            bridged.append(graph.add("Tanh", y.name) if part == "h" else y.name)
    return bridged


def _step(
    layer: Any, graph: Sequences, x: Signal, states: Sequence[str]
) -> tuple[Signal, list[str]]:
    """y (N, H) of one step of recurrent layers, and the states after it."""
    steps = x._replace(name=graph.unsqueezed(x.name, 0), has_steps=True)
    y, final = run_stack(layer, graph, steps, states)
    return Signal(graph.add("Squeeze", y.name, graph.integers(0)), y.features, False), final


def _attend_and_step(
    decoder: AttentionDecoder, graph: Sequences, x: Signal, memory: str, states: Sequence[str]
) -> tuple[Signal, list[str]]:
    """The same of layers, the first of which attends to a memory (S, N, M) before its step."""
    with graph.inside("attention"):
        query = graph.first_step(states[0])  # h of the first layer
        context = Signal(_context(decoder.attention, graph, query, memory), decoder.memory_size)
    lower = upper = states
    if decoder.above is not None:
        sizes = graph.integers(1, decoder.num_layers - 1)
        halves = [graph.add_several("Split", [state, sizes], 2, axis=0) for state in states]
        lower, upper = zip(*halves, strict=True)
    with graph.inside("bottom"):
        y, final = _step(decoder.bottom, graph, _beside(graph, x, context), lower)
    y = _beside(graph, y, context)
    if decoder.above is not None:
        with graph.inside("above"):
            y, ends = _step(decoder.above, graph, y, upper)
        y = _beside(graph, y, context)
        pairs = zip(final, ends, strict=True)
        final = [graph.add("Concat", *pair, axis=0) for pair in pairs]
    return y, final


def _context(attention: Attention, graph: Sequences, query: str, memory: str) -> str:
    """The mean (N, M) of a memory's real steps, under the softmax of their scores."""
    keys = Signal(memory, attention.memory_size)
    asked = Signal(query, attention.query_size, has_steps=False)
    if attention.key is not None:
        with graph.inside("key"):
            keys = append(attention.key, graph, keys)
    if attention.query is not None:
        with graph.inside("query"):
            asked = append(attention.query, graph, asked)
    if attention.v is not None:
        energies = graph.add("Tanh", graph.add("Add", keys.name, asked.name))
        v = graph.stored("v", attention, attention.v.data[:, None])
        scores = graph.add("MatMul", energies, v)
    else:
        products = graph.add("Mul", keys.name, asked.name)
        scores = graph.add("ReduceSum", products, graph.integers(2), keepdims=1)
    if attention.scale:
        scores = graph.add("Mul", scores, graph.number(1 / math.sqrt(attention.query_size)))
    weights = graph.add("Softmax", graph.real_steps(scores, -math.inf), axis=0)
    weighted = graph.add("Mul", graph.real_steps(weights), graph.real_steps(memory))
    return graph.reduce("ReduceSum", weighted, 0)


def _beside(graph: Sequences, x: Signal, y: Signal) -> Signal:
    """The features of two signals side by side."""
    return Signal(graph.add("Concat", x.name, y.name, axis=-1), x.features + y.features, False)
