"""Instruction sets, the number of threads, the workspace limit: what a whole process shares."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from .. import _core
from .checks import check_choice, check_size

MAX_THREADS = 1024
PRECISIONS = ("float32", "bf16")


def available_isas() -> list[str]:
    """The instruction sets that this CPU can run and pyrnn was built for, the best one first.

    Examples
    --------
    >>> pyrnn.available_isas()[-1]  # the one that every CPU has
    'baseline'
    """
    return _core.available_isas()


def active_isa() -> str:
    """The instruction set in use: the best one, or that of PYRNN_ISA.

    Examples
    --------
    >>> pyrnn.active_isa() in pyrnn.available_isas()
    True
    """
    return _core.active_isa()


def get_precision() -> str:
    """What float32 models round the operands of products to: "bf16", or "float32" (no rounding).

    Examples
    --------
    >>> pyrnn.get_precision()
    'float32'
    """
    return _core.active_precision()


def set_precision(name: str) -> None:
    """Sets what the matrix products of float32 models round their operands to, in all threads.

    With "bf16", recurrent layers and Linear round weights, inputs, hidden states and gradients to
    bfloat16, eight bits of precision, before they multiply them: y = bf16(x) bf16(W)^T + b,
    dx = bf16(dy) bf16(W), dW = bf16(dy)^T bf16(x), and db is the sum of bf16(dy). Sums, gates,
    states, parameters and files stay float32. A product takes about half the time, and each of its
    terms is off by up to 2^-8 of itself. The setting holds for calls that begin afterwards, in
    training and inference. Set it before training, not between a vjp and its pullback: there
    recurrent layers keep the precision of the vjp, and other layers do not.
    Attention, the recurrent part of a decoder that attends to a memory, CRF, CTC, float64 and
    quantized models are computed as before. Results are still the same for any number of threads,
    chunks and rows of a batch.

    TypeError or ValueError for another name, ValueError for "bf16" where the CPU, or the
    instruction set in use, lacks AVX512_BF16: it would be no faster there.

    Examples
    --------
    >>> pyrnn.set_precision("float32")
    """
    _core._set_bf16(check_choice("set_precision", "name", name, PRECISIONS) == "bf16")


def kernels_in_use() -> str:
    """What the bits of results depend on: the instruction set, and a precision below float32."""
    precision = get_precision()
    return active_isa() + ("" if precision == "float32" else f" with products of {precision}")


def _set_isa_from_environment() -> None:
    """PYRNN_ISA forces an instruction set; a name that is unknown or cannot run is a ValueError."""
    name = os.environ.get("PYRNN_ISA")
    if name:
        try:
            _core._set_isa(name)
        except ValueError as error:
            raise ValueError(f"PYRNN_ISA: {error}") from None


def _threads_from_environment() -> int:
    """PYRNN_NUM_THREADS, or the least of affinity mask, cgroup quota and OMP_NUM_THREADS."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # of the levels
    bound = int(first[:9]) if first.isascii() and first.isdigit() else 0  # as libgomp reads it
    _core._set_openmp_default(bound)
    text = os.environ.get("PYRNN_NUM_THREADS", "").strip()
    if not text:
        return min(_core.default_num_threads(), bound or MAX_THREADS, MAX_THREADS)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_THREADS):
        raise ValueError(f"PYRNN_NUM_THREADS is {text!r}, expected an integer in 1..{MAX_THREADS}")
    return int(text)


_set_isa_from_environment()
_default_threads = _threads_from_environment()
_told = bool(os.environ.get("PYRNN_NUM_THREADS", "").strip())  # rather than guessed
_threads_here: ContextVar[int | None] = ContextVar("pyrnn_threads", default=None)


def num_threads() -> int:
    """The most threads that a call made here and now asks the core for."""
    return min(_threads_here.get() or _default_threads, _core.thread_limit())


def num_threads_beside(others: int) -> int:
    """The same for a call from a library that uses `others` threads: no more, unless told so.

    Where that library and pyrnn share an OpenMP runtime, `others` is OpenMP's number, too, and no
    limit for a number that pyrnn was told.
    """
    told = _threads_here.get() or (_default_threads if _told else 0)
    return told or min(num_threads(), others)


def get_num_threads() -> int:
    """The most threads that a call made here and now may use; small work takes fewer.

    Never more than threadpoolctl, or whatever calls OpenMP's omp_set_num_threads, leaves; 1 where
    pyrnn was built without OpenMP.

    Examples
    --------
    >>> with pyrnn.threads(3):
    ...     pyrnn.get_num_threads()
    3
    """
    return num_threads()


def set_num_threads(n: int) -> None:
    """Sets the process's most threads per call, 1..1024; `with threads(n)` goes before it.

    The default is PYRNN_NUM_THREADS, or the least of the affinity mask, the cgroup quota and
    OMP_NUM_THREADS; threadpoolctl limits it further. Results do not depend on it. TypeError or
    ValueError for anything but such an integer.

    Examples
    --------
    >>> before = pyrnn.get_num_threads()
    >>> pyrnn.set_num_threads(1)
    >>> pyrnn.get_num_threads()
    1
    >>> pyrnn.set_num_threads(before)
    """
    global _default_threads, _told
    _default_threads, _told = check_size("set_num_threads", "n", n, maximum=MAX_THREADS), True


def share_threads(processes: int) -> None:
    """Divides the default number of threads by the processes that share the cores, unless the
    number was told."""
    global _default_threads
    if not _told and not os.environ.get("OMP_NUM_THREADS", "").strip():
        _default_threads = max(1, _core.default_num_threads() // processes)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """`with pyrnn.threads(n):` bounds the threads of the calls inside, in this context only.

    A ContextVar: other threads and tasks are not affected. Errors as `set_num_threads`.

    Examples
    --------
    >>> with pyrnn.threads(1):
    ...     pyrnn.get_num_threads()
    1
    """
    token = _threads_here.set(check_size("threads", "n", n, maximum=MAX_THREADS))
    try:
        yield
    finally:
        _threads_here.reset(token)


def set_workspace_limit(bytes: int) -> None:
    """Sets how many bytes of scratch memory each thread keeps between calls (256 MiB at first).

    TypeError or ValueError unless it is an integer >= 0.

    Examples
    --------
    >>> pyrnn.set_workspace_limit(64 * 2**20)  # a small machine with many threads
    >>> pyrnn.set_workspace_limit(256 * 2**20)
    """
    limit = check_size("set_workspace_limit", "bytes", bytes, minimum=0, maximum=2**62)
    _core.set_workspace_limit(limit)


def show_config() -> None:
    """Prints version, instruction sets, precision, caches, threads, compiler, Python and numpy.

    Examples
    --------
    >>> pyrnn.show_config()  # doctest: +ELLIPSIS
    pyrnn:...
    instruction set:...
    precision:...
    caches:...
    threads:...
    """
    build = _core.build_info()
    no_openmp = "" if build["openmp"] == "yes" else ", built without OpenMP"
    lines = {
        "pyrnn": build["version"],
        "instruction set": f"{active_isa()} (this CPU can run {', '.join(available_isas())})",
        "precision": get_precision(),
        "caches": "L1d {} KiB, L2 {} KiB".format(*(n // 1024 for n in _core.cache_sizes())),
        "threads": f"{get_num_threads()}{no_openmp}",
        "workspace limit": f"{_core.workspace_limit() / 2**20:g} MiB per thread",
        "compiler": f"{build['compiler']}, {build['build_type']}",
        "Python": sys.version.split()[0],
        "numpy": np.__version__,
    }
    for name, value in lines.items():
        print(f"{name + ':':17}{value}")
