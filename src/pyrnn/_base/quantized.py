"""Weights in bfloat16: parameters of a model that is for inference alone."""

from typing import Any, NoReturn

import numpy as np

from .checks import Array
from .parameter import Parameter, _versions
from .tensor_file import BF16, widened


class QuantizedParameter(Parameter):
    """A Parameter whose numbers are kept in bfloat16, the upper half of a float32.

    `data` makes an array of float32 of them at each call. It is frozen, and cannot be written.
    """

    __slots__ = ("_bits",)

    def __init__(self, bits: Array) -> None:
        self.__setstate__((bits,))

    @classmethod
    def nearest(cls, values: Array) -> "QuantizedParameter":
        """The numbers of bfloat16 next to those of float32, of two equally near the even one."""
        bits = np.ascontiguousarray(values).view(np.uint32)
        even = (bits >> 16) & 1
        return cls(((bits + (0x7FFF + even)) >> 16).astype(np.uint16))

    @property
    def _array(self) -> Array:  # type: ignore[override]
        return _as_floats(self._bits)

    _view = _array

    @property
    def kept(self) -> Array:
        """The numbers' bits, uint16."""
        return self._bits

    def stored(self) -> Array:
        """A copy of the numbers as files hold them."""
        return self._bits.copy().view(BF16)

    @property
    def hollow(self) -> bool:
        return False

    @property
    def shape(self) -> tuple[int, ...]:
        return self._bits.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32, which `data` is and the layer computes in."""
        return np.dtype(np.float32)

    @property
    def size(self) -> int:
        return self._bits.size

    @property
    def ndim(self) -> int:
        return self._bits.ndim

    @property
    def nbytes(self) -> int:
        return self._bits.nbytes

    @property
    def requires_grad(self) -> bool:
        """False: it is not trained."""
        return False

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value is not False:
            self._refuse()

    def writing(self) -> NoReturn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise RuntimeError(
            "Parameter: its numbers are in bf16, for inference alone; write or train those of the "
            "float32 model, and quantize it again"
        )

    def __len__(self) -> int:
        return len(self._bits)

    def __repr__(self) -> str:
        return super().__repr__().replace("requires_grad=False", "bf16")

    def __getstate__(self) -> Any:
        return (self._bits,)

    def __setstate__(self, state: Any) -> None:
        self._requires_grad = False
        self._bits = np.array(state[0], np.uint16, order="C")
        self._bits.flags.writeable = False
        self._version = next(_versions)


def from_file(stored: Array) -> QuantizedParameter:
    """A parameter of what `stored()` gave."""
    return QuantizedParameter(stored.view(np.uint16))


def is_quantized(parameter: Any) -> bool:
    """Whether a parameter's numbers are in bf16."""
    return isinstance(parameter, QuantizedParameter)


def check_trainable(owner: str, parameters: Any) -> None:
    """ValueError if there are parameters that nothing trains."""
    if any(map(is_quantized, parameters)):
        raise ValueError(
            f"{owner}: weights are in bf16, which is for inference alone, expected float32: train "
            "the model that was quantized, and quantize it again"
        )


def _as_floats(bits: Array) -> Array:
    """The numbers of bfloat16, exactly, for reading."""
    floats = widened(bits)
    floats.flags.writeable = False
    return floats
