"""LayerTrace: one direction of one recurrent layer over a sequence."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .._base.checks import Array, describe
from .._base.settings import Settings

INFLUENCE_STEPS = 200  # T up to which |dh_t/dx_s| is computed: its cost grows with T squared


class LayerTrace(Settings):
    """What one direction of one recurrent layer computed: an element of `Trace.layers`.

    `layer["f"]` is an array (T, H), in the order of the sequence also where the layer reads it
    backwards. `layer.names` lists them: of an LSTM the gates i, f, o, the candidate g, what each is
    the sigmoid or tanh of (a_i, ...), h and c, and the states of the step before (h_before,
    c_before); of a GRU r, z, n, a_r, a_z, a_n, h; of an RNN a and h. `layer.x` (T, F) is what came
    in.

    `layer.dh` and `layer.dc` (T, H) are dL/dh_t and dL/dc_t, all that comes back to a state from
    its own step and later ones; `layer.gradient_norms` are |dL/dh_t| and, of an LSTM, |dL/dc_t|,
    (T,) each, by the names "h" and "c".

    KeyError for a name that is not there.

    Examples
    --------
    >>> trace = pyrnn.trace(pyrnn.GRU(3, 4, seed=0), np.ones((5, 3), np.float32))
    >>> gru = trace.layers[0]
    >>> z, n, before = gru["z"], gru["n"], gru["h_before"]
    >>> bool(np.allclose((1 - z) * n + z * before, gru["h"]))
    True
    >>> gru.gradient_norms["h"].shape
    (5,)
    """

    def __init__(self, name: str, inside: Any, number: int, gradients: Callable[[], Any]) -> None:
        self.name, self.layer = name, inside.layer
        self._direction = inside.directions[number]
        self._gradients = gradients

    @property
    def x(self) -> Array:
        """What came in, (T, F)."""
        x: Array = self._direction.x
        return x

    @property
    def reads_backwards(self) -> bool:
        """Whether this direction begins with the last step."""
        return bool(self._direction.reverse)

    @property
    def names(self) -> tuple[str, ...]:
        """Of what there are values, in the order of the equations."""
        lines = [line.name for line in self._direction.equations]
        return (*lines, *(n for n in self._direction.values if n not in lines))

    @property
    def dh(self) -> Array:
        """dL/dh_t, (T, H)."""
        dh: Array = self._gradients()[0]
        return dh

    @property
    def dc(self) -> Array | None:
        """dL/dc_t, (T, H); None of a layer without c."""
        dc: Array | None = self._gradients()[1]
        return dc

    @property
    def gradient_norms(self) -> dict[str, Array]:
        """|dL/dh_t| and |dL/dc_t|, (T,) each, by "h" and "c"."""
        return norms_of((self.dh, self.dc))

    def __getitem__(self, name: str) -> Array:
        """The values (T, H) of a name."""
        values = self._direction.values
        if name not in values:
            raise KeyError(
                f"{self.name}: {describe(name)}, expected one of {', '.join(self.names)}"
            )
        array: Array = values[name]
        return array

    def _phrases(self) -> Iterator[str]:
        yield repr(self.name)
        yield f"{len(self.x)} steps"
        yield f"{self['h'].shape[1]} units"
        yield ", ".join(self.names)


def norms_of(states: Any) -> dict[str, Array]:
    """|dL/dh_t| and |dL/dc_t| (T,) of dL/dh and dL/dc (T, H), by "h" and "c"."""
    pairs = zip("hc", states, strict=True)
    return {name: np.linalg.norm(d, axis=1) for name, d in pairs if d is not None}
