"""Rolling origins: series, the origins of their forecasts, and how forecasts are judged there."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..._base.checks import Array
from .form import Form
from .measures import Judged, naive_scale
from .series import Series
from .transform import Transform

Groups = tuple[dict[str, Array], list[Array]]


@dataclass(frozen=True)
class Rolling:
    """What the forecaster and its baselines are asked for alike."""

    many: list[Series]
    form: Form
    horizon: int
    reach: int  # the steps that must follow an origin
    start: int  # the first origin, on which measures and baselines rest
    stride: int
    season: int
    level: float | None  # of intervals
    quantiles: tuple[float, ...]  # those of the forecaster
    refit: bool

    @cached_property
    def origins(self) -> list[Array]:
        """The numbers of steps known, for each series; if refitted, the same for all."""
        ends = [len(series) for series in self.many]
        ends = [min(ends)] * len(ends) if self.refit else ends
        return [np.arange(self.start, end - self.reach + 1, self.stride) for end in ends]

    def check(self, owner: str) -> None:
        """ValueError for a series without origins or without a season known."""
        for i, (series, some) in enumerate(zip(self.many, self.origins, strict=True)):
            if len(some) == 0 or self.start <= self.season:
                added = "horizon" if self.reach == self.horizon else "the fitted horizon"
                raise ValueError(
                    f"{owner}: {self.form.name('y', i)} has {len(series)} steps, expected at least "
                    f"{self.start + self.reach} = start + {added}, and start > {self.season} = "
                    "season"
                )

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantiles that the pinball loss is of."""
        if self.quantiles:
            return self.quantiles
        return (0.5,) if self.level is None else ((1 - self.level) / 2, 0.5, (1 + self.level) / 2)

    @cached_property
    def came(self) -> list[Array]:
        """(N, horizon, D) of each series: what came from each origin on, views of it."""
        views = []
        for series, some in zip(self.many, self.origins, strict=True):
            ahead = sliding_window_view(series.y, self.horizon, axis=0).transpose(0, 2, 1)
            views.append(ahead[some[0] : some[-1] + 1 : self.stride])
        return views

    def judge(
        self,
        middle: list[Array],
        far: list[Array] | None,
        quantiles: list[Array] | None,
        transform: Transform,
    ) -> Judged:
        """Forecasts beside what came, as Judged has them."""
        scales = [naive_scale(series.y[: self.start], self.season) for series in self.many]
        return Judged(middle, far, quantiles, self.levels, self.came, scales, transform)

    def groups(self, by: str) -> Groups:
        """The names of the rows of a table, and for each series which row its values go to."""
        D = self.many[0].y.shape[1]
        if by == "step":
            steps = np.arange(self.horizon)
            return {"step": steps + 1}, [steps[:, None]] * len(self.many)
        if by == "origin":
            known = [s + some for s, some in zip(self.form.starts, self.origins, strict=True)]
            every = np.unique(np.concatenate(known))
            rows = [np.searchsorted(every, some)[:, None, None] for some in known]
            clock = self.form.clock
            return {"origin": every if clock is None else clock.stamps(every - 1).wall}, rows
        if by == "series":
            rows = [i * D + np.arange(D) for i in range(len(self.many))]
            return self._names(D), rows
        return {}, [np.zeros(1, int)] * len(self.many)

    def _names(self, D: int) -> dict[str, Array]:
        """Those of the series, and where these have several columns of the columns."""
        count = len(self.form.keys)
        keys = np.empty(count, dtype=object)
        lone = self.form.kind == "array" and D == 1
        keys[:] = (self.form.columns if lone else None) or self.form.keys
        if D == 1:
            return {"series": keys}
        columns = np.empty(D, dtype=object)
        columns[:] = self.form.columns or range(D)
        if self.form.kind == "array":
            return {"column": columns}
        return {"series": keys.repeat(D), "column": np.tile(columns, count)}
