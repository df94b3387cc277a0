"""CTC: the loss of labels without an alignment, and its decoders."""

from typing import Any, ClassVar

import numpy as np

from .. import _core
from .._base.checks import (
    SEQUENCES,
    Array,
    as_integers,
    as_lengths,
    check_flag,
    check_shape,
    check_size,
    read_floats,
)
from .._base.layout import stored
from .._base.runtime import num_threads
from .._base.targets import Bools, read_weights, sum_in_order
from ._loss import Loss
from ._pullback import LossPullback, PerElement

Labels = tuple[Array, float]  # a labelling and its log-probability


class CTC(Loss):
    """-log of the probability that softmax(y) gives to all alignments of the target's labels.

    Graves et al. 2006. y are logits (N, T, C); class `blank` says that no label is emitted. An
    alignment has one class for each of a row's steps; without its repetitions, then without its
    blanks, it is the target. Hence a target needs as many steps as it has labels, and one more
    between two equal ones.

    `loss(y, target, lengths, target_lengths)`; target is a list of N sequences of labels, each of
    its own length, or an array (N, S), whose rows have S labels, or the first `target_lengths`.
    `reduction="mean"` divides each row's loss by its number of labels (at least 1), then takes the
    mean over the rows, as torch.nn.CTCLoss; "sequence_mean" is the mean of the rows' losses, "sum"
    their sum, "none" all of them (N,). `sample_weight` (N,) weights the rows: a mean is divided by
    the sum of the weights.

    With a Trainer targets are a list of arrays, or an array whose rows have S labels each, and the
    model's output has x's time axis; metrics that compare y with targets step by step do not fit.

    ValueError for labels that are `blank` or outside [0, C), and for a target that needs more
    steps than its row has; with `zero_infinity` such a row, and one whose logits of -inf leave no
    alignment, has loss 0 and gradient 0. Sums over alignments are made in y's dtype, their
    scale taken out step by step and its logarithm added in float64. In float32 the loss is
    good to 1e-6 of itself; the gradient of a step is off by up to 3e-4 of the row's scale at
    100,000 steps.

    Examples
    --------
    >>> logits = np.zeros((1, 2, 2))  # two steps, blank and one label, each with probability 1/2
    >>> loss = pyrnn.losses.CTC()
    >>> round(float(np.exp(-loss(logits, [[1]]))), 6)  # (1, 1), (1, blank) and (blank, 1)
    0.75
    """

    reductions: ClassVar[tuple[str, ...]] = ("mean", "sequence_mean", "sum", "none")
    integer_target = True
    ragged_target: ClassVar[bool] = True
    takes_logits: ClassVar[bool] = True
    whole_sequences: ClassVar[bool] = True

    def __init__(
        self,
        blank: int = 0,
        *,
        reduction: str = "mean",
        zero_infinity: bool = False,
    ) -> None:
        super().__init__(reduction=reduction)
        self.blank = check_size("CTC", "blank", blank, minimum=0)
        self.zero_infinity = check_flag("CTC", "zero_infinity", zero_infinity)

    def __call__(  # type: ignore[override]
        self,
        y: Any,
        target: Any,
        lengths: Any = None,
        target_lengths: Any = None,
        *,
        sample_weight: Any = None,
    ) -> Any:
        """The mean over the sequences, or what `reduction` says."""
        return self._run(y, target, lengths, target_lengths, sample_weight, False)[0]

    def vjp(  # type: ignore[override]
        self,
        y: Any,
        target: Any,
        lengths: Any = None,
        target_lengths: Any = None,
        *,
        sample_weight: Any = None,
    ) -> tuple[Any, LossPullback]:
        """The value of a call, and a pullback: `dy = pullback(dloss=1.0)`."""
        value, dy, by_time = self._run(y, target, lengths, target_lengths, sample_weight, True)
        assert dy is not None
        elements = None
        if self.reduction == "none":
            rows = value.shape
            elements = PerElement(rows, (1, *rows) if by_time else rows, dy.shape)
        return value, LossPullback("CTC", dy, by_time, elements)

    def counted(
        self,
        y_shape: tuple[int, ...],
        target: Any,
        lengths: Any = None,
        *,
        sample_weight: Any = None,
    ) -> Bools:
        """True for every sequence (N,) that has a weight; checks as a call."""
        lengths = _read_lengths("CTC", "y", y_shape, lengths, batch_first=True)
        self._read_target(y_shape, target, lengths, None)
        real: Bools = _row_weights(sample_weight, len(lengths)) > 0
        return real

    def count(self, y_shape: tuple[int, ...], target: Any, lengths: Any = None) -> int:
        """The number of sequences; checks as a call."""
        return len(self.counted(y_shape, target, lengths))

    def batch_weight(
        self,
        y_shape: tuple[int, ...],
        target: Any,
        lengths: Any = None,
        *,
        sample_weight: Any = None,
    ) -> float:
        rows = self.count(y_shape, target, lengths)
        return sum_in_order(_row_weights(sample_weight, rows))

    def _run(
        self,
        y: Any,
        target: Any,
        lengths: Any,
        target_lengths: Any,
        sample_weight: Any,
        need_gradient: bool,
    ) -> tuple[Any, Array | None, bool]:
        """The value, where it is needed its gradient, and whether that is (T, N, C)."""
        y = read_floats("CTC", "y", y, None)
        lengths = _read_lengths("CTC", "y", y.shape, lengths, batch_first=True)
        labels, counts = self._read_target(y.shape, target, lengths, target_lengths)
        weights = _row_weights(sample_weight, len(lengths))
        if self.reduction in ("mean", "sequence_mean"):
            weights *= 1.0 / (sum_in_order(weights) or 1.0)
        if self.reduction == "mean":
            weights /= np.maximum(counts, 1)
        y, by_time = stored(y)
        losses, dy = _core.ctc_loss(
            y,
            lengths,
            labels,
            counts,
            weights.astype(y.dtype),
            self.blank,
            self.zero_infinity,
            need_gradient,
            not by_time,
            num_threads(),
        )
        if dy is not None:
            dy[(slice(None), weights == 0) if by_time else weights == 0] = 0  # whatever y is
        with np.errstate(invalid="ignore"):
            losses = np.where(weights > 0, losses * weights, 0.0)
        return losses if self.reduction == "none" else sum_in_order(losses), dy, by_time

    def _read_target(
        self, y_shape: tuple[int, ...], target: Any, lengths: Array, target_lengths: Any
    ) -> tuple[Array, Array]:
        """Labels (B, S), 0 after each row's own, and their numbers (B,); everything checked."""
        C = y_shape[-1]
        if self.blank >= C:
            raise ValueError(f"CTC: blank is {self.blank}, expected less than {C} classes")
        labels, counts = _as_labels(target, target_lengths, len(lengths))
        real = np.arange(labels.shape[1]) < counts[:, None]
        labels = np.where(real, labels, 0)
        wrong = np.argwhere(real & ((labels < 0) | (labels >= C) | (labels == self.blank)))
        if wrong.size:
            row, s = (int(i) for i in wrong[0])
            raise ValueError(
                f"CTC: target[{row}][{s}] is {labels[row, s]}, expected 0 <= label < {C} classes, "
                f"not the blank {self.blank}"
            )
        if not self.zero_infinity:
            _check_steps(labels, counts, lengths, real)
        return labels, counts


