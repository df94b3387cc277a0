"""What the cases share: random numbers, the order of axes, and both versions of the interface."""

import inspect
from dataclasses import dataclass, replace

import numpy as np

import pyrnn

MODELS_HAVE_AN_ORDER = hasattr(pyrnn.Sequential, "run")  # and are called for y alone

T, B, I, H = 37, 17, 7, 9  # two chunks of steps in a weight gradient's sum; no full vectors
DTYPES = ("float32", "float64")
BOTH, TIME_MAJOR = (False, True), (False,)
CALL = ("snns", "sn", "sn")  # x, state, lengths, mask give y, state and dx, dstate


def takes(made, name):
    """Whether a function, or the constructor of a class, has this argument."""
    function = made.__init__ if isinstance(made, type) else made
    return name in inspect.signature(function).parameters


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


@dataclass
class At:
    """What a case is computed with: random numbers, a dtype, an order of axes."""

    rng: np.random.Generator
    dtype: np.dtype
    batch_first: bool

    def one_order(self):
        """The setting for models and attention, which sum over all steps and rows at once.

        Before models had an order of axes, such a sum (the gradient of a Linear's weight) followed
        the caller's array: with batch-first arrays, sample by sample. Since then it goes through
        the steps, whatever the order of axes. So the old version always gets time-major arrays.
        """
        return replace(self, batch_first=self.batch_first and MODELS_HAVE_AN_ORDER)

    def normal(self, *shape):
        return self.rng.standard_normal(shape).astype(self.dtype)

    def like(self, value):
        """Random arrays of the shapes of those in a nest of tuples."""
        if isinstance(value, tuple):
            return tuple(map(self.like, value))
        return None if value is None else self.normal(*np.shape(value))

    def ids(self, n, *shape):
        return self.rng.integers(n, size=shape)

    def lengths(self, steps=T, rows=B, least=0):
        """Lengths of rows, the shortest and the longest among them."""
        lengths = self.rng.integers(least, steps + 1, size=rows)
        lengths[:2] = [least, steps][:rows]
        return lengths

    def mask(self, steps=T, rows=B):
        return self.rng.random((steps, rows)) < 0.7

    def turn(self, kinds, *values):
        """Sequences (kind "s") from time-major to this order or back; the others as they are."""
        swaps = [kind == "s" and self.batch_first for kind in kinds]
        return tuple(
            np.ascontiguousarray(v.swapaxes(0, 1)) if swap and v is not None else v
            for v, swap in zip(values, swaps, strict=False)
        )

    def part(self, name, *args, **options):
        """A part of a model, or a module without an order of axes; random weights."""
        cls = getattr(pyrnn, name)
        given = {"dtype": self.dtype, "seed": 0}
        module = cls(*args, **{k: v for k, v in given.items() if takes(cls, k)}, **options)
        for _, p in sorted(module.named_parameters()):
            p[...] = self.rng.uniform(-0.5, 0.5, p.shape).astype(self.dtype)
        return module

    def alone(self, name, *args, **options):
        """A module with an order of axes of its own."""
        return self.part(name, *args, batch_first=self.batch_first, **options)

    def model(self, *parts):
        order = {"batch_first": self.batch_first} if MODELS_HAVE_AN_ORDER else {}
        return pyrnn.Sequential(*parts, **order)


class TimeMajor:
    """A loss, metric or decoder that is given (T, B, ...) arrays, whatever order it takes itself.

    A loss adds its terms in memory order, or step by step. For an array that is time-major in
    memory both are the same, so a version that wants the sample first is given a view of it.
    """

    def __init__(self, make, *args, **options):
        self.sample_first = not takes(make, "batch_first")
        self.made = make(*args, **options, **({} if self.sample_first else {"batch_first": False}))

    def turn(self, value):
        timed = self.sample_first and isinstance(value, np.ndarray) and value.ndim > 1
        return value.swapaxes(0, 1) if timed else value

    def call(self, method, *given):
        return self.turn(getattr(self.made, method)(*map(self.turn, given)))

    def vjp(self, *given):
        value, pullback = self.made.vjp(*map(self.turn, given))
        return value, self.turn(pullback())


def infer(module, *given, **options):
    """What a call returns, as a tuple; (y, state) for a model."""
    if MODELS_HAVE_AN_ORDER and isinstance(module, pyrnn.Sequential):
        output = module.run(*given, **options)
        return output.y, output.state
    return as_tuple(module(*given, **options))


def gradients(module):
    return {name: p.grad.copy() for name, p in module.named_parameters()}


def passes(at, module, kinds, *given, **options):
    """Inference, training, all gradients; kinds of the arguments, outputs and their gradients."""
    taken, returned, sent = kinds
    given = at.turn(taken, *given)
    inferred = at.turn(returned, *infer(module, *given, **options))
    module.zero_grad()
    outputs, pullback = module.vjp(*given, **options)
    outputs = at.turn(returned, *as_tuple(outputs))
    back = pullback(*at.turn(returned, *at.like(outputs)))
    return inferred, outputs, at.turn(sent, *as_tuple(back)), gradients(module)


def ten_steps(at, model, loss, optimizer, x, target, lengths=None, after=lambda value: None):
    """Ten losses, with after(loss) for each, then the weights and the optimizer's state, without
    the options: newer versions have more of them.
    """
    values = []
    for _ in range(10):
        (y, _), pullback = model.vjp(*at.turn("s", x), lengths=lengths)
        value, dy = loss.vjp(*at.turn("s", y), target, lengths)
        pullback(*at.turn("s", dy))
        values += [value, after(value)]
        optimizer.step(model)
        model.zero_grad()
    state = optimizer.state_dict()
    rates = [options["lr"] for options in (state["options"], *state.get("groups", ()))]
    return values, model.state_dict(), state["state"], state["steps"], rates
