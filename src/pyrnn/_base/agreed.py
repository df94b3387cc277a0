"""Errors that all processes of a training have agreed on: none of them waits for another."""

_MARK = "_pyrnn_agreed"


def mark_agreed(error: BaseException) -> None:
    """Every process raises this error."""
    setattr(error, _MARK, True)


def is_agreed(error: BaseException) -> bool:
    """Whether every process raises it."""
    return bool(getattr(error, _MARK, False))
