"""The options that all recurrent layers share: what they mean, and how they are checked."""

import math
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from .._base.checks import (
    check_choice,
    check_dtype,
    check_flag,
    check_probability,
    check_size,
    describe,
)
from .._base.module import Module

DIRECTIONS = ("forward", "reverse")
MERGES = ("concat", "sum", "mul", "average")
MAX_LAYERS = 10_000

Every = int | str | None
Bias = bool | Literal["single"]

ARGUMENTS = """`y, {state} = {layer}(x, state=None, lengths=None, mask=None)` is inference,
    `(y, {state}), pullback = {layer}.vjp(x, ...)` the forward pass of training, and
    `dx, dstate = pullback(dy, dstate=None)` the backward pass, which adds into every `.grad`. With
    N sequences (rows), T steps, F = input_size, H = hidden_size, L = num_layers, and D = 2 if
    bidirectional else 1:

    Arrays
    ------
    x : (N, T, F), or (T, F) for one sequence
        (T, N, F) with batch_first=False.
    y : (N, T, D*H), or (T, D*H) for one sequence
        h of the last layer at every step, the forward direction first; in the layout of x.
    {state} : {state_shape}
        The states after the last step, layer by layer, forward before reverse, in either layout;
        {single_state} for one sequence. `state` has this form; None is zero.
    lengths : integers (N,) in 0..T
        Each row ends after that many steps. From there on its y is 0; its final state is that of
        its last step (the initial state for length 0); the reverse direction starts there.
    mask : bool, as x without its last axis
        The real steps, in any pattern. A row is computed as if it had no others.
    resets : bool, as x without its last axis
        A keyword. Where it is True, an episode begins: the state that enters the step becomes zero
        before it, h_{{t-1}} := 0 (also c_{{t-1}} := 0 of an LSTM), in every layer, and no gradient
        passes back. At step 0 the reset replaces `state`. A reverse direction is cut at the same
        place: h_{{t+1}} := 0 in the step before. y, states and dx have the bits of calls on the
        pieces alone, and weights' gradients are the sum of theirs. Resets after a row's end mean
        nothing; one on a step that `mask` skips counts at the row's next real step. A Sequential
        passes none on.
    reset_to : "zero" or "state"
        With "state", resets set the states to those of `state`, whose gradient is then the sum
        over all pieces that start from it: with an initial state that is learned.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
        F, H and L.
    bias : bool or "single"
        Whether the layers have b_ih and b_hh. "single" is b_ih alone, with Keras' and most papers'
        number of parameters: the sum has one of them to learn. A GRU with reset_after=True needs
        both, since b_hn is inside r * (...).
    batch_first : bool or None
        The layout of x and y. None: that of the Sequential around the layer, True without one.
    dropout : float
        Between layers, `vjp` drops each element with this probability.
    bidirectional : bool
        A second set of weights reads each row from its end.
    direction : "forward" or "reverse"
        "reverse" reads each row from its end alone, in every layer: h_{{t-1}} in the equations is
        then h_{{t+1}}, y at step t is still h_t, and the final state is that of step 0. As one half
        of a bidirectional layer, ONNX' direction, and Keras' go_backwards, whose output has the
        last step first. Parameters have the names of a forward layer.
    merge : "concat", "sum", "mul" or "average"
        How one output is made of both directions' h and h', in every layer: (h, h'), h + h',
        h * h' or (h + h') / 2. Except with "concat", y and the input of the next layer have H
        features. States are never merged. Keras' merge_mode, of a Bidirectional around each layer.
{own}    zoneout : float
        In `vjp`, each unit of h_t keeps the value of h_{{t-1}} with this probability, drawn anew at
        each step; inference takes the mean, (1 - zoneout) * h_t + zoneout * h_{{t-1}}. y has what
        was kept (Krueger et al. 2016).
    recurrent_dropout : float
        In `vjp`, W_hh sees h_{{t-1}} with units dropped with this probability, the others divided
        by 1 minus it; one mask for a row's whole sequence and for all gates, where Keras draws one
        per gate. What does not pass through W_hh (y, z * h_{{t-1}} of a GRU) is left alone (Gal &
        Ghahramani 2016).
    recompute_every : int, "sqrt" or None
        With k steps, or "sqrt" (the root of T), `vjp` keeps only the states after every k steps,
        rounded up to whole chunks of the weight gradients' sums (16 to 512 steps), and the
        pullback computes the segments between them again, the last one first: the same bits from
        O(T/k + k) states and activations, for about 1.4 times the time. With a reverse direction,
        what goes from layer to layer is kept whole, and so are two layers' gradients of it in the
        pullback: N T D*H elements each (N T H if merged); merge="mul" keeps both h of each layer.
    dtype : numpy.float32 or numpy.float64
        Of parameters, x, states and gradients; nothing is cast silently.
    seed : int or None
        Of the initial weights, U(-1/sqrt(H), 1/sqrt(H)), and of the dropout masks.

    Each parameter of layer 0 is followed by its _reverse, if bidirectional; then come those of _l1
    and so on. TypeError or ValueError names the argument that does not fit."""


