"""ONNX' operators that move elements: shapes, pieces, copies."""

import math
from typing import Any

import numpy as np

from .._base import operations
from .._base.checks import Array, check_fits, describe_all
from .._base.value import numbers
from ._nodes import Node, operator
from ._values import axis_of, check_alike, computed, integers

INT64 = np.dtype(np.int64)


def _check_constant(node: Node) -> None:
    kinds = set(node.attributes)
    if len(kinds) != 1 or not kinds <= {
        "value",
        "value_float",
        "value_floats",
        "value_int",
        "value_ints",
    }:
        raise ValueError(f"{node.title}: it has {describe_all(kinds)}, expected one value")


@operator("Constant", check=_check_constant)
def _constant(node: Node) -> Array:
    ((name, value),) = node.attributes.items()
    if name == "value":
        return np.asarray(value)
    return np.asarray(value, np.float32 if "float" in name else np.int64)


@operator("Identity", steps="each")
def _identity(node: Node, x: Any) -> Any:
    return x


def _check_dropout(node: Node) -> None:
    if len(node.inputs) > 2 and node.inputs[2]:
        raise ValueError(f"{node.title}: it has training_mode, expected none: pyrnn runs inference")


@operator("Dropout", check=_check_dropout, steps="each")
def _dropout(node: Node, x: Any, ratio: Any = None) -> Any:
    return x


@operator("Transpose", steps="moved")
def _transpose(node: Node, x: Any) -> Any:
    return computed(operations.transpose, x, axes=node.attributes.get("perm"))


def _reshaped(x: Any, shape: Any) -> Any:
    return computed(operations.reshape, x, shape=tuple(shape))


@operator("Reshape", steps="moved")
def _reshape(node: Node, x: Any, shape: Any) -> Any:
    sizes = integers("shape", shape)
    if not node.attributes.get("allowzero"):  # 0: the size that x has there
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return _reshaped(x, sizes)


