"""Recurrent layers in a graph of ONNX: a node for each layer, both directions in one."""

from collections.abc import Sequence
from typing import Any

from .._base.checks import describe
from .._base.description import constructor
from ._sequences import Sequences
from ._weights import POSITIONS, node_attributes, node_weights
from ._writer import Signal

LENGTHS, STATES = 4, 5  # the places of these inputs of a node; c0 comes after h0
# What ONNX has; all other options that inference reads have to be the defaults.
COMPUTED = frozenset(
    {
        "batch_first",
        "bias",
        "bidirectional",
        "coupled_gates",
        "direction",
        "dtype",
        "hidden_size",
        "input_size",
        "merge",
        "nonlinearity",
        "num_layers",
        "peephole",
        "reset_after",
    }
)


def run_stack(
    layer: Any, graph: Sequences, x: Signal, initial: Sequence[str] = (), *, ends: str = ""
) -> tuple[Signal, list[str]]:
    """(y, the final states) of x, of the initial states (zero if none), and of each row's length,
    if there is one; states are (L*D, N, H) as the layer's own."""
    _check_options(layer, graph)
    graph.check_features(x, layer.input_size, type(layer))
    by_layer = [_split(graph, state, layer.num_layers, layer.num_directions) for state in initial]
    final: list[Sequence[str]] = []
    for depth in range(layer.num_layers):
        states = [state[depth] for state in by_layer]
        outputs = _node(layer, graph, depth, x.name, states, ends)
        x = Signal(_merged(layer, graph, outputs[0]), layer.num_features)
        final.append(outputs[1:])
    return x, [_joined(graph, states) for states in zip(*final, strict=True)]


def _check_options(layer: Any, graph: Sequences) -> None:
    """ValueError for an option that ONNX does not have."""
    defaults, cls = constructor(type(layer)), type(layer)
    taken = COMPUTED | layer.training_options
    for name, value in layer.config().items():
        if name not in taken and value != defaults[name]:
            raise ValueError(
                f"{graph.where(cls)} has {name}={describe(value)}, expected "
                f"{describe(defaults[name])}: ONNX' {cls.__name__} has nothing like it"
            )


def _node(
    layer: Any, graph: Sequences, depth: int, x: str, states: Sequence[str], ends: str
) -> list[str]:
    """Y (T, D, N, H) and the final states (D, N, H) of one layer."""
    cls, inputs = type(layer), [x, *[""] * POSITIONS["P"]]
    suffix = f"_l{depth}" if layer.num_layers > 1 else ""
    for role, array in node_weights(layer, depth).items():
        inputs[POSITIONS[role]] = graph.stored(f"{role}{suffix}", layer, array)
    inputs[LENGTHS] = ends
    inputs[STATES : STATES + len(states)] = states
    while not inputs[-1]:
        inputs.pop()
    count = 1 + len(layer.state_names)
    return graph.add_several(cls.__name__, inputs, count, **node_attributes(layer))


def _merged(layer: Any, graph: Sequences, y: str) -> str:
    """(T, N, features) of Y (T, D, N, H)."""
    if not layer.bidirectional:
        return graph.add("Squeeze", y, graph.integers(1))
    if layer.merge == "concat":
        by_row = graph.add("Transpose", y, perm=[0, 2, 1, 3])
        return graph.add("Reshape", by_row, graph.integers(0, 0, layer.num_features))
    halves = [graph.add("Gather", y, graph.integer(i), axis=1) for i in range(2)]
    merged = graph.add("Mul" if layer.merge == "mul" else "Add", *halves)
    return graph.add("Mul", merged, graph.number(0.5)) if layer.merge == "average" else merged


def _split(graph: Sequences, state: str, layers: int, directions: int) -> list[str]:
    """A state (L*D, N, H) layer by layer."""
    if layers == 1:
        return [state]
    sizes = graph.integers(*[directions] * layers)
    return graph.add_several("Split", [state, sizes], layers, axis=0)


def _joined(graph: Sequences, states: Sequence[str]) -> str:
    """The states of all layers as one."""
    return states[0] if len(states) == 1 else graph.add("Concat", *states, axis=0)
