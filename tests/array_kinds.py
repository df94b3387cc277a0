"""The kinds of arrays that public calls take: other libraries', and stand-ins that have nothing but
the protocol."""

import numpy as np
import pytest


class OnlyArray:
    """Has `__array__`, and nothing else that arrays have."""

    def __init__(self, array):
        self.held = array

    def __array__(self, dtype=None, copy=None):
        made = np.asarray(self.held, dtype=dtype)
        return made.copy() if copy else made


class OnlyDLPack:
    """Has `__dlpack__`, and nothing else that arrays have."""

    def __init__(self, array):
        self.held = np.array(array)

    def __dlpack__(self, **options):
        return self.held.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.held.__dlpack_device__()


class Derived(np.ndarray):
    """What memory maps and other classes derived from numpy's look like."""


def read_only(array):
    """Read-only, not contiguous."""
    wide = np.repeat(array, 2, axis=-1)[..., ::2]
    wide.flags.writeable = False
    return wide


def of_torch():
    return pytest.importorskip("torch").tensor


def of_jax():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)  # else it makes int32 and float32 of all
    return jax.numpy.asarray


def of_array_api():
    return pytest.importorskip("array_api_strict").asarray


def table_of(name):
    """A library's columns and tables; what has more axes stays numpy's."""
    library = pytest.importorskip(name)
    return lambda a: {1: library.Series, 2: library.DataFrame}.get(a.ndim, np.asarray)(a)


KINDS = {
    "array": lambda: OnlyArray,
    "dlpack": lambda: OnlyDLPack,
    "derived": lambda: lambda array: array.view(Derived),
    "read_only": lambda: read_only,
    "torch": of_torch,
    "jax": of_jax,
    "array_api_strict": of_array_api,
    "pandas": lambda: table_of("pandas"),
    "polars": lambda: table_of("polars"),
}
