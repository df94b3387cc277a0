"""Classes: what classifier and tagger share."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from .._base.checks import Array
from ..losses import Loss
from ._base import SequenceEstimator
from ._class_targets import (
    OneLabel,
    SeveralLabels,
    Targets,
    YesOrNo,
    class_weights,
    factors,
    read_classes,
    same_classes,
)
from ._data import Given
from ._weights import Weight, over_steps, times


@dataclass(kw_only=True, eq=False, repr=False)
class ClassEstimator(SequenceEstimator):
    """Labels, their numbers and weights."""

    class_weight: Any = None

    _kinds: ClassVar[dict[str, Any]] = SequenceEstimator._kinds | {
        "classes_": Array | list[Array],
        "_targets": OneLabel | YesOrNo | SeveralLabels,
        "_class_weights": list[Array] | None,
    }

    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: Any = None,
        sample_weight: Any = None,
        lengths: Any = None,
        mask: Any = None,
    ) -> Self:
        """One more epoch on X and y, weighted and padded as for `fit`.

        The first call, unless a fit came before, makes the network: it decides on scale and
        vocabulary, and `classes` are all labels that will ever come, those of y without; of
        several labels per sample a list of them, one for each.
        """
        fresh = self._begin(keep=True)
        if classes is not None:
            found = read_classes(type(self).__name__, classes)
            if not hasattr(fresh, "network_"):
                fresh.classes_ = found
            elif not same_classes(found, fresh.classes_):
                raise ValueError(
                    f"{type(self).__name__}: classes is {_shown(found)}, which is not the same as "
                    f"on last call to partial_fit, was: {_shown(fresh.classes_)}"
                )
        given = Given(X, y, sample_weight, self._padding(lengths, mask))
        fresh._learn(given, self._seed(), 1, hold_out=False)
        return self._finish(fresh)

    def _note_targets(self, targets: Targets) -> None:
        """Takes over what the first y decides."""
        self._targets = targets
        self.classes_ = targets.classes

    def _weighted(self, target: Any, weight: Weight | None, *, first: bool) -> Weight | None:
        owner, per_step = type(self).__name__, isinstance(target, list)
        steps = [len(numbers) for numbers in target] if per_step else [1] * len(target)
        numbers = np.concatenate(target) if per_step else target
        if first:
            of_each = over_steps(weight, steps)
            self._class_weights = class_weights(
                owner, self.class_weight, self._targets, numbers, of_each
            )
        if self._class_weights is None:
            return weight
        found = factors(self._targets, self._class_weights, numbers)
        return times(weight, np.split(found, np.cumsum(steps)[:-1]) if per_step else found)

    def _outputs(self) -> int:
        return self._targets.outputs

    def _loss(self) -> Loss:
        return self._targets.loss()


def _shown(classes: Any) -> Any:
    """Classes for a message."""
    return [_shown(one) for one in classes] if isinstance(classes, list) else classes.tolist()
