"""Autoregression: the linear part of a forecasting network, which reads the last steps."""

from typing import Any

import numpy as np

from .._base.checks import Array, check_memory, check_size
from .._base.functions import broadcast_to, concat
from .._base.module import Module, storable
from .._base.parameter import Parameter


@storable
class Autoregression(Module):
    """y_t = W (x_t, x_{t-1}, ..., x_{t-lags+1}) + b: linear in the last steps of x.

    The autoregressive part of Lai et al. 2018 (LSTNet). Of x (N, T, F), the first `lagged` features
    are read at all these steps, the first `relative` of those as differences from their present
    values, and the others, such as what is known of the future, at step t alone. Before the first
    step x was as it is there. The state is what later steps read of earlier ones. Weights begin at
    0: least squares has them in closed form.

    The rows of `weight` are: (lags - 1, lagged), the oldest step first; the present values of those
    of the lagged that are not relative; the others.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self, in_features: int, out_features: int, *, lags: int, lagged: int, relative: int = 0
    ) -> None:
        self.in_features = check_size("Autoregression", "in_features", in_features)
        self.out_features = check_size("Autoregression", "out_features", out_features)
        self.lags = check_size("Autoregression", "lags", lags)
        self.lagged = check_size("Autoregression", "lagged", lagged)
        self.relative = check_size("Autoregression", "relative", relative, minimum=0)
        if not relative <= lagged <= in_features:
            raise ValueError(
                f"Autoregression: relative, lagged, in_features are {relative}, {lagged}, "
                f"{in_features}, expected none greater than the next"
            )
        rows = (lags - 1) * lagged - relative + in_features
        check_memory("Autoregression", rows * out_features, self.dtype)
        self.weight = Parameter.zeros((rows, out_features), self.dtype)
        self.bias = Parameter.zeros((out_features,), self.dtype)

    def forward(self, x: Any, state: Any = None) -> Any:
        """(y, state): state (N, lags - 1, lagged) has the last steps."""
        x = x if self.batch_first else x.swapaxes(0, 1)
        N, T, _ = x.shape
        lagged = x[..., : self.lagged]
        if state is None:
            state = broadcast_to(lagged[:, :1], (N, self.lags - 1, self.lagged))
        joined = concat([state, lagged], axis=1)
        windows = joined[:, np.arange(T)[:, None] + np.arange(self.lags)]
        windows = windows.reshape(N, T, self.lags * self.lagged)
        first, others = self._of_windows()
        y = windows @ first + self.bias
        if self.in_features > self.lagged:
            y = y + x[..., self.lagged :] @ others
        return (y if self.batch_first else y.swapaxes(0, 1)), joined[:, T:]

    def _of_windows(self) -> tuple[Any, Any]:
        """The weights (lags * lagged, out) of the lagged features as they are: differences take
        from those of the present values. And those of the others."""
        before = (self.lags - 1) * self.lagged
        own = self.lagged - self.relative
        past, present = self.weight[:before], self.weight[before : before + own]
        if self.relative:
            each = past.reshape(self.lags - 1, self.lagged, self.out_features)
            present = concat([-each[:, : self.relative].sum(axis=0), present])
        return concat([past, present]), self.weight[before + own :]

    def rows(self, x: Array) -> Array:
        """(T - lags + 1, rows of `weight`): what is multiplied with the weights at each step of
        x (T, F) that has all its lags."""
        lagged, others = x[:, : self.lagged], x[self.lags - 1 :, self.lagged :]
        steps = np.arange(len(others))[:, None] + np.arange(self.lags)
        windows = lagged[steps]
        past, present = windows[:, :-1], windows[:, -1]
        past[..., : self.relative] -= present[:, None, : self.relative]
        pieces = [past.reshape(len(steps), (self.lags - 1) * self.lagged)]
        return np.concatenate([*pieces, present[:, self.relative :], others], axis=1)
