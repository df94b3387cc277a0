"""Training: Trainer and the parts that it is made of."""

from ._callbacks import Callback as Callback
from ._csv_logger import CSVLogger as CSVLogger
from ._early_stopping import EarlyStopping as EarlyStopping
from ._history import History as History
from ._learning_rates import LearningRateCurve as LearningRateCurve
from ._model_checkpoint import ModelCheckpoint as ModelCheckpoint
from ._pruning import PruningCallback as PruningCallback
from ._trainer import Trainer as Trainer