def _row_weights(sample_weight: Any, rows: int) -> Array:
    """The weights (N,) of rows, all 1 if none are given."""
    if sample_weight is None:
        return np.ones(rows)
    return read_weights("CTC", (rows,), np.ones(rows, bool), sample_weight)


def ctc_greedy(
    logits: Any, lengths: Any = None, *, blank: int = 0, batch_first: bool = True
) -> list[Labels]:
    """(labels, log-probability) for each row: those of the most probable single alignment.

    logits are (N, T, C), or (T, N, C) with batch_first=False; labels an int64 array. The
    probability is that of this alignment alone. Of equal classes the first. TypeError or ValueError
    for what does not fit.

    Examples
    --------
    >>> logits = np.log([[[0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]])
    >>> ((labels, log_p),) = pyrnn.ctc_greedy(logits)  # 1, 1, blank, 1
    >>> labels.tolist(), round(float(np.exp(log_p)), 4)
    ([1, 1], 0.4096)
    """
    rows = _decode("ctc_greedy", logits, lengths, blank, 0, batch_first)
    return [row[0] for row in rows]


def ctc_beam(
    logits: Any,
    lengths: Any = None,
    *,
    beam_width: int,
    blank: int = 0,
    batch_first: bool = True,
) -> list[list[Labels]]:
    """Prefix beam search: for each row up to `beam_width` of (labels, log-probability), best first.

    Hannun et al. 2014. The probability is the sum over the alignments that stayed in the beam,
    which is exact where the beam holds all prefixes. Inputs as `ctc_greedy`; ValueError unless
    beam_width >= 1.

    Examples
    --------
    >>> logits = np.log([[[0.6, 0.4], [0.6, 0.4]]])  # two steps, blank and one label
    >>> pyrnn.ctc_greedy(logits)[0][0].tolist()  # blank, blank: 0.36
    []
    >>> (beams,) = pyrnn.ctc_beam(logits, beam_width=2)
    >>> [(labels.tolist(), round(float(np.exp(log_p)), 4)) for labels, log_p in beams]
    [([1], 0.64), ([], 0.36)]
    """
    beam_width = check_size("ctc_beam", "beam_width", beam_width)
    return _decode("ctc_beam", logits, lengths, blank, beam_width, batch_first)


