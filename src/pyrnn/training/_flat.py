"""Flat: the gradients of all parameters in one line, so that they are added and sent at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from .._base.checks import Array
from .._base.parameter import Parameter


class Buffer:
    """A line of numbers for each dtype, in which every parameter has a place."""

    def __init__(self, groups: Sequence[Sequence[Parameter]], sizes: Sequence[int]) -> None:
        self.lines = [
            np.zeros(size, group[0].dtype) for group, size in zip(groups, sizes, strict=True)
        ]
        self.places: list[Array] = []
        for group, line in zip(groups, self.lines, strict=True):
            start = 0
            for parameter in group:
                end = start + parameter.size
                self.places.append(line[start:end].reshape(parameter.shape))
                start = end


class Flat:
    """Buffers for the gradients of some parameters, which are used again and again.

    A line has room for one more number than there are elements, and a multiple of `parts`.
    """

    def __init__(self, parameters: Sequence[Parameter], parts: int = 1) -> None:
        self._given, self._parts = list(parameters), parts
        dtypes = sorted({p.dtype for p in self._given}, key=str)
        self._groups = [[p for p in self._given if p.dtype == dtype] for dtype in dtypes]
        self._parameters = [parameter for group in self._groups for parameter in group]
        self.sizes = [sum(p.size for p in group) for group in self._groups]
        self._lengths = [-(-(size + 1) // parts) * parts for size in self.sizes]
        self._free: list[Buffer] = []
        self.parts: list[Array] = []  # what was sent last

    def __reduce__(self) -> tuple[type, tuple[Sequence[Parameter], int]]:
        return Flat, ([], self._parts)

    def fitting(self, parameters: Sequence[Parameter]) -> "Flat":
        """This, or another one for other parameters."""
        same = len(parameters) == len(self._given) and all(map(_is, parameters, self._given))
        return self if same else Flat(parameters, self._parts)

    def zeros(self) -> Buffer:
        """A buffer of zeros."""
        if not self._free:
            return Buffer(self._groups, self._lengths)
        buffer = self._free.pop()
        for line in buffer.lines:
            line.fill(0)
        return buffer

    def parts_of(self, count: int) -> list[Array]:
        """For each line `parts` parts of `count` lines, (parts, count, length / parts): the same
        arrays each time, with what they had."""
        shapes = [(self._parts, count, length // self._parts) for length in self._lengths]
        if [part.shape for part in self.parts] != shapes:
            self.parts = [
                np.zeros(shape, group[0].dtype)
                for shape, group in zip(shapes, self._groups, strict=True)
            ]
        return self.parts

    def release(self, buffer: Buffer) -> None:
        """The buffer is not needed any more."""
        self._free.append(buffer)

    def add(self, left: Buffer, right: Buffer) -> Buffer:
        """left + right, in left's place."""
        for a, b in zip(left.lines, right.lines, strict=True):
            np.add(a, b, out=a)
        self.release(right)
        return left

    @contextmanager
    def kept(self) -> Iterator[None]:
        """After it every `.grad` is the array that it was before, whatever `gather_in` did."""
        own = [parameter.grad for parameter in self._parameters]
        try:
            yield
        finally:
            for parameter, gradient in zip(self._parameters, own, strict=True):
                parameter.take_grad(gradient)

    def gather_in(self, buffer: Buffer) -> None:
        """From here on pullbacks add into the buffer."""
        for parameter, place in zip(self._parameters, buffer.places, strict=True):
            parameter.take_grad(place)

    def add_to_grads(self, buffer: Buffer) -> None:
        """Adds a buffer to every `.grad`."""
        for parameter, place in zip(self._parameters, buffer.places, strict=True):
            np.add(parameter.grad, place, out=parameter.grad)
        self.release(buffer)


def _is(one: Parameter, other: Parameter) -> bool:
    return one is other
