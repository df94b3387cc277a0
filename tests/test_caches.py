"""Promise: thresholds go by the machine's caches, and no bit does."""

import hashlib
from contextlib import contextmanager

import numpy as np
import pytest

import pyrnn
from pyrnn import _core

KIB, MIB = 1 << 10, 1 << 20
SIZES = (256 * KIB, 1 * MIB, 2 * MIB, 8 * MIB)  # of the second level
THREADS = (1, 2, 3, 7, 16)
BF16 = " with products of bfloat16"
H = 200  # a layer's weights take 0.3 (RNN) to 1.3 MB (LSTM): the sizes are on both sides of them
LAYERS = {
    "RNN": lambda: pyrnn.RNN(H, H, seed=0),
    "GRU": lambda: pyrnn.GRU(H, H, seed=0),
    "GRU, reset before": lambda: pyrnn.GRU(H, H, reset_after=False, seed=0),
    "LSTM, two layers": lambda: pyrnn.LSTM(H, H, num_layers=2, seed=0),
    "LSTM, projected": lambda: pyrnn.LSTM(H, H, proj_size=96, seed=0),
    "LSTM, both directions": lambda: pyrnn.LSTM(64, H, bidirectional=True, seed=0),
    "LSTM, options": lambda: pyrnn.LSTM(64, H, layer_norm=True, peephole=True, zoneout=0.1, seed=0),
}


def kernels_of_this_cpu():
    """Its instruction sets, and those that multiply numbers of bfloat16."""
    try:
        pyrnn.set_precision("bf16")
    except ValueError:
        return pyrnn.available_isas()
    pyrnn.set_precision("float32")
    return [*pyrnn.available_isas(), pyrnn.active_isa() + BF16]


KERNELS = kernels_of_this_cpu()


@contextmanager
def machine(isa, second, threads):
    """Calls inside find these; afterwards everything is as it was."""
    caches, active = _core.cache_sizes(), _core.active_isa()
    _core._set_isa(isa.removesuffix(BF16))
    _core._set_bf16(isa.endswith(BF16))
    _core._set_cache_sizes(caches[0], second)
    try:
        with pyrnn.threads(threads):
            yield
    finally:
        _core._set_cache_sizes(*caches)
        _core._set_isa(active)


def results(make, rows):
    """Whole sequences, training, ragged training and a stream's steps, on new weights each time."""
    layer, rng = make(), np.random.default_rng(1)
    x = rng.standard_normal((rows, 6, layer.input_size), np.float32)
    yield layer(x)[0]
    for lengths in (None, rng.integers(1, 7, rows)):
        layer.zero_grad()
        (y, _), pullback = layer.vjp(x, lengths=lengths, rng=1)
        dx, _ = pullback(np.cos(y))
        yield from (y, dx, *(p.grad for p in layer.parameters()))
    if not layer.bidirectional:
        step = layer.stream(batch_size=rows).step
        yield from [step(x[:, t]) for t in range(3)]


def digest(arrays):
    """Of all bits."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("isa", KERNELS)
@pytest.mark.parametrize("rows", [1, 20])
@pytest.mark.parametrize("name", LAYERS)
def test_no_bit_depends_on_caches_or_threads(name, rows, isa):
    digests = set()
    for second in SIZES:
        for threads in THREADS:
            with machine(isa, second, threads):
                digests.add(digest(results(LAYERS[name], rows)))
    assert len(digests) == 1


@pytest.mark.parametrize("isa", KERNELS)
def test_no_bit_of_a_linear_layer_depends_on_them(isa):
    x = np.random.default_rng(0).standard_normal((40, 700), np.float32)
    digests = set()
    for second in SIZES:
        for threads in THREADS:
            layer = pyrnn.Linear(700, 600, seed=0)
            with machine(isa, second, threads):
                y, pullback = layer.vjp(x)
                dx = pullback(np.cos(y))
            digests.add(digest((y, dx, *(p.grad for p in layer.parameters()))))
    assert len(digests) == 1


def test_the_machine_tells_its_caches():
    first, second = _core.cache_sizes()
    assert 8 * KIB <= first <= second <= 32 * MIB


def test_what_is_no_size_is_refused():
    before = _core.cache_sizes()
    for sizes in ((0, MIB), (KIB, -1)):
        with pytest.raises(ValueError, match="expected bytes"):
            _core._set_cache_sizes(*sizes)
    assert _core.cache_sizes() == before
