"""Losses: the mean over the real elements, and its gradient.

    value = loss(y, target, lengths)                  # or mask=
    value, pullback = loss.vjp(y, target, lengths)
    dy = pullback()            # d value / d y; pullback(dloss) multiplies it by dloss

Real is what neither `lengths` nor `mask` leaves out (and no CrossEntropy target is `ignore_index`).
`sample_weight=` has a weight for each sample or step: the mean is sum(w * loss) / sum(w);
`reduction="sum"` and "none" are those of torch. What is not real, or has weight 0, is never read
and has gradient 0. With nothing real the loss is 0.0 and the
gradient zero, where torch has NaN. Targets that are NaN or infinite are refused: what is missing
has to be said by `lengths`, `mask` or `ignore_index`. The sample comes first, y (N, T, ...), as in
a Trainer; a y of three axes or more is added up step by step, the rows of a step one after the
other, in float64: neither strides nor more or less padding change a bit.
"""

from .._base.face import present as _present
from ._classification import BCEWithLogits as BCEWithLogits
from ._classification import CrossEntropy as CrossEntropy
from ._ctc import CTC as CTC
from ._likelihoods import GaussianNLL as GaussianNLL
from ._likelihoods import NegativeBinomialNLL as NegativeBinomialNLL
from ._likelihoods import PoissonNLL as PoissonNLL
from ._likelihoods import StudentTNLL as StudentTNLL
from ._loss import Loss as Loss
from ._pullback import LossPullback as LossPullback
from ._regression import MAE as MAE
from ._regression import MSE as MSE
from ._regression import Huber as Huber
from ._regression import Quantile as Quantile
from ._regression import SmoothL1 as SmoothL1

_present(globals())
