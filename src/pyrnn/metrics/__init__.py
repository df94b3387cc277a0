"""Metrics: accumulated over batches, exact; what the loss leaves out never counts.

metric = pyrnn.metrics.F1("macro")
for ...: metric.update(y, target, lengths)      # mask=: what else does not count
metric.name, metric.value           # "f1_macro", a float; NaN before the first batch
metric.reset()

`flat` and `entity_f1` compare labels of sequences, such as those of a tagger, rather than scores.
"""

from .._base.face import present as _present
from ._classification import Accuracy as Accuracy
from ._classification import Perplexity as Perplexity
from ._entities import EntityF1 as EntityF1
from ._entities import EntityPrecision as EntityPrecision
from ._entities import EntityRecall as EntityRecall
from ._flat import entity_f1 as entity_f1
from ._flat import entity_precision as entity_precision
from ._flat import entity_recall as entity_recall
from ._flat import flat as flat
from ._metric import Metric as Metric
from ._per_class import F1 as F1
from ._per_class import Confusion as Confusion
from ._per_class import Precision as Precision
from ._per_class import Recall as Recall
from ._ranking import AUC as AUC
from ._regression import MAE as MAE
from ._regression import MASE as MASE
from ._regression import MSE as MSE
from ._regression import R2 as R2
from ._regression import RMSE as RMSE

_present(globals())
