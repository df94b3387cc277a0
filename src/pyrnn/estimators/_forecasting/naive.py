"""naive_forecast: what a forecaster has to beat."""

from typing import Any

import numpy as np

from ..._base.checks import check_size
from .form import form_of
from .labels import read_labels
from .series import read_parts


def naive_forecast(y: Any, horizon: int, season: int = 1) -> Any:
    """Repeats the last `season` steps of each series: the forecast that others have to beat.

    season=1 repeats the last value. y is a series (T,) or (T, D), or a list or dict of them; the
    forecasts (horizon,) or (horizon, D) come in the same form. ValueError for a series of fewer
    than `season` steps, and for a table whose times are out of order or have gaps.
    """
    owner = "naive_forecast"
    horizon = check_size(owner, "horizon", horizon)
    season = check_size(owner, "season", season)
    form = form_of(owner, y)
    read_labels(owner, form, y=y)
    forecasts = []
    for i, rows in enumerate(read_parts(owner, "y", y, form)):
        if len(rows) < season:
            raise ValueError(
                f"{owner}: {form.name('y', i)} has {len(rows)} steps, "
                f"expected at least {season} = season"
            )
        forecasts.append(rows[len(rows) - season :][np.arange(horizon) % season])
    return form.pack(forecasts)
