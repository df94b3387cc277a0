"""Errors of scikit-learn and numpy, given the name of the estimator's argument."""

from collections.abc import Iterator
from contextlib import contextmanager

from .._base.checks import printable


@contextmanager
def naming(owner: str, argument: str) -> Iterator[None]:
    """Inside, others check an argument: their errors are given its name, and are TypeErrors or
    ValueErrors, or a MemoryError."""
    try:
        yield
    except Exception as error:
        lines = str(error).splitlines()[:20]
        text = "\n".join(printable(line, 400) for line in lines)
        if isinstance(error, TypeError | ValueError) and text.startswith(f"{owner}: "):
            raise
        kinds = (TypeError, MemoryError)
        kind = next((kind for kind in kinds if isinstance(error, kind)), ValueError)
        raise kind(f"{owner}: {argument} does not fit: {text}") from None