class RecurrentOptions(Module):
    """What a recurrent layer is made with, checked, and the sizes that follow.

    The options of the cells are off in a class whose constructor does not have them.
    """

    direction: str = "forward"  # of what was pickled before there was another
    cell: str  # the core's name of the equations; of a class, with the defaults of its options
    gates: int  # how many blocks of hidden_size rows W_ih and W_hh have
    state_names: ClassVar[tuple[str, ...]] = ("h0",)
    training_options: ClassVar[frozenset[str]] = frozenset(  # what inference does not read
        {"dropout", "recurrent_dropout", "recompute_every"}
    )

    def __init__(self, given: Mapping[str, Any]) -> None:
        owner = type(self).__name__
        self.input_size = check_size(owner, "input_size", given["input_size"], minimum=0)
        self.hidden_size = check_size(owner, "hidden_size", given["hidden_size"])
        layers = given["num_layers"]
        self.num_layers = check_size(owner, "num_layers", layers, maximum=MAX_LAYERS)
        self.bias = check_bias(owner, given["bias"])
        self.batch_first = given["batch_first"]
        self.dropout = check_dropout(owner, given["dropout"], self.num_layers, stacklevel=8)
        self.bidirectional = check_flag(owner, "bidirectional", given["bidirectional"])
        direction = given.get("direction", "forward")
        self.direction = check_direction(owner, direction, self.bidirectional)
        self.merge = check_merge(owner, given["merge"], self.bidirectional)
        self.recompute_every: Every = check_every(owner, given["recompute_every"])
        self.zoneout = check_probability(owner, "zoneout", given.get("zoneout", 0.0))
        rate = given.get("recurrent_dropout", 0.0)
        self.recurrent_dropout = check_probability(owner, "recurrent_dropout", rate)
        self.layer_norm = check_flag(owner, "layer_norm", given.get("layer_norm", False))
        self.dtype = check_dtype(owner, given["dtype"])
        size = given.get("proj_size", 0)
        self.proj_size = check_projection(owner, size, self.hidden_size)

    def _cell_options(self) -> dict[str, Any]:
        """What the core has to know of the options of the cell."""
        names = "zoneout", "recurrent_dropout", "layer_norm"
        single = {"single_bias": self.bias == "single"}
        return {name: getattr(self, name) for name in names} | single

    @property
    def num_directions(self) -> int:
        """2 if bidirectional, else 1."""
        return 1 + self.bidirectional

    @property
    def reads_backwards(self) -> bool:  # type: ignore[override]
        """Whether a direction starts at the end, so that no output is known before."""
        return self.bidirectional or self.direction == "reverse"

    @property
    def output_size(self) -> int:
        """The width of h in one direction: proj_size, or hidden_size without a projection."""
        return self.proj_size or self.hidden_size

    @property
    def num_features(self) -> int:
        """The width of y: that of h, times the directions if they are not merged."""
        return self.output_size * (self.num_directions if self.merge == "concat" else 1)


def check_dropout(owner: str, value: Any, num_layers: int, *, stacklevel: int) -> float:
    """A probability of dropout between layers; a warning if there is only one."""
    dropout = check_probability(owner, "dropout", value)
    if dropout and num_layers == 1:
        message = f"{owner}: dropout={dropout} acts between layers, and there is only one"
        warnings.warn(message, stacklevel=stacklevel)
    return dropout


def check_bias(owner: str, value: Any) -> Bias:
    """True, False or "single"."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, str) and value == "single":
        return "single"
    kind = ValueError if isinstance(value, str) else TypeError
    raise kind(f"{owner}: bias is {describe(value)}, expected True, False or 'single'")


def check_every(owner: str, value: Any) -> Every:
    """recompute_every: a number of steps, "sqrt", or None (all activations are kept)."""
    if value is None or (isinstance(value, str) and value == "sqrt"):
        return value
    if isinstance(value, str):
        raise ValueError(
            f"{owner}: recompute_every is {describe(value)}, expected an integer, 'sqrt' or None"
        )
    if not hasattr(value, "__index__"):
        raise TypeError(
            f"{owner}: recompute_every is {describe(value)}, expected an integer, 'sqrt' or None"
        )
    return check_size(owner, "recompute_every", value)


def check_direction(owner: str, value: Any, bidirectional: bool) -> str:
    """Where each row is read from; with both directions there is no choice."""
    direction = check_choice(owner, "direction", value, DIRECTIONS)
    if direction == "reverse" and bidirectional:
        raise ValueError(
            f"{owner}: direction is 'reverse', expected 'forward' with bidirectional=True, which "
            "reads both ways"
        )
    return direction


def check_merge(owner: str, value: Any, bidirectional: bool) -> str:
    """How the outputs of both directions become one."""
    merge = check_choice(owner, "merge", value, MERGES)
    if merge != "concat" and not bidirectional:
        raise ValueError(
            f"{owner}: merge is {describe(merge)}, expected 'concat' with bidirectional=False"
        )
    return merge


def check_projection(owner: str, value: Any, hidden_size: int) -> int:
    """proj_size: 0, or less than hidden_size."""
    size = check_size(owner, "proj_size", value, minimum=0)
    if size >= hidden_size:
        raise ValueError(
            f"{owner}: proj_size is {size}, expected less than "
            f"hidden_size = {hidden_size} (0: no projection)"
        )
    return size


def steps_between(every: Every, steps: int) -> int:
    """The steps from one kept state to the next, of a sequence of `steps`; 0 for None."""
    if isinstance(every, str):
        return 1 + math.isqrt(max(steps - 1, 0))
    return every or 0
