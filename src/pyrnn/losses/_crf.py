"""CRF: a linear-chain conditional random field, the loss of a tagger and its decoder."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from .. import _core, init
from .._base.checks import (
    Array,
    as_contiguous,
    as_lengths,
    as_plain_array,
    check_dtype,
    check_flag,
    check_memory,
    check_number,
    check_shape,
    check_size,
    read_floats,
)
from .._base.layout import stored, turned
from .._base.module import Module, storable
from .._base.parameter import Parameter
from .._base.pullback import Additions, Pullback, add_arrays
from .._base.runtime import num_threads
from .._base.seeding import generator
from .._base.targets import Bools, class_target, first_wrong, sum_in_order
from ._constraints import Constraints
from ._loss import Loss
from ._pullback import scale_gradients


@storable
class CRF(Module, Loss):
    """p(tags | emissions) = exp(score(tags)) / sum over all paths of exp(score(path)), with

    score(tags) = start[tags[0]] + sum over t of emissions[t, tags[t]]
                  + sum over t of transitions[tags[t-1], tags[t]] + end[tags[T-1]]

    Lafferty et al. 2001. Parameters as pytorch-crf's, drawn from U(-0.1, 0.1): `transitions` (K, K)
    from a tag to the next, `start_transitions` and `end_transitions` (K,).

    As a loss it is -log p of the target: `crf(emissions, target, lengths)` and
    `value, pullback = crf.vjp(...)`, whose pullback returns the gradient of the emissions and adds
    into .grad. `reduction="token_mean"` divides the sum over all sequences by the number of real
    steps, "mean" by the number of sequences that have any; "sum" divides it by nothing, "none"
    gives -log p of each sequence (N,). `sample_weight` (N,) weights the sequences: their sum is
    divided by the sum of the steps' or sequences' weights. emissions are (N, T, K), target is
    (N, T).

    `Trainer(model, crf, optimizer)` trains the CRF with the model, whatever the model's layout; its
    metrics see the tags that `decode` gives. Averaged weights need the parameters of both:
    `EMA([*model.parameters(), *crf.parameters()])`.

    `constraints` says which transitions there are: a mask (K, K) of bools, True where the second
    tag may follow the first, or (K+1, K+1), whose last row says which tags may begin a sequence
    and whose last column which may end it; see `bio_constraints`. Others have the score -inf
    whatever the parameters are. ValueError for constraints that allow no path at all, and for a
    target that breaks them. A row without steps has log-likelihood 0; what comes after
    the lengths is never read. A NaN in real emissions makes the results of its row NaN.

    Examples
    --------
    >>> crf = pyrnn.CRF(3, constraints=pyrnn.bio_constraints(["O", "B-PER", "I-PER"]), seed=0)
    >>> emissions = np.array([[[5, 0, 0], [0, 1, 3], [0, 0, 3], [5, 0, 0]]], np.float32)
    >>> crf.decode(emissions)[0].tolist()  # step by step it would be 0, 2, 2, 0
    [0, 1, 2, 0]
    >>> value, pullback = crf.vjp(emissions, np.array([[0, 1, 2, 0]]))
    >>> pullback().shape
    (1, 4, 3)
    """

    reductions: ClassVar[tuple[str, ...]] = ("token_mean", "mean", "sum", "none")
    integer_target = True
    whole_sequences: ClassVar[bool] = True

    def __init__(
        self,
        num_tags: int,
        *,
        constraints: Any = None,
        reduction: str = "token_mean",
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
    ) -> None:
        Loss.__init__(self, reduction=reduction)
        self.num_tags = check_size("CRF", "num_tags", num_tags)
        self.dtype = check_dtype("CRF", dtype)
        rng = generator("CRF", seed)
        check_memory("CRF", self.num_tags * (self.num_tags + 2), self.dtype)
        self.constraints = Constraints("CRF", constraints, self.num_tags)
        self.transitions = Parameter.zeros((self.num_tags, self.num_tags), self.dtype)
        self.start_transitions = Parameter.zeros((self.num_tags,), self.dtype)
        self.end_transitions = Parameter.zeros((self.num_tags,), self.dtype)
        for parameter in self.parameters():
            init.uniform(parameter, 0.1, generator=rng)

    def __call__(  # type: ignore[override]
        self, emissions: Any, target: Any, lengths: Any = None, *, sample_weight: Any = None
    ) -> Any:
        """The mean of -log p(target | emissions), or what `reduction` says."""
        emissions, lengths = self._read(emissions, lengths)
        checked = self._check(emissions.shape, None, target, lengths, None, sample_weight)
        nll = self._negative_log_likelihood(emissions, lengths, checked[0])
        return self._reduced(_weighted(nll, _of_rows(checked[2])), self._divisor(*checked))

    def vjp(  # type: ignore[override]
        self, emissions: Any, target: Any, lengths: Any = None, *, sample_weight: Any = None
    ) -> tuple[Any, Pullback]:
        """The value of a call, and a pullback: `d_emissions = pullback(dloss=1.0)`, with reduction
        "none" a number or one for each sequence."""
        emissions, lengths = self._read(emissions, lengths)
        checked = self._check(emissions.shape, None, target, lengths, None, sample_weight)
        target, total, weights = checked[0], self._divisor(*checked), _of_rows(checked[2])
        scale = 1.0 / total if total else 0.0
        parameters, rows = self.parameters(), len(emissions)
        if self.reduction == "none":
            nll = self._negative_log_likelihood(emissions, lengths, target)
        else:
            factors = np.full(rows, scale) if weights is None else scale * weights
            nll, gradients = self._gradients(emissions, lengths, target, factors)

        def backward(dloss: Any = 1.0) -> tuple[Array, Additions]:
            if self.reduction == "none":
                of_losses = _weighted(_read_dloss(dloss, rows), weights)
                found = self._gradients(emissions, lengths, target, of_losses)[1]
            else:
                found = gradients
                in_memory = [stored(found[0])[0], *found[1:]]
                scale_gradients(in_memory, check_number("CRF", "dloss", dloss))
            return found[0], add_arrays(parameters, found[1:])

        return self._reduced(_weighted(nll, weights), total), Pullback(self, backward, parameters)

    def log_likelihood(self, emissions: Any, target: Any, lengths: Any = None) -> Array:
        """log p(target | emissions) of each sequence (N,), in float64."""
        emissions, lengths = self._read(emissions, lengths)
        target = self._check(emissions.shape, None, target, lengths)[0]
        return -self._negative_log_likelihood(emissions, lengths, target)

    def decode(self, emissions: Any, lengths: Any = None, *, return_scores: bool = False) -> Any:
        """The most probable tags of each sequence (Viterbi): a list of N int64 arrays (T_i,).

        With `return_scores` also the scores of these paths (N,), in float64. Of equal paths the one
        with the lower last tag, then the one before, and so on. ValueError for a sequence to which
        constraints and emissions of -inf leave no path.
        """
        flag = check_flag("CRF.decode", "return_scores", return_scores)
        emissions, lengths = self._read(emissions, lengths)
        paths, scores = self._viterbi(emissions, lengths)
        tags = [path[:length] for path, length in zip(paths, lengths, strict=True)]
        return (tags, scores) if flag else tags

    def marginals(self, emissions: Any, lengths: Any = None) -> Array:
        """The probability of each tag at each step, summed over all paths: as emissions, in their
        layout; 0 after the lengths. Errors as `decode`."""
        emissions, lengths = self._read(emissions, lengths)
        emissions, by_time = stored(emissions)
        ones = np.ones(len(lengths), self.dtype)
        log_sums, marginals, *_ = _core.crf_gradients(
            emissions, lengths, *self._scores(), None, ones, not by_time, num_threads()
        )
        self._check_paths(log_sums)
        return turned(marginals, by_time)

    def metric_input(self, y: Any, lengths: Any = None) -> Array:
        """What metrics see of the emissions: 1 for the decoded tag of each real step, else 0."""
        emissions, lengths = self._read(y, lengths)
        paths, _ = self._viterbi(emissions, lengths)
        chosen: Array = paths[..., None] == np.arange(self.num_tags)
        return chosen.astype(self.dtype)

    def check_target(self, y_shape: tuple[int, ...], dtype: Any, target: Any) -> Array:
        self._check_emissions(y_shape)
        return class_target("CRF", y_shape, target)

    def check_values(self, y_shape: tuple[int, ...], target: Array, real: Bools) -> Bools:
        wrong = real & ((target < 0) | (target >= self.num_tags))
        if wrong.any():
            raise ValueError(
                f"CRF: {first_wrong(target, wrong)}, expected 0 <= target < {self.num_tags} tags"
            )
        self.constraints.check_paths("CRF", target.T, real.T)
        return real

    def total_weight(self, target: Array, real: Bools, weight: Array | None = None) -> float:
        if self.reduction == "mean":  # of (T, N), what belongs to the sequences that have any
            weight = None if weight is None else weight.max(axis=0, initial=0.0)
            real = np.asarray(real.any(axis=0))
        return super().total_weight(target, real, weight)

    def config(self) -> dict[str, Any]:
        """The constructor's keywords; `constraints` as nested lists."""
        return {
            "num_tags": self.num_tags,
            "constraints": self.constraints.as_lists(),
            "reduction": self.reduction,
            "dtype": self.dtype.name,
        }

    def _read(self, emissions: Any, lengths: Any) -> tuple[Array, Array]:
        """Emissions and lengths, checked."""
        emissions = read_floats("CRF", "emissions", emissions, self.dtype)
        self._check_emissions(emissions.shape)
        B, T = emissions.shape[:2]
        known = lengths is not None
        return emissions, as_lengths("CRF", lengths, B, T) if known else np.full(B, T)

    def _check_emissions(self, shape: tuple[int, ...]) -> None:
        """ValueError unless emissions have this shape."""
        if len(shape) != 3 or shape[-1] != self.num_tags:
            raise ValueError(
                f"CRF: emissions have shape {shape}, expected (N, T, {self.num_tags}) = "
                "(N, T, num_tags)"
            )

    def _scores(self) -> tuple[Array, Array, Array]:
        """(transitions, start, end) with -inf where the constraints forbid them."""
        return self.constraints.apply(
            self.transitions.data, self.start_transitions.data, self.end_transitions.data
        )

    def _negative_log_likelihood(self, emissions: Array, lengths: Array, target: Array) -> Array:
        """Of each sequence; the target time-major, as `_check` gives it."""
        emissions, by_time = stored(emissions)
        tags = as_contiguous(turned(target, not by_time, 2))
        scores = self._scores()
        return _core.crf_likelihood(emissions, lengths, *scores, tags, not by_time, num_threads())

    def _viterbi(self, emissions: Array, lengths: Array) -> tuple[Array, Array]:
        """(paths (B, T), their scores (B,))."""
        emissions, by_time = stored(emissions)
        paths, scores = _core.crf_viterbi(
            emissions, lengths, *self._scores(), not by_time, num_threads()
        )
        self._check_paths(scores)
        return paths, scores

    def _check_paths(self, log_weights: Array) -> None:
        """ValueError for a row whose best path, or all paths together, weigh exp(-inf)."""
        rows = np.flatnonzero(log_weights == -np.inf)
        if rows.size:
            raise ValueError(
                f"CRF: row {rows[0]} has no path: its emissions and the constraints give all of "
                "them the score -inf"
            )

    def _check(
        self,
        y_shape: tuple[int, ...],
        dtype: Any,
        target: Any,
        lengths: Any,
        mask: Any = None,
        sample_weight: Any = None,
    ) -> tuple[Array, Bools, Array | None]:
        if sample_weight is not None:
            sample_weight = as_plain_array("CRF", "sample_weight", sample_weight, "of numbers")
            if sample_weight.ndim != 1:
                raise ValueError(
                    f"CRF: sample_weight has shape {sample_weight.shape}, expected "
                    f"({y_shape[0]},), one weight for each sequence"
                )
        return super()._check(y_shape, dtype, target, lengths, mask, sample_weight)

    def _gradients(
        self, emissions: Array, lengths: Array, target: Array, factors: Array
    ) -> tuple[Array, list[Array]]:
        """-log p of each sequence, and the gradients of the emissions, in their layout, and of the
        parameters: each sequence's times its factor."""
        emissions, by_time = stored(emissions)
        tags, factors = as_contiguous(turned(target, not by_time, 2)), factors.astype(self.dtype)
        nll, *gradients = _core.crf_gradients(
            emissions, lengths, *self._scores(), tags, factors, not by_time, num_threads()
        )
        return nll, [turned(gradients[0], by_time), *gradients[1:]]

    def _divisor(self, target: Array, real: Bools, weight: Array | None) -> float:
        """What the sum over the sequences is divided by."""
        means = self.reduction in ("mean", "token_mean")
        return self._total(target, real, weight) if means else 1.0

    def _reduced(self, nll: Array, divisor: float) -> Any:
        """The sum over the sequences by what it is divided by, or each of them."""
        if self.reduction == "none":
            return nll
        return sum_in_order(nll) / divisor if divisor else 0.0

    def _options(self) -> dict[str, Any]:
        allowed = self.constraints.allowed
        words = None if allowed is None else f"{np.count_nonzero(~allowed)} forbidden"
        return super()._options() | {"constraints": words}


def _of_rows(weight: Array | None) -> Array | None:
    """The weights (N,) of sequences, of those of their steps (T, N)."""
    return None if weight is None else weight.max(axis=0, initial=0.0)


def _weighted(values: Array, weights: Array | None) -> Array:
    """Values (N,), times the weights if there are any; what has none counts nothing."""
    return values if weights is None else np.where(weights > 0, values, 0.0) * weights


def _read_dloss(dloss: Any, rows: int) -> Array:
    """A number, or one for each sequence, as (N,)."""
    if isinstance(dloss, int | float | np.number):
        return np.full(rows, check_number("CRF", "dloss", dloss))
    factors = read_floats("CRF", "dloss", dloss, None)
    check_shape("CRF", "dloss", factors, (rows,), "(sequences,)")
    return factors.astype(np.float64)