def _decode(
    owner: str, logits: Any, lengths: Any, blank: Any, beam_width: int, batch_first: Any
) -> list[list[Labels]]:
    """Checks, and the core's decoder."""
    batch_first = check_flag(owner, "batch_first", batch_first)
    logits = read_floats(owner, "logits", logits, None)
    lengths = _read_lengths(owner, "logits", logits.shape, lengths, batch_first)
    blank = check_size(owner, "blank", blank, minimum=0, maximum=logits.shape[-1] - 1)
    logits, swapped = stored(logits)
    by_row = batch_first is not swapped
    return _core.ctc_decode(logits, lengths, blank, beam_width, by_row, num_threads())


def _read_lengths(
    owner: str, name: str, shape: tuple[int, ...], lengths: Any, batch_first: bool
) -> Array:
    """The lengths (B,) of logits of this shape, which are the argument `name`."""
    if len(shape) != 3 or shape[-1] == 0:
        layout = "(N, T, C)" if batch_first else "(T, N, C)"
        raise ValueError(f"{owner}: {name} has shape {shape}, expected {layout} with C >= 1")
    B, T = shape[:2] if batch_first else shape[1::-1]
    return np.full(B, T) if lengths is None else as_lengths(owner, lengths, B, T)


def _as_labels(target: Any, target_lengths: Any, B: int) -> tuple[Array, Array]:
    """Labels (B, S) and their numbers (B,) of a ragged list or an array."""
    if isinstance(target, SEQUENCES) and target_lengths is None:
        rows = [as_integers("CTC", f"target[{i}]", row) for i, row in enumerate(target)]
        wrong = [i for i, row in enumerate(rows) if row.ndim != 1]
        if wrong or len(rows) != B:
            came = f"target[{wrong[0]}] of shape {rows[wrong[0]].shape}" if wrong else len(rows)
            raise ValueError(f"CTC: target holds {came}, expected {B} sequences of labels")
        counts = np.array([len(row) for row in rows], np.int64)
        labels = np.zeros((B, int(counts.max(initial=0))), np.int64)
        for to, row in zip(labels, rows, strict=True):
            to[: len(row)] = row
        return labels, counts
    labels = as_integers("CTC", "target", target)
    if labels.ndim != 2:
        raise ValueError(f"CTC: target has shape {labels.shape}, expected ({B}, S)")
    S = labels.shape[1]
    check_shape("CTC", "target", labels, (B, S), "(batch, labels)")
    if target_lengths is None:
        return labels, np.full(B, S)
    counts = as_integers("CTC", "target_lengths", target_lengths).copy()
    check_shape("CTC", "target_lengths", counts, (B,), "(batch,)")
    outside = np.flatnonzero((counts < 0) | (counts > S))
    if outside.size:
        raise ValueError(
            f"CTC: target_lengths[{outside[0]}] is {counts[outside[0]]}, expected 0 to {S} labels"
        )
    return labels, counts


def _check_steps(labels: Array, counts: Array, lengths: Array, real: Array) -> None:
    """ValueError for a row with too few steps for its labels."""
    repeats = (real[:, 1:] & (labels[:, 1:] == labels[:, :-1])).sum(axis=1)
    short = np.flatnonzero(counts + repeats > lengths)
    if short.size:
        row = int(short[0])
        raise ValueError(
            f"CTC: target[{row}] has {counts[row]} labels, {repeats[row]} of them equal to the one "
            f"before, which need {counts[row] + repeats[row]} steps; row {row} has {lengths[row]} "
            "(zero_infinity=True leaves such rows out)"
        )
