"""Flat: the gradients of all parameters in one line, so that they are added and sent at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from .._base.checks import Array
from .._base.parameter import Parameter

Buffer = list[Array]  # a line for each dtype of the parameters


class Flat:
    """Buffers for the gradients of some parameters, which are used again and again.

    A line has room for one more number than there are elements, and a multiple of `parts`.
    """

    def __init__(self, parameters: Sequence[Parameter], parts: int = 1) -> None:
        self._parameters, self._parts = list(parameters), parts
        self._groups = [
            [p for p in self._parameters if p.dtype == dtype]
            for dtype in sorted({p.dtype for p in self._parameters}, key=str)
        ]
        self.sizes = [sum(p.size for p in group) for group in self._groups]
        self._free: list[Buffer] = []

    def fitting(self, parameters: Sequence[Parameter]) -> "Flat":
        """This, or another one for other parameters."""
        known = [(id(p), p.shape, p.dtype) for p in self._parameters]
        if known == [(id(p), p.shape, p.dtype) for p in parameters]:
            return self
        return Flat(parameters, self._parts)

    def zeros(self) -> Buffer:
        """A buffer of zeros."""
        if not self._free:
            lengths = [-(-(size + 1) // self._parts) * self._parts for size in self.sizes]
            types = [group[0].dtype for group in self._groups]
            return [np.zeros(n, dtype) for n, dtype in zip(lengths, types, strict=True)]
        buffer = self._free.pop()
        for line in buffer:
            line.fill(0)
        return buffer

    def release(self, buffer: Buffer) -> None:
        """The buffer is not needed any more."""
        self._free.append(buffer)

    def add(self, left: Buffer, right: Buffer) -> Buffer:
        """left + right, in left's place."""
        for a, b in zip(left, right, strict=True):
            np.add(a, b, out=a)
        self.release(right)
        return left

    @contextmanager
    def gathering_in(self, buffer: Buffer) -> Iterator[None]:
        """Within, `.grad` of every parameter is its place in the buffer."""
        own = [parameter.grad for parameter in self._parameters]
        try:
            for parameter, place in self._places(buffer):
                parameter.grad = place
            yield
        finally:
            for parameter, gradient in zip(self._parameters, own, strict=True):
                parameter.grad = gradient

    def add_to_grads(self, buffer: Buffer) -> None:
        """Adds a buffer to every `.grad`."""
        for parameter, place in self._places(buffer):
            np.add(parameter.grad, place, out=parameter.grad)
        self.release(buffer)

    def _places(self, buffer: Buffer) -> Iterator[tuple[Parameter, Array]]:
        """Each parameter with its place."""
        for group, line in zip(self._groups, buffer, strict=True):
            start = 0
            for parameter in group:
                yield parameter, line[start : start + parameter.size].reshape(parameter.shape)
                start += parameter.size
