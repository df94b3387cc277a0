"""What a training is made of, as JSON values: what one that resumes is compared with."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .._base.description import as_json, kept_options
from .._base.module import Module
from .._base.samples import Samples, cut
from ..optim._optimizer import Optimizer
from ..optim._schedule import Schedule

# Options that change no number: where results are kept, and how much memory they take.
FREE = ("batch_first", "recompute_every")
# What older files hold for an option whose value was not read: it says nothing.
UNREAD = ("Constraints", "Parameter", "method")
SEEN_SAMPLES, SEEN_STEPS, SEEN_ELEMENTS = 1000, 4096, 2**24  # of data, at most


class Options(dict[str, Any]):
    """Options by name, with the defaults that they have: what a checkpoint of an older version,
    which did not know an option yet, was written with."""

    def __init__(self, values: Mapping[str, Any], *makers: Callable[..., Any]) -> None:
        super().__init__(values)
        self.defaults: dict[str, Any] = {}
        for maker in makers:
            for name, argument in inspect.signature(maker).parameters.items():
                if argument.default is not argument.empty:
                    self.defaults[name] = _plain(argument.default)

    def value_in(self, stored: Mapping[str, Any], name: str) -> Any:
        """What a stored description says of an option, or means where it does not name it."""
        return stored.get(name, self.defaults.get(name))


def describe_module(module: Module) -> dict[str, Any]:
    """The class and the options of a module and all its parts, by name."""
    return {name: describe(part) for name, part in module.named_modules()}


def describe_optimizer(optimizer: Optimizer, module: Module) -> dict[str, Any]:
    """Its options but for the learning rates, which schedules set, and who is in which group."""
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    maker = type(optimizer).__init__
    return {
        "class": type(optimizer).__name__,
        "options": [
            Options({name: _plain(value) for name, value in options.items() if name != "lr"}, maker)
            for options in optimizer.groups
        ],
        "groups": [[names.get(id(p)) for p in members] for members in optimizer.members],
    }


def describe(thing: Any) -> dict[str, Any]:
    """The class of an object, and those of its constructor's options that it keeps."""
    cls = type(thing)
    if getattr(cls, "config", Module.config) is not Module.config:
        options = thing.config()
    else:  # a user's module need not keep all
        options = kept_options(thing)
    plain = {name: _plain(value) for name, value in options.items() if name not in FREE}
    return {"class": cls.__name__, "options": Options(plain, cls.__init__)}


def describe_samples(samples: Samples | None) -> dict[str, Any] | None:
    """Numbers of samples and steps, and a fingerprint of the lengths and of a thousand samples
    at even distances in the data, the first 4096 steps of each."""
    import hashlib

    if samples is None:
        return None
    content, count = hashlib.sha256(), len(samples)
    if samples.lengths is not None:
        content.update(np.ascontiguousarray(samples.lengths, np.int64).data)
    width = min(SEEN_STEPS, max(1, samples.steps()))
    size = width * int(np.prod(samples.sample_shape[1:], dtype=np.int64))
    most = min(SEEN_SAMPLES, count, max(1, SEEN_ELEMENTS // max(1, size)))
    rows = np.arange(most) * count // most
    for block in cut(rows, 1 + len(rows) // 16):
        batch = samples.batch(block, 0, width)
        targets = batch.target if isinstance(batch.target, list) else [batch.target]
        inputs = [x for _, x in samples.inputs(batch)]
        for array in [*inputs, *targets, batch.target_lengths, batch.weight]:
            if array is not None:
                content.update(f"{array.dtype} {array.shape}".encode())
                content.update(np.ascontiguousarray(array).data)
    return {
        "number of samples": count,
        "number of time steps": samples.total_steps,
        "fingerprint of samples": content.hexdigest()[:32],
    }


def first_difference(stored: Any, own: Any, name: str = "") -> str:
    """Where two descriptions differ, in words; "" if they do not. An option that `stored` does not
    name had its default."""
    if isinstance(stored, Mapping) and isinstance(own, Mapping):
        keys = [*own, *(key for key in stored if key not in own)]
        known = own if isinstance(own, Options) else Options(own)
        places = ((key, known.value_in(stored, key), own.get(key)) for key in keys)
    elif isinstance(stored, list) and isinstance(own, list) and len(stored) == len(own):
        places = ((str(i), a, b) for i, (a, b) in enumerate(zip(stored, own, strict=True)))
    else:
        # By their reprs NaN is NaN, and 1 is neither 1.0 nor True.
        same = stored in UNREAD or repr(stored) == repr(own)
        return "" if same else f"{name} = {_short(stored)}, expected {_short(own)}"
    found = (first_difference(a, b, f"{name} {key}".strip()) for key, a, b in places)
    return next(filter(None, found), "")


def _short(value: Any) -> str:
    """A value for a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _plain(value: Any) -> Any:
    """An option as JSON holds it; an array by its numbers, a function by its name, another object
    by its class."""
    value = as_json(value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    if isinstance(value, Schedule):
        return describe(value)
    if callable(value) and hasattr(value, "__name__"):  # a function, a ufunc of numpy, a class
        return (
            f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value.__name__)}"
        )
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return type(value).__name__
