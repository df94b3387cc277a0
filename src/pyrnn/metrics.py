"""Metrics: accumulated over batches, exact, padding never counts.

metric = pyrnn.metrics.F1("macro")
for ...: metric.update(y, target, lengths)
metric.name, metric.value           # "f1_macro", a float; NaN before the first batch
metric.reset()
"""

from ._class_metrics import F1, Accuracy, Perplexity
from ._metric import Metric
from ._regression_metrics import MAE, MASE, RMSE

__all__ = ["F1", "MAE", "MASE", "RMSE", "Accuracy", "Metric", "Perplexity"]
