"""EMA: an exponential moving average of the weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._base.checks import (
    Array,
    as_plain_array,
    check_mapping,
    check_probability,
    check_size,
    describe,
    describe_all,
)
from .._base.module import Module
from .._base.parameter import Parameter
from .._base.settings import Settings
from ._groups import Parameters, named_parameters


class EMA(Settings):
    """average = decay * average + (1 - decay) * weights, at every `update()`.

    Polyak & Juditsky 1992 for the idea; torch.optim.swa_utils.AveragedModel with
    get_ema_multi_avg_fn: the first update copies the weights. `parameters` is a Module or
    Parameters, whose number, order and shapes stay; ValueError at the next update if a parameter
    of the Module has been replaced, as tying two of them does.

        ema = pyrnn.optim.EMA(model.parameters(), decay=0.999)
        ...; optimizer.step(model); ema.update()
        with ema.applied():
            model(x)            # with the averages

    ValueError unless 0 <= decay <= 1.

    Examples
    --------
    >>> layer = pyrnn.Linear(3, 1, seed=0)
    >>> layer.bias[...] = 1.0
    >>> ema = pyrnn.optim.EMA(layer, decay=0.5)
    >>> ema.update()  # the first copies
    >>> layer.bias[...] = 3.0
    >>> ema.update()
    >>> with ema.applied():
    ...     layer.bias.data
    array([2.], dtype=float32)
    """

    _always_shown = ("decay",)
    _shown_state = ("updates",)
    _module: Module | None = None

    def __init__(self, parameters: Parameters, decay: float = 0.999) -> None:
        self.decay = check_probability("EMA", "decay", decay)
        self.updates = 0
        self._parameters = dict(named_parameters("EMA", parameters))
        self._module = parameters if isinstance(parameters, Module) else None
        self._averages = {name: p.data.copy() for name, p in self._parameters.items()}
        self._applied = False

    @property
    def parameters(self) -> list[Parameter]:
        """What is averaged."""
        return list(self._parameters.values())

    def update(self) -> None:
        """Takes the weights, as they are now, into the averages; RuntimeError inside `applied`."""
        self._refuse_if_applied("update")
        if self._module is not None:
            self.check_belonging(self._module)
        for name, average in self._averages.items():
            weights = self._parameters[name].data
            if self.updates:
                difference = weights - average
                difference *= average.dtype.type(1.0 - self.decay)
                average += difference
            else:
                average[...] = weights
        vars(self)["updates"] += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the parameters hold the averages; after it, what they held before.

        What is written to them inside is lost. RuntimeError for one inside another.
        """
        self._refuse_if_applied("applied")
        if self._module is not None:
            self.check_belonging(self._module)
        kept = {name: parameter.data.copy() for name, parameter in self._parameters.items()}
        self._applied = True
        try:
            self._write(self._averages)
            yield
        finally:
            self._write(kept)
            self._applied = False

    def check_belonging(self, module: Module) -> None:
        """ValueError unless all that is averaged are parameters of a module."""
        own = {id(parameter) for parameter in module.parameters()}
        foreign = [name for name, p in self._parameters.items() if id(p) not in own]
        if foreign:
            raise ValueError(
                f"EMA: averages {len(foreign)} parameters that are not the model's, or not any "
                f"more ({describe_all(foreign)}): expected an EMA of this model, made after its "
                "parameters are tied"
            )

    def state_dict(self) -> dict[str, Any]:
        """Copies: {"decay": float, "updates": int, "averages": {name: array}}."""
        averages = {name: array.copy() for name, array in self._averages.items()}
        return {"decay": self.decay, "updates": self.updates, "averages": averages}

    def load_state_dict(self, mapping: Mapping[str, Any]) -> None:
        """Takes over a copy of what `state_dict` returned; TypeError or ValueError, with nothing
        changed, if its averages are of other parameters, or not finite."""
        self.take_state(self.read_state(mapping))

    def read_state(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """What `state_dict` returned, checked and copied."""
        mapping = check_mapping("EMA", "mapping", mapping)
        expected = {name: (a.shape, a.dtype) for name, a in self._averages.items()}
        given = mapping.get("averages") or {}
        if not isinstance(given, Mapping):
            raise TypeError(f"EMA: averages is {describe(given)}, expected arrays by name")
        read = {
            name: as_plain_array("EMA", f"averages[{describe(name)}]", array, "of floats")
            for name, array in given.items()
        }
        averages: dict[str, Array] = {n: np.array(array, order="C") for n, array in read.items()}
        found = {name: (a.shape, a.dtype) for name, a in averages.items()}
        if found != expected:
            wrong = sorted(n for n in found | expected if found.get(n) != expected.get(n))
            raise ValueError(
                f"EMA: the averages of {wrong[:5]} are not those of the parameters: "
                f"{found.get(wrong[0])} came, expected {expected.get(wrong[0])}"
            )
        for name, array in averages.items():
            if not np.isfinite(array).all():
                raise ValueError(f"EMA: the average of {name!r} is not finite")
        return {
            "decay": check_probability("EMA", "decay", mapping.get("decay")),
            "updates": check_size("EMA", "updates", mapping.get("updates"), minimum=0),
            "_averages": averages,
        }

    def take_state(self, state: dict[str, Any]) -> None:
        """Takes over what `read_state` returned."""
        vars(self).update(state)

    def _options(self) -> dict[str, Any]:
        return {"decay": self.decay}

    def _write(self, arrays: Mapping[str, Array]) -> None:
        """Writes all parameters."""
        for name, array in arrays.items():
            self._parameters[name][...] = array

    def _refuse_if_applied(self, name: str) -> None:
        if self._applied:
            raise RuntimeError(f"EMA: {name} was called inside `with ema.applied()`")
