"""The arguments of a layer's call, checked.

The exceptions are of torch's types: ValueError for numbers of axes and dtypes, RuntimeError for
sizes, states and devices, TypeError for what is no tensor.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .._base.checks import describe

DTYPES = {torch.float32: "float32", torch.float64: "float64"}
GIVE_BACK = "pyrnn.torch.restore_rnns(model) gives the layer back to torch"


def is_here(tensor: Tensor) -> bool:
    """Whether pyrnn computes where the tensor is: on the CPU, or on the device without memory."""
    return bool(tensor.is_cpu or tensor.is_meta)


def check_weights(owner: str, names: Sequence[str], weights: Sequence[Tensor]) -> Tensor:
    """A layer's first weight; all have its dtype, and are where it is, which is on the CPU."""
    first = weights[0]
    if first.dtype not in DTYPES:
        raise ValueError(
            f"{owner}: the weights have dtype {first.dtype}, expected torch.float32 or "
            f"torch.float64: model.float() converts them, or {GIVE_BACK}"
        )
    dtype, elsewhere = first.dtype, not first.is_cpu
    for name, weight in zip(names, weights, strict=True):
        if weight.dtype != dtype:
            raise ValueError(
                f"{owner}: {name} has dtype {weight.dtype}, expected {dtype}, that of {names[0]}"
            )
        if elsewhere or not weight.is_cpu:
            _check_place(owner, name, weight, first, "model.cpu()")
    return first


def _check_place(owner: str, name: str, value: Tensor, weight: Tensor, cure: str) -> None:
    """RuntimeError for a tensor elsewhere than on the CPU, or without memory as the weights are."""
    if not is_here(value):
        raise RuntimeError(
            f"{owner}: {name} is on {value.device}, expected the CPU: {cure} moves it, or "
            f"{GIVE_BACK}"
        )
    if value.is_meta != weight.is_meta:
        raise RuntimeError(
            f"{owner}: {name} is on {value.device}, expected {weight.device}, where the weights are"
        )


def check_tensor(owner: str, name: str, value: Any, weight: Tensor) -> Tensor:
    """A tensor of a weight's dtype, and where it is; under autocast it is converted."""
    dtype = weight.dtype
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{owner}: {name} is {describe(value)}, expected a torch.Tensor: torch.as_tensor "
            "converts an array"
        )
    if value.dtype != dtype and value.is_floating_point() and torch.is_autocast_enabled("cpu"):
        value = value.to(dtype)
    if value.dtype != dtype:
        raise ValueError(
            f"{owner}: {name} has dtype {value.dtype}, expected {dtype}, that of the weights: "
            f"{name}.to({dtype}) converts it"
        )
    if value.layout is not torch.strided:
        raise RuntimeError(
            f"{owner}: {name} has layout {value.layout}, expected torch.strided: {name}.to_dense() "
            "converts it"
        )
    if not (value.is_cpu and weight.is_cpu):
        _check_place(owner, name, value, weight, f"{name}.cpu()")
    return value


def check_input(owner: str, value: Any, axes: tuple[int, ...], size: int, weight: Tensor) -> Tensor:
    """An input of one of these numbers of axes, and of input_size columns."""
    x = check_axes(owner, "input", check_tensor(owner, "input", value, weight), axes)
    if x.shape[-1] != size:
        raise RuntimeError(
            f"{owner}: input has shape {tuple(x.shape)}, expected {size} = input_size columns"
        )
    return x


def check_axes(owner: str, name: str, tensor: Tensor, axes: tuple[int, ...]) -> Tensor:
    """A tensor of one of these numbers of axes."""
    if tensor.dim() not in axes:
        expected = " or ".join(f"{n}-D" for n in axes)
        raise ValueError(f"{owner}: {name} has shape {tuple(tensor.shape)}, expected {expected}")
    return tensor


def check_state(
    owner: str, name: str, value: Any, shape: tuple[Any, ...], weight: Tensor
) -> Tensor:
    """One tensor of a state."""
    tensor = check_tensor(owner, name, value, weight)
    if tensor.shape != shape:
        raise RuntimeError(f"{owner}: {name} has shape {tuple(tensor.shape)}, expected {shape}")
    return tensor


def as_lengths(owner: str, lengths: Any, rows: Any) -> Tensor | None:
    """The rows' lengths as int64 on the CPU."""
    if lengths is None:
        return None
    tensor = _copied(owner, "lengths", lengths, "integers")
    if tensor.dtype not in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
        raise TypeError(f"{owner}: lengths has dtype {tensor.dtype}, expected integers")
    if tensor.shape != (rows,):
        raise ValueError(
            f"{owner}: lengths has shape {tuple(tensor.shape)}, expected ({rows},) = (batch,)"
        )
    return tensor.to(torch.int64)


def as_resets(owner: str, resets: Any, shape: tuple[Any, ...], batch_first: bool) -> Tensor | None:
    """Whether a row begins anew at a step, (T, batch), of booleans in the input's layout."""
    if resets is None:
        return None
    tensor = _copied(owner, "resets", resets, "booleans")
    if tensor.dtype != torch.bool:
        raise TypeError(
            f"{owner}: resets has dtype {tensor.dtype}, expected torch.bool: resets.bool() "
            "converts it"
        )
    if tensor.shape != shape:
        raise ValueError(
            f"{owner}: resets has shape {tuple(tensor.shape)}, expected {tuple(shape)}, that of "
            "the input without its features"
        )
    if tensor.dim() == 1:
        return tensor.unsqueeze(1)
    return tensor.T if batch_first else tensor


def _copied(owner: str, name: str, value: Any, kind: str) -> Tensor:
    """A copy of an array or tensor, which the caller may write to before the backward pass: torch
    does not see what is written to an array."""
    try:
        return torch.as_tensor(value, device="cpu").clone()
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"{owner}: {name} is {describe(value)}, expected a tensor or an array of {kind}"
        ) from error


def check_no(owner: str, form: str, **arguments: Any) -> None:
    """ValueError for an argument that an input of this form does not take."""
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(f"{owner}: {name} is given, expected None with {form}")
