"""What the layers without a state become in C, and the containers of layers."""

from itertools import accumulate
from typing import Any

from .._base.names import dotted
from .._base.quantized import form_of
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
from ._parts import Parts, check_takes, where, writes
from ._program import Value

FUNCTIONS = {"tanh": "tanhf", "relu": "model_relu", "sigmoid": "model_sigmoid"}
FUNCTIONS["identity"] = "model_identity"


@writes(Sequential)
def sequential(parts: Parts, module: Any, path: str, x: Value) -> Value:
    for name, part in module.named_parts():
        x = parts.write(part, dotted(path, name), x)
    return x


@writes(TimeDistributed)
def time_distributed(parts: Parts, module: Any, path: str, x: Value) -> Value:
    """The part itself, which works on each step alone."""
    ((name, part),) = module.named_parts()
    leaves = (module for module in part.modules() if not module.made_of_parts)
    inner = next((leaf for leaf in leaves if leaf.time_aware or leaf.stateful), None)
    if inner is not None:
        raise ValueError(
            f"{where(module, path)} has a {type(inner).__name__}, expected parts that know of no "
            "steps: those inside a step cannot be written in C"
        )
    return parts.write(part, dotted(path, name), x)


@writes(Dropout, Identity)
def nothing(parts: Parts, module: Any, path: str, x: Value) -> Value:
    """What inference leaves as it is."""
    check_takes(module, path, x)
    return x


@writes(Embedding)
def embedding(parts: Parts, module: Any, path: str, x: Value) -> Value:
    if x.width:
        raise ValueError(f"{where(module, path)} gets {x.width} features, expected ids")
    name, width = dotted(path, "weight"), module.embedding_dim
    row = f"{parts.table(name, module.weight)} + {{x[0]}} * {width}"
    form = form_of([module.weight])
    parts.program.takes_ids(module.num_embeddings)
    if form == "int8":
        row += f", {parts.tables.scales(name, module.weight)}[{{x[0]}}]"
    text = f"model_{f'row_{form}' if form else 'copy'}({row}, {width}, {{y}});"
    return parts.call(text, path, width, x)


@writes(Linear)
def linear(parts: Parts, module: Any, path: str, x: Value) -> Value:
    check_takes(module, path, x, module.in_features)
    weight = dotted(path, "weight")
    parts.table(weight, module.weight)  # before the bias
    bias = parts.table(dotted(path, "bias"), module.bias)
    members = parts.matrix(weight, module.weight, bias)
    struct = parts.tables.struct("matrix", dotted(path, "matrix"), members)
    text = f"model_affine({struct}, {{x[0]}}, {{y}});"
    return parts.call(text, path, module.out_features, x)


@writes(LayerNorm)
def layer_norm(parts: Parts, module: Any, path: str, x: Value) -> Value:
    if len(module.normalized_shape) > 1:
        raise ValueError(
            f"{where(module, path)} has normalized_shape={module.normalized_shape}, expected one "
            "size: a step has one axis in C"
        )
    (width,) = module.normalized_shape
    check_takes(module, path, x, width)
    eps = parts.tables.number(dotted(path, "eps"), module.eps)
    lines = [f"model_normalise({{x[0]}}, {width}, {eps}, {{y}});"]
    for name, function in (("weight", "multiply"), ("bias", "add")):
        if (parameter := getattr(module, name)) is not None:
            table = parts.table(dotted(path, name), parameter)
            lines.append(f"model_{function}({table}, {width}, {{y}});")
    return parts.call("\n".join(lines), path, width, x)


@writes(Tanh, ReLU, Sigmoid)
def activation(parts: Parts, module: Any, path: str, x: Value) -> Value:
    check_takes(module, path, x)
    function = FUNCTIONS[module.core_name]
    text = f"model_map({function}, {{x[0]}}, {x.width}, {{y}});"
    return parts.call(text, path, x.width, x)


@writes(Softmax)
def softmax(parts: Parts, module: Any, path: str, x: Value) -> Value:
    check_takes(module, path, x)
    return parts.call(f"model_softmax({{x[0]}}, {x.width}, {{y}});", path, x.width, x)


