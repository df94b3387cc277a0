"""What each library does for a case: one file per library, imported when asked."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._cases import Case

PEERS = {  # and the packages that each needs
    "torch": ("torch",),
    "jax": ("jax", "jaxlib"),
    "onnxruntime": ("onnxruntime", "onnx"),  # the second writes its file
}
STEPS_COMPARED = 5  # of a stream


class Job(NamedTuple):
    """What is timed, and what is compared before: y, in training also the gradients by name."""

    call: Callable[[], Any]
    outputs: Callable[[], Mapping[str, NDArray[np.float32]]]


def job(library: str, case: Case, threads: int) -> Job | None:
    """A library's job; None where it does not do such a case, ImportError where it is missing."""
    return importlib.import_module(f"{__package__}._with_{library}").make(case, threads)  # type: ignore[no-any-return]


def steps_of(case: Case, step: Callable[[Any], Any]) -> dict[str, NDArray[np.float32]]:
    """The first outputs of a stream whose every input is the case's x."""
    x = case.data()[0]
    return {"y": np.stack([np.asarray(step(x)).reshape(-1) for _ in range(STEPS_COMPARED)])}
