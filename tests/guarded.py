"""Arrays between protected pages, and everything that the core does with them.

To be imported by a child process: a lane that strays beyond an array is a SIGSEGV.
"""

import ctypes
import mmap

import numpy as np

import pyrnn
from cases import Case
from compare import assert_same_bits
from pyrnn import losses

PAGE = mmap.PAGESIZE
SIZE = 64 * PAGE  # of each array's memory
CANARY = 0xA5  # fills what no array has
F = np.float32


class Guarded:
    """Copies of arrays that end, or begin, at a page that nobody may touch; each name has its own
    memory, and the bytes on the array's other side must stay as they are."""

    def __init__(self, at_end):
        self.at_end, self.memory, self.unused = at_end, {}, {}

    def __call__(self, name, array):
        memory = self.memory.setdefault(name, None)
        if memory is None:
            memory = self.memory[name] = between_protected_pages()
        start = SIZE - array.nbytes if self.at_end else 0
        end = start + array.nbytes
        copy = memory[start:end].view(array.dtype).reshape(array.shape)
        copy[...] = array
        self.unused[name] = memory[:start] if self.at_end else memory[end:]
        self.unused[name][:] = CANARY
        return copy

    def all(self, name, value):
        """The same for None, an array or a tuple of arrays."""
        if isinstance(value, tuple):
            return tuple(self(f"{name}[{k}]", array) for k, array in enumerate(value))
        return None if value is None else self(name, value)

    def check(self):
        for name, unused in self.unused.items():
            assert (unused == CANARY).all(), f"bytes beside {name} were written"


def between_protected_pages():
    whole = np.frombuffer(mmap.mmap(-1, SIZE + 2 * PAGE), np.uint8)
    for start in (0, PAGE + SIZE):
        address = ctypes.c_void_p(whole.ctypes.data + start)
        assert ctypes.CDLL(None).mprotect(address, ctypes.c_size_t(PAGE), 0) == 0
    return whole[PAGE : PAGE + SIZE]


class Plain:
    """What Guarded is compared with."""

    def all(self, name, value):
        return value

    __call__ = all


def of_recurrent(case, guard):
    """Inference, both passes of training and, in one direction, a stream."""
    problem = case.any_problem()
    layer = problem.layer
    x, d_y = guard("x", problem.x), guard("d_y", problem.d_y)
    state = guard.all("state", problem.state)
    d_state = guard.all("d_state", problem.pack_state(problem.d_hn, problem.d_cn))
    for name, p in layer.named_parameters():
        p.grad = guard(name, np.zeros(p.shape, p.dtype))
    lengths = problem.lengths
    results = [layer(x, state, lengths), *layer.vjp(x, state, lengths)]
    results.append(results.pop()(d_y, d_state))
    if not case.bidirectional:
        stream = layer.stream(batch_size=case.B)
        stream.state = state
        out = guard("out", np.zeros((case.B, case.features), case.dtype))
        results += [stream.step(guard("x_t", x_t), out=out).copy() for x_t in x]
        results.append(stream.run(x))
    return [*results, *(p.grad.copy() for p in layer.parameters())]


def recurrent(cell, sizes):
    """Checks a cell at sizes (input_size, hidden_size, B, T); returns how many were tried."""
    guards, tried = (Guarded(True), Guarded(False)), 0
    for n, (I, H, B, T) in enumerate(sizes):
        case = Case(
            cell, I, H, T=T, B=B,
            num_layers=1 + n % 5 // 4, bidirectional=n % 3 == 2,
            lengths="zeros" if n % 4 == 3 else "none",
            dtype="float32" if n % 8 else "float64",
        )  # fmt: skip
        expected = of_recurrent(case, Plain())
        for guard in guards:
            assert_same_bits(of_recurrent(case, guard), expected, str(case))
            guard.check()
            tried += 1
    return tried


def parts(B, T, I):
    """Modules by name, each with its input."""
    x = np.random.default_rng(0).standard_normal((B, T, I)).astype(F)
    ids = np.arange(B * T).reshape(B, T) % 5
    yield "Linear", pyrnn.Linear(I, 1 + 3 * I % 23, seed=0), x
    yield "Embedding", pyrnn.Embedding(5, I, seed=0), ids
    yield "LayerNorm", pyrnn.LayerNorm(I), x
    yield "Dropout", pyrnn.Dropout(0.5, seed=0), x
    for cls in (pyrnn.Tanh, pyrnn.Sigmoid, pyrnn.ReLU, pyrnn.Softmax):
        yield cls.__name__, cls(), x
    for cls in (pyrnn.LastStep, pyrnn.MaxPool, pyrnn.MeanPool, pyrnn.SumPool):
        yield cls.__name__, cls(), x


def of_part(module, x, guard):
    """A part's call, its vjp and its pullback."""
    x = guard("x", x)
    for name, p in module.named_parameters():
        p.grad = guard(name, np.zeros(p.shape, p.dtype))
    y, pullback = module.vjp(x, rng=0) if isinstance(module, pyrnn.Dropout) else module.vjp(x)
    dx = pullback(guard("dy", np.cos(y)))
    return [module(x), y, dx, *(p.grad.copy() for p in module.parameters())]


def targets(B, T, C):
    """Losses by name, each with its target and y."""
    y = np.random.default_rng(1).standard_normal((B, T, C)).astype(F)
    tags = np.arange(B * T).reshape(B, T) % C
    yield "MSE", losses.MSE(), np.sin(y), y
    yield "Huber", losses.Huber(), np.sin(y), y
    yield "BCEWithLogits", losses.BCEWithLogits(), (y > 0).astype(F), y
    yield "CrossEntropy", losses.CrossEntropy(), tags, y
    yield "CRF", pyrnn.CRF(C, seed=0), tags, y
    if C > 1:
        yield "CTC", losses.CTC(), np.ones((B, 1), np.int64), y


def of_loss(loss, target, y, guard):
    y, target = guard("y", y), guard("target", target)
    value, pullback = loss.vjp(y, target)
    return [np.float64(loss(y, target)), np.float64(value), pullback()]


def others(sizes):
    """Checks the other parts and the losses at sizes (features, B, T)."""
    guards, tried = (Guarded(True), Guarded(False)), 0
    for width, B, T in sizes:
        for name, module, x in parts(B, T, width):
            expected = of_part(module, x, Plain())
            for guard in guards:
                module.zero_grad()
                assert_same_bits(of_part(module, x, guard), expected, f"{name}{width, B, T}")
                guard.check()
                tried += 1
        for name, loss, target, y in targets(B, T, width):
            expected = of_loss(loss, target, y, Plain())
            for guard in guards:
                assert_same_bits(of_loss(loss, target, y, guard), expected, f"{name}{width, B, T}")
                guard.check()
                tried += 1
    return tried


def stray(at_end, offset):
    """What the harness is for: a read one byte beyond an array ends the process."""
    array = Guarded(at_end)("x", np.zeros(3, F))
    return ctypes.string_at(array.ctypes.data + offset, 1)
