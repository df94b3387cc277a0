"""Calls straight into `_core` with one argument wrong at a time, in a child process.

The child prints a row per call, `what|error|message`; a crash is its exit status.
"""

import subprocess
import textwrap

from children import PYTHON

PRELUDE = """
import faulthandler, sys
import numpy as np
from pyrnn import _core
faulthandler.enable(all_threads=False)
f32, f64, i64 = np.float32, np.float64, np.int64
def zeros(*shape): return np.zeros(shape, f32)
I, H, L, B, T = 3, 4, 2, 2, 5
def stack(cell="lstm", dtype="float32", size=I, hidden=H, layers=L, bi=True, bias=True, proj=0,
          dropout=0.0, merge="concat"):
    return _core.Stack(cell, dtype, size, hidden, layers, bi, bias, proj, dropout, merge)
def weights(cell="lstm", dtype=f32, layers=L, bi=True, bias=True, proj=0):
    G, P, out = {"l": 4, "g": 3, "r": 1}[cell[0]], proj or H, []
    for layer in range(layers):
        for _ in range(1 + bi):
            width = I if layer == 0 else (1 + bi) * P
            out += [np.ones((G*H, width), dtype), np.ones((G*H, P), dtype)]
            out += [np.ones(G*H, dtype)] * 2 * bias + [np.ones((P, H), dtype)] * (proj > 0)
    return out
def calls(function, good, **bad):
    '''Calls with one argument replaced at a time; good itself must work.'''
    function(*good.values())
    for name, values in bad.items():
        for value in values:
            try:
                function(*{**good, name: value}.values())
            except Exception as error:
                print(f"{name}={type(value).__name__}|{type(error).__name__}|{str(error)!r}")
            else:
                text = f"{value.dtype}{value.shape}" if hasattr(value, "dtype") else repr(value)
                print(f"{name}={text[:60]!r}|accepted|")
    function(*good.values())
not_arrays = [None, 1, "x", [[1.0]], object(), zeros(2, 2).tolist(), np.float32(1)]
def wrong_arrays(*shape, dtype=f32):
    '''Arrays that are nearly right: another dtype, layout or shape, the first axis apart.'''
    other = f64 if dtype != f64 else f32
    a = np.zeros(shape, dtype)
    out = [a.astype(other), a.astype(a.dtype.newbyteorder(">")), a.astype(object), a.astype(bool)]
    out += [a.astype(np.complex64), a.astype(np.float16), a.astype(np.int32), np.ma.array(a)]
    out += [np.zeros(n, dtype) for n in ((), (3,), (0,), (1, 1, 1, 1, 1))]
    out += [a[None], a[..., None], np.zeros((*shape[:-1], shape[-1] + 1), dtype)]
    if len(shape) > 1:
        out += [np.zeros((*shape[:-1], 2 * shape[-1]), dtype)[..., ::2], np.asfortranarray(a)]
        out += [np.broadcast_to(np.zeros((1,) * len(shape), dtype), shape)]
    raw = np.zeros(a.nbytes + 8, np.uint8)
    out += [raw[1 : 1 + a.nbytes].view(dtype).reshape(shape)]
    return out
def wrong_flags(*shape):
    '''The same of bools, which one byte cannot misalign.'''
    return [a for a in wrong_arrays(*shape, dtype=bool)
            if not (type(a) is np.ndarray and a.dtype == bool and a.shape == shape
                    and a.flags.c_contiguous)]
"""


def run(code):
    """Runs the code in a child, and returns what it printed as rows (what, error, message)."""
    command = [*PYTHON, "-c", PRELUDE + textwrap.dedent(code)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert child.returncode == 0, f"exit status {child.returncode}\n{child.stderr[-3000:]}"
    return [line.split("|", 2) for line in child.stdout.splitlines()]


def assert_all_refused(code, minimum):
    """Every call raised TypeError or ValueError with a message that names the argument."""
    rows = run(code)
    assert len(rows) >= minimum
    wrong = [row for row in rows if row[1] not in ("TypeError", "ValueError", "IndexError")]
    assert not wrong, wrong
    unclear = [row for row in rows if len(row[2]) < 10]
    assert not unclear, unclear
