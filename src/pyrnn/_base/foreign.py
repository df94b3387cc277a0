"""Arrays of other libraries: how numpy reads them, and what its user calls where it cannot.

Nothing is imported: a library is known by the names of the classes that a value has.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

CPU = 1  # DLPack's number of it
HALVES = ("bfloat16", "float16", "float8")  # begin the names of floats below float32
SEQUENCES_OF_TORCH = "PackedSequence"
UNPACKED = (
    "x, lengths = torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True), or a layer of "
    "pyrnn.torch, which takes it; Trainer.fit and predict take it as it is"
)


def is_foreign(value: Any) -> bool:
    """Whether it says that it is an array."""
    return hasattr(value, "__array__") or hasattr(value, "__dlpack__")


def is_packed(value: Any) -> bool:
    """Whether it is torch's PackedSequence, which is a tuple."""
    return isinstance(value, tuple) and type(value).__name__ == SEQUENCES_OF_TORCH


def as_numpy(value: Any) -> NDArray[Any]:
    """An array, or a list of numbers or arrays, as numpy's; a view where the library gives one."""
    by_dlpack = not hasattr(value, "__array__") and hasattr(value, "__dlpack__")
    return np.from_dlpack(value) if by_dlpack else np.asarray(value)


def is_half(name: Any) -> bool:
    """Whether a dtype is a float that is narrower than float32."""
    return str(name).rpartition(".")[2].startswith(HALVES)


def library_of(value: Any) -> str:
    """ "torch", "jax" and so on, also of a class that a user derived; "" for no library."""
    for cls in type(value).__mro__[:-1]:
        root = cls.__module__.partition(".")[0]
        if root in ("torch", "polars", "jax", "jaxlib"):
            return "jax" if root == "jaxlib" else root
    return ""


def as_weight(value: Any) -> Any:
    """A tensor of weights as one that numpy reads: without gradient, on the CPU, in float32 if it
    has half precision; any other value as it is."""
    if library_of(value) != "torch" or not hasattr(value, "detach"):
        return value
    value = value.detach()
    if value.device.type not in ("cpu", "meta"):
        value = value.cpu()
    return value.float() if is_half(value.dtype) else value


def obstacle(value: Any, argument: str, content: str) -> str | None:
    """Why numpy cannot read an array, and the call that makes it readable, as the rest of a message
    that begins with its name; None where nothing is known."""
    expected = f"expected an array {content}"
    if is_packed(value):
        return f"is a PackedSequence, {expected}: {UNPACKED}"
    library = library_of(value)
    if library == "torch":
        return _of_tensor(value, argument, expected)
    if library == "jax":
        return (
            f"is an array that jax traces, {expected} that has its numbers: call pyrnn outside of "
            "jax.jit, or by jax.pure_callback"
        )
    device = getattr(value, "device", None)
    if device is None or "cpu" in str(device).lower():
        return None
    call = ".get()" if hasattr(value, "get") else ".to_device(...)"
    return f"is on the device {str(device)[:60]}, {expected} on the CPU: {argument}{call}"


def _of_tensor(tensor: Any, argument: str, expected: str) -> str | None:
    """The same of a tensor, for which several calls may be needed."""
    if tensor.device.type == "meta":
        return f"is a tensor on the device meta, which has no numbers, {expected}"
    found = []
    if tensor.requires_grad:
        found.append(("requires grad", "detach"))
    if tensor.is_nested:
        found.append(("is nested", "unbind"))
    elif str(tensor.layout) != "torch.strided":
        found.append((f"has the layout {tensor.layout}", "to_dense"))
    if tensor.is_quantized:
        found.append(("is quantized", "dequantize"))
    if tensor.device.type != "cpu":
        found.append((f"is on {tensor.device}", "cpu"))
    if tensor.is_conj():
        found.append(("is to be conjugated", "resolve_conj"))
    if tensor.is_neg():
        found.append(("is to be negated", "resolve_neg"))
    if is_half(tensor.dtype):
        found.append((f"has dtype {tensor.dtype}", "float"))
    if not found:
        return None
    reasons = " and ".join(reason for reason, _ in found)
    calls = "".join(f".{call}()" for _, call in found)
    more = " (pyrnn.torch has layers that torch trains)" if tensor.requires_grad else ""
    return f"is a tensor that {reasons}, {expected}: {argument}{calls}{more}"


def conversion(value: Any, argument: str, dtype: str) -> str:
    """The call that makes float32 or float64 of an array, in the words of its library."""
    library = library_of(value)
    if library == "torch":
        return f"{argument}.{'double' if dtype == 'float64' else 'float'}()"
    if library == "polars":
        return f"{argument}.cast(polars.{dtype.capitalize()})"
    if hasattr(value, "astype"):
        return f"{argument}.astype(np.{dtype})"
    if is_foreign(value) and not hasattr(value, "__array__"):
        return f"np.from_dlpack({argument}).astype(np.{dtype})"
    return f"np.array({argument}, np.{dtype})"
