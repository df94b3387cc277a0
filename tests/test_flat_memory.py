"""Promise: memory stays flat over many shapes, calls, models and errors.

Each child does the same work again and again, and counts the pages that the process holds after a
first part of it and at the end.
"""

import pytest

from children import run

FLAT = """
    import os, resource
    import pyrnn
    from pyrnn import losses, optim

    def held():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    def growth(work, times):
        for k in range(times // 4):
            work(k)
        before = held()
        for k in range(times // 4, times):
            work(k)
        return held() - before

    def refused(call, *arguments):
        try:
            call(*arguments)
        except (TypeError, ValueError):
            return
        raise AssertionError(f"{arguments} was accepted")

    rng = np.random.default_rng(0)
    layer = pyrnn.LSTM(8, 16, num_layers=2, seed=0)
    def classifier(size):
        return pyrnn.Sequential(pyrnn.GRU(8, size), pyrnn.LastStep(), pyrnn.Linear(size, 2))
    x, small = np.ones((4, 9, 8), "f4"), np.ones((1, 1, 8), "f4")
    stream = classifier(16)[:1].stream()

    def shapes(k):
        given = np.ones((*rng.integers(1, 60, 2), 8), "f4")
        layer(given)
        (y, _), pullback = layer.vjp(given, lengths=rng.integers(0, given.shape[1] + 1, len(given)))
        pullback(y)

    def tiny(k):
        layer(small)

    def steps(k):
        stream.step(small[:, 0])

    def abandoned(k):
        layer.vjp(x)  # its pullback is never called

    def errors(k):
        refused(layer, x[..., :3])
        refused(layer.vjp, x, (small, small))
        refused(layer, x, None, [1, -1, 2, 3])
        _, pullback = layer.vjp(x)
        refused(pullback, x)
        refused(stream.step, x)
        refused(pyrnn.GRU, 8, -k)

    def models(k):
        made = classifier(16 + k % 7)
        trainer = pyrnn.Trainer(made, losses.MSE(), optim.Adam())
        trainer.fit(x, np.ones((4, 2), "f4"), epochs=1, progress=False)
        made[:1].stream().step(small[:, 0])
"""
WORK = {"shapes": 2000, "tiny": 100_000, "steps": 100_000, "abandoned": 5000, "errors": 2500}
WORK |= {"models": 200}


@pytest.mark.parametrize("what", WORK)
def test_the_process_does_not_grow(what):
    """By less than a megabyte, or by that of the largest shape where shapes are drawn."""
    (grown,) = run(f"{FLAT}\n    print(growth({what}, {WORK[what]}))")
    assert int(grown) < (4_000_000 if what == "shapes" else 1_000_000)


def test_what_grows_is_found():
    code = f"{FLAT}\n    kept = []\n    print(growth(lambda k: kept.append(np.ones(1000)), 2000))"
    assert int(run(code)[0]) > 10_000_000