@writes(LastStep)
def last_step(parts: Parts, module: Any, path: str, x: Value) -> Value:
    """Each direction's features at the step where it ends."""
    check_sequence(module, path, x)
    half = x.width // 2 if module.bidirectional else x.width
    half = 0 if module.direction == "reverse" else half
    lines = []
    for step, begin, width in (("steps - 1", 0, half), ("0", half, x.width - half)):
        if width:
            moved = f" + {begin}" if begin else ""
            copy = f"model_copy({{x[0]}}{moved}, {width}, {{y}}{moved});"
            lines.append(f"if (t == {step}) {copy}")
    in_a_step = f"model_copy({{x[0]}}, {x.width}, {{y}});"
    return parts.program.collect("\n".join(lines), x, parts.value(path, x.width), in_a_step)


@writes(SumPool)
def sum_pool(parts: Parts, module: Any, path: str, x: Value) -> Value:
    check_sequence(module, path, x)
    text = f"model_add({{x[0]}}, {x.width}, {{y}});"
    return parts.program.collect(text, x, parts.value(path, x.width), None)


@writes(MeanPool)
def mean_pool(parts: Parts, module: Any, path: str, x: Value) -> Value:
    """The sum over the number of steps, which is that of zeros if there is none."""
    total = sum_pool(parts, module, dotted(path, "sum"), x)
    text = f"model_copy({{x[0]}}, {x.width}, {{y}});\n"
    text += f"model_scale(1.0f / (float)(steps > 0 ? steps : 1), {x.width}, {{y}});"
    return parts.call(text, path, x.width, total)


@writes(MaxPool)
def max_pool(parts: Parts, module: Any, path: str, x: Value) -> Value:
    check_sequence(module, path, x)
    text = f"model_largest(t == {{first}}, {{x[0]}}, {x.width}, {{y}});"
    return parts.program.collect(text, x, parts.value(path, x.width), None)


@writes(Concat)
def concat(parts: Parts, module: Any, path: str, x: Value) -> Value:
    return side_by_side(parts, path, branches(parts, module, path, x))


@writes(Add)
def add(parts: Parts, module: Any, path: str, x: Value) -> Value:
    ys = branches(parts, module, path, x)
    for y in ys:
        check_takes(module, path, y, ys[0].width)
    return combined(parts, path, "add", ys)


@writes(Residual)
def residual(parts: Parts, module: Any, path: str, x: Value) -> Value:
    check_takes(module, path, x)
    (y,) = branches(parts, module, path, x)
    check_takes(module, path, y, x.width)
    return combined(parts, path, "add", [x, y])


def branches(parts: Parts, module: Any, path: str, x: Value) -> list[Value]:
    """What the parts of a module make of one x."""
    ys = [parts.write(part, dotted(path, name), x) for name, part in module.named_parts()]
    if len({y.made is None for y in ys}) > 1:
        raise ValueError(
            f"{where(module, path)} joins vectors for each step with one for all steps, expected "
            "outputs of one kind"
        )
    return ys


def side_by_side(parts: Parts, path: str, ys: list[Value]) -> Value:
    """The features of several vectors in one."""
    ends = [0, *accumulate(y.width for y in ys)]
    lines = []
    for i, (y, begin) in enumerate(zip(ys, ends, strict=False)):
        moved = f" + {begin}" if begin else ""
        lines.append(f"model_copy({{x[{i}]}}, {y.width}, {{y}}{moved});")
    return parts.call("\n".join(lines), path, ends[-1], *ys)


def combined(parts: Parts, path: str, function: str, ys: list[Value], factor: str = "") -> Value:
    """Several vectors of one width as one: their sum or product, times a factor."""
    width = ys[0].width
    lines = [f"model_copy({{x[0]}}, {width}, {{y}});"]
    lines += [f"model_{function}({{x[{i}]}}, {width}, {{y}});" for i in range(1, len(ys))]
    lines += [f"model_scale({factor}, {width}, {{y}});"] if factor else []
    return parts.call("\n".join(lines), path, width, *ys)


def check_sequence(module: Any, path: str, x: Value) -> None:
    """ValueError for what has no steps."""
    check_takes(module, path, x)
    if x.made is None:
        raise ValueError(f"{where(module, path)} gets one vector, expected one for each step")