@operator("Flatten", steps="moved")
def _flatten(node: Node, x: Any) -> Any:
    axis = node.attributes["axis"]
    axis = axis if axis == x.ndim else axis_of(axis, x.ndim)
    return _reshaped(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def _axes(node: Node, axes: Any, ndim: int) -> list[int] | None:
    """An attribute before version 13, then an input."""
    chosen = node.attributes.get("axes") if axes is None else integers("axes", axes)
    if chosen is None:
        return None
    found = [axis_of(axis, ndim) for axis in chosen]
    if len(set(found)) < len(found):
        raise ValueError(f"axes are {chosen}, expected different ones")
    return found


@operator("Squeeze", steps="moved")
def _squeeze(node: Node, x: Any, axes: Any = None) -> Any:
    chosen = _axes(node, axes, x.ndim)
    gone = [i for i, size in enumerate(x.shape) if size == 1] if chosen is None else chosen
    if any(x.shape[i] != 1 for i in gone):
        raise ValueError(f"x has shape {x.shape}, expected size 1 in the axes {gone}")
    return _reshaped(x, [size for i, size in enumerate(x.shape) if i not in gone])


@operator("Unsqueeze", steps="moved")
def _unsqueeze(node: Node, x: Any, axes: Any = None) -> Any:
    count = len(node.attributes["axes"] if axes is None else integers("axes", axes))
    new = _axes(node, axes, x.ndim + count) or []
    sizes = iter(x.shape)
    return _reshaped(x, [1 if i in new else next(sizes) for i in range(x.ndim + count)])


@operator("Concat", steps="moved")
def _concat(node: Node, *arrays: Any) -> Any:
    check_alike(*arrays)
    return computed(
        operations.concat, *arrays, axis=axis_of(node.attributes["axis"], arrays[0].ndim)
    )


@operator("Slice", steps="moved")
def _slice(
    node: Node, x: Any, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None
) -> Any:
    if starts is None:  # attributes, before version 10
        first, last = node.attributes["starts"], node.attributes["ends"]
        chosen = node.attributes.get("axes")
    else:
        first, last = integers("starts", starts), integers("ends", ends)
        chosen = None if axes is None else integers("axes", axes)
    by = [1] * len(first) if steps is None else integers("steps", steps)
    chosen = list(range(len(first))) if chosen is None else chosen
    if not len(first) == len(last) == len(chosen) == len(by):
        raise ValueError("starts, ends, axes and steps have different lengths")
    key = [slice(None)] * x.ndim
    for axis, bounds in zip(chosen, zip(first, last, by, strict=True), strict=True):
        key[axis_of(axis, x.ndim)] = slice(*bounds)
    return computed(operations.index, x, key=tuple(key))


def _check_split(node: Node) -> None:
    parts = node.attributes.get("num_outputs")
    if parts is not None and parts != len(node.outputs):
        raise ValueError(f"{node.title}: num_outputs is {parts}, expected {len(node.outputs)}")


@operator("Split", outputs=2**31, check=_check_split, steps="moved")
def _split(node: Node, x: Any, split: Any = None) -> tuple[Any, ...]:
    axis, count = axis_of(node.attributes["axis"], x.ndim), len(node.outputs)
    size = x.shape[axis]
    sizes = node.attributes.get("split") if split is None else integers("split", split)
    if sizes is None:
        part = -(-size // count)
        sizes = [min(part, max(0, size - i * part)) for i in range(count)]
        if node.attributes.get("num_outputs") is None and size % count:
            raise ValueError(f"x has shape {x.shape}, which {count} equal parts do not divide")
    if len(sizes) != count or sum(sizes) != size or min(sizes) < 0:
        raise ValueError(f"split is {sizes}, expected {count} sizes with the sum {size}")
    ends = np.cumsum(sizes).tolist()
    before = (slice(None),) * axis
    return tuple(
        computed(operations.index, x, key=(*before, slice(end - part, end)))
        for end, part in zip(ends, sizes, strict=True)
    )


def _taken(x: Any, indices: Any, axis: int) -> Any:
    """Entries along an axis by their numbers."""
    numbered = np.asarray(numbers(indices))
    if numbered.dtype.kind not in "iu":
        raise TypeError(f"indices have dtype {numbered.dtype}, expected integers")
    return computed(operations.index, x, key=(*(slice(None),) * axis, numbered))


@operator("Gather", steps="moved")
def _gather(node: Node, x: Any, indices: Any) -> Any:
    return _taken(x, indices, axis_of(node.attributes["axis"], x.ndim))


@operator("GatherND")
def _gather_nd(node: Node, x: Any, indices: Any) -> Any:
    batch, numbered = node.attributes.get("batch_dims", 0), numbers(indices)
    rows = np.indices(numbered.shape[:-1], sparse=True)[:batch]
    places = (numbered[..., k] for k in range(numbered.shape[-1]))
    return computed(operations.index, x, key=(*rows, *places))


@operator("ArrayFeatureExtractor", domain="ai.onnx.ml", steps="moved")
def _feature(node: Node, x: Any, indices: Any) -> Any:
    y = _taken(x, numbers(indices).reshape(-1), x.ndim - 1)
    return _reshaped(y, (1, *y.shape)) if x.ndim == 1 else y


@operator("Expand", steps="filled")
def _expand(node: Node, x: Any, shape: Any) -> Any:
    wanted = np.broadcast_shapes(x.shape, tuple(integers("shape", shape)))
    return computed(operations.broadcast_to, x, shape=wanted)


@operator("Shape", steps="sizes")
def _shape(node: Node, x: Any) -> Array:
    bounds = node.attributes.get("start", 0), node.attributes.get("end")
    return np.array(x.shape[slice(*bounds)], INT64)


@operator("Size", steps="sizes")
def _size(node: Node, x: Any) -> Array:
    return np.array(math.prod(x.shape), INT64)


@operator("ConstantOfShape", steps="filled")
def _constant_of_shape(node: Node, shape: Any) -> Array:
    value = node.attributes.get("value", np.zeros(1, np.float32))
    return np.broadcast_to(value.reshape(()), integers("shape", shape))  # takes no memory


@operator("Range")
def _range(node: Node, start: Any, limit: Any, delta: Any) -> Array:
    check_alike(start, limit, delta)
    first, last, by = (numbers(x).item() for x in (start, limit, delta))
    if by == 0:
        raise ValueError("delta is 0, expected another number")
    check_fits("it", 8 * max(0, math.ceil((last - first) / by)))
    return np.arange(first, last, by, dtype=start.dtype)


@operator("ReverseSequence", steps="moved")
def _reverse_sequence(node: Node, x: Any, lengths: Any) -> Any:
    time, batch = node.attributes["time_axis"], node.attributes["batch_axis"]
    if {time, batch} != {0, 1} or x.ndim < 2:
        raise ValueError(f"time_axis and batch_axis are {time} and {batch}, expected 0 and 1")
    ends, steps = numbers(lengths), np.arange(x.shape[time])
    if ends.shape != (x.shape[batch],) or (ends < 0).any() or (ends > len(steps)).any():
        raise ValueError(
            f"sequence_lens are {ends}, expected {x.shape[batch]} numbers up to {len(steps)}"
        )
    order = np.where(steps[:, None] < ends, ends - 1 - steps[:, None], steps[:, None])
    rows = np.broadcast_to(np.arange(len(ends)), order.shape)
    key = (order, rows) if time == 0 else (rows.T, order.T)
    return computed(operations.index, x, key=key)
