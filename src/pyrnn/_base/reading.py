"""Reading ahead: what comes next is read while the present batch is computed with."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 2  # batches that are read, or being read, before they are asked for


def read_in_order(
    items: Sequence[Item], read: Callable[[Item], Result], *, ahead: bool
) -> Generator[Result]:
    """read(item) of all items in order; with `ahead` by a thread, which is a few items ahead. Its
    errors are raised when their item is asked for. It is to be closed (`contextlib.closing`)."""
    if not ahead:
        yield from map(read, items)
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    waiting, rest = deque[Future[Result]](), iter(items)
    reader = ThreadPoolExecutor(1, thread_name_prefix="pyrnn-reader")
    try:
        for item in rest:
            waiting.append(reader.submit(read, item))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # also when nobody asks for more
        reader.shutdown(wait=True, cancel_futures=True)


def is_stored(dataset: Any) -> bool:
    """Whether the samples of a dataset come from a store, batch by batch, rather than from memory:
    they are read ahead, and checked as they are read."""
    return bool(getattr(dataset, "is_stored", False))
