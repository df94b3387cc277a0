"""Weights in bfloat16 or int8: parameters of a model that is for inference alone."""

from collections.abc import Iterable
from typing import Any, ClassVar, NoReturn

import numpy as np

from .bfloat16 import narrowed, widened
from .checks import Array
from .parameter import Parameter, _versions
from .tensor_file import BF16, Int8Rows, Stored


class QuantizedParameter(Parameter):
    """A Parameter whose numbers are kept in a narrower form than float32.

    `data` makes an array of float32 of them at each call. It is frozen, and cannot be written.
    """

    __slots__ = ("_narrow",)
    form: ClassVar[str]

    def __init__(self, *state: Array) -> None:
        self.__setstate__(state)

    @classmethod
    def nearest(cls, values: Array) -> "QuantizedParameter":
        """The numbers of this form next to those of float32, of two equally near the even one."""
        raise NotImplementedError

    def _widened(self) -> Array:
        raise NotImplementedError

    @property
    def _array(self) -> Array:  # type: ignore[override]
        floats = self._widened()
        floats.flags.writeable = False
        return floats

    _view = _array

    @property
    def hollow(self) -> bool:
        return False

    @property
    def numbers(self) -> Array:
        """The integers that stand for the weights: in bf16 their bits, uint16; in int8 int8."""
        return self._narrow

    @property
    def shape(self) -> tuple[int, ...]:
        return self._narrow.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32, which `data` is and the layer computes in."""
        return np.dtype(np.float32)

    @property
    def size(self) -> int:
        return self._narrow.size

    @property
    def ndim(self) -> int:
        return self._narrow.ndim

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.__getstate__())

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
            f"Parameter: its numbers are in {self.form}, for inference alone; write or train those "
            "of the float32 model, and quantize it again"
        )

    def __len__(self) -> int:
        return len(self._narrow)

    def __repr__(self) -> str:
        return super().__repr__().replace("requires_grad=False", self.form)

    def __getstate__(self) -> Any:
        return (self._narrow,)

    def __setstate__(self, state: Any) -> None:
        self._requires_grad = False
        self._narrow = _kept(state[0])
        self._version = next(_versions)


class Bf16Parameter(QuantizedParameter):
    """In bfloat16, the upper half of a float32."""

    __slots__ = ()
    form = "bf16"

    @classmethod
    def nearest(cls, values: Array) -> "Bf16Parameter":
        return cls(narrowed(values))

    def _widened(self) -> Array:
        return widened(self._narrow)

    @property
    def kept(self) -> Array:
        """The numbers' bits, uint16."""
        return self._narrow

    def stored(self) -> Array:
        """A copy of the numbers as files hold them."""
        return self._narrow.copy().view(BF16)


class Int8Parameter(QuantizedParameter):
    """A row of numbers from -127 to 127 times a scale of its own.

    A scale is the largest magnitude in the row over 127, rounded up to 17 bits: its product with a
    number is a float32, so that `data` has the rows exactly, and the core finds the scale in it.
    """

    __slots__ = ("_scales",)
    form = "int8"

    @classmethod
    def nearest(cls, values: Array) -> "Int8Parameter":
        largest = np.abs(values).max(axis=1, initial=0)
        bits = (largest / np.float32(127)).view(np.uint32)
        scales = ((bits + np.uint32(0x7F)) & np.uint32(0xFFFFFF80)).view(np.float32)
        scales[largest < 2.0**-119] = 0  # the core's least: 1/scale would be infinite
        with np.errstate(all="ignore"):  # of what is not finite, `data` is not either
            numbers = np.rint(values / np.where(scales == 0, np.inf, scales)[:, None])
            return cls(numbers.astype(np.int8), scales)

    def _widened(self) -> Array:
        return Int8Rows(*self.kept).widened()

    @property
    def scales(self) -> Array:
        """The rows' scales, float32."""
        return self._scales

    @property
    def kept(self) -> tuple[Array, Array]:  # type: ignore[override]
        """The numbers, int8, and the rows' scales, float32."""
        return self._narrow, self._scales

    def stored(self) -> Int8Rows:  # type: ignore[override]
        """A copy of both as files hold them."""
        return Int8Rows(self._narrow.copy(), self._scales.copy())

    def __getstate__(self) -> Any:
        return self.kept

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        self._scales = _kept(state[1])


FORMS: dict[str, type[QuantizedParameter]] = {c.form: c for c in (Bf16Parameter, Int8Parameter)}


def from_file(stored: Stored) -> QuantizedParameter | Array:
    """The parameter of what its `stored()` gave; other arrays as they are."""
    if isinstance(stored, Int8Rows):
        return Int8Parameter(*stored)
    return Bf16Parameter(stored.view(np.uint16)) if stored.dtype == BF16 else stored


def is_quantized(parameter: Any) -> bool:
    """Whether a parameter's numbers are in a narrower form."""
    return isinstance(parameter, QuantizedParameter)


def form_of(parameters: Iterable[Any]) -> str:
    """The form that all of them are in; "" if there is none."""
    forms = {getattr(parameter, "form", "") for parameter in parameters}
    return forms.pop() if len(forms) == 1 else ""


def check_trainable(owner: str, parameters: Iterable[Any]) -> None:
    """ValueError if there are parameters that nothing trains."""
    if (narrow := next(filter(is_quantized, parameters), None)) is not None:
        raise ValueError(
            f"{owner}: weights are in {narrow.form}, which is for inference alone, expected "
            "float32: train the model that was quantized, and quantize it again"
        )


def _kept(array: Any) -> Array:
    """A copy that nothing writes."""
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy
