"""Estimators with scikit-learn's conventions: classifiers, regressors, taggers, forecasters.

They take what users have (ragged lists, arrays, tables, tokens), build a network, train it and
predict, and work with Pipeline, GridSearchCV, cross_val_score and joblib; Forecaster with splits by
time, RollingOrigins. Needs scikit-learn: `pip install scikit-learn`; `import pyrnn` alone
does not load it.
"""

try:
    import sklearn as _sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "pyrnn.estimators needs scikit-learn, which is not installed: pip install scikit-learn"
    ) from error

from .._base.face import present as _present
from ._classifier import SequenceClassifier as SequenceClassifier
from ._file import load as load
from ._forecasting.backtest import Backtest as Backtest
from ._forecasting.baselines import naive_forecast as naive_forecast
from ._forecasting.forecaster import Forecaster as Forecaster
from ._forecasting.plots import plot_backtest as plot_backtest
from ._forecasting.plots import plot_forecast as plot_forecast
from ._forecasting.search import ForecasterSearch as ForecasterSearch
from ._forecasting.splitter import RollingOrigins as RollingOrigins
from ._regressor import SequenceRegressor as SequenceRegressor
from ._tagger import SequenceTagger as SequenceTagger

_present(globals())
