"""The operator `torch.ops.pyrnn.recurrent`: a stack of recurrent layers, with autograd.

    y, hn, cn, saved = recurrent(x, h0, c0, weights, lengths, batch_sizes, resets, key, layer, rows,
                                 reset_to_state, save, spend=False)

x is (T, B, F), time-major whatever the module's layout is, or the (R, F) of a PackedSequence with
its batch_sizes; rows is B. The weights are in the core's order, and `layer` describes the stack
(`_stack.py`). `key` are the seed and the number of the dropout masks; None drops nothing.

With `save`, `saved` is what the backward pass needs: a uint8 tensor whose size follows from the
shapes alone. So the operator has a fake implementation, and passes through torch.compile and
torch.export. With `spend`, which says that nobody else sees `saved`, backward works in it; it works
in a copy where it may run again (retain_graph) or is traced.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from .. import _core
from .._base.checks import Array
from ._arrays import LIBRARY, arrays_of
from ._arrays import threads as threads_here
from ._stack import Layer, layer_of
from ._weights import CACHE

Tensors = Sequence[Tensor]


class How(NamedTuple):
    """The operator's arguments after the weights."""

    lengths: Tensor | None
    batch_sizes: Tensor | None
    resets: Tensor | None
    key: Tensor | None
    layer: str
    rows: Any  # an int, or a symbol
    reset_to_state: bool
    save: bool
    spend: bool = False


library = torch.library.Library("pyrnn", "DEF")
library.define(
    "recurrent(Tensor x, Tensor? h0, Tensor? c0, Tensor[] weights, Tensor? lengths, "
    "Tensor? batch_sizes, Tensor? resets, Tensor? key, str layer, SymInt rows, "
    "bool reset_to_state, bool save, bool spend=False) "
    "-> (Tensor y, Tensor hn, Tensor cn, Tensor saved)"
)
library.define(
    "recurrent_backward(Tensor saved, Tensor x, Tensor[] weights, Tensor? lengths, "
    "Tensor? batch_sizes, Tensor? resets, Tensor? key, Tensor? dy, Tensor? dhn, Tensor? dcn, "
    "str layer, SymInt rows, bool reset_to_state, bool need_dx, bool need_dw) "
    "-> (Tensor dx, Tensor dh0, Tensor dc0, Tensor[] dweights)"
)


def _lengths(lengths: Array | None, batch_sizes: Tensor | None, rows: int) -> Array | None:
    """The rows' lengths; those of a PackedSequence from the numbers of rows that reach a step."""
    if batch_sizes is None:
        return lengths
    return np.searchsorted(-batch_sizes.numpy(), -np.arange(rows), side="left")


def _key(key: Tensor | None) -> tuple[int, int] | None:
    """Dropout's (seed, draw)."""
    if key is None:
        return None
    seed, draw = key.tolist()
    return seed, draw


def _forward(
    x: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    weights: Tensors,
    lengths: Tensor | None,
    batch_sizes: Tensor | None,
    resets: Tensor | None,
    key: Tensor | None,
    layer: str,
    rows: int,
    reset_to_state: bool,
    save: bool,
    spend: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The operator on CPU tensors. Without `save` and `key`: inference, nothing is dropped."""
    of = layer_of(layer)
    threads = threads_here()
    x_, h_, c_, lengths_, resets_, *arrays = arrays_of([x, h0, c0, lengths, resets, *weights], 1)
    packed = CACHE.packed(of.stack, list(weights), arrays, not save, threads)
    given = packed, x_, h_, c_
    of_rows, is_packed = _lengths(lengths_, batch_sizes, rows), batch_sizes is not None
    resetting = resets_, reset_to_state
    memory = None
    if save or key is not None:
        memory = _core.workspace(_saved_bytes(of, x, lengths, batch_sizes, resets, rows))
        if not spend:  # somebody may see it: what is never written is 0 in every call
            memory.fill(0)
        drawn = of_rows, is_packed, _key(key), threads
        y, hn, cn = of.stack.forward_into(memory, *given, *drawn, *resetting)
    else:
        plain = of_rows, False, threads, False
        y, hn, cn, _ = of.stack.forward(*given, *plain, *resetting, is_packed)
    return (
        torch.from_numpy(y),
        torch.from_numpy(hn),
        _empty(y.dtype) if cn is None else torch.from_numpy(cn),
        torch.from_numpy(memory) if save and memory is not None else _empty(np.uint8),
    )


def _empty(dtype: Any) -> Tensor:
    return torch.from_numpy(np.empty(0, dtype))  # faster than torch.empty


def _saved_bytes(
    of: Layer,
    x: Tensor,
    lengths: Tensor | None,
    batch_sizes: Tensor | None,
    resets: Tensor | None,
    rows: Any,
) -> Any:
    """The size of `saved`: as if all rows were as long as the arrays, and reset at every step."""
    packed = batch_sizes is not None
    steps = x.shape[0] if packed else x.shape[0] * x.shape[1]
    ragged = packed or lengths is not None or resets is not None
    return of.saved_bytes(steps, rows if resets is None else steps + rows, ragged, packed)


def _forward_fake(
    x: Tensor, h0: Tensor | None, c0: Tensor | None, weights: Tensors, *others: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    how = How(*others)
    of, rows, ragged = layer_of(how.layer), how.rows, how[:3]
    saved = _saved_bytes(of, x, *ragged, rows) if how.save else 0
    return (
        x.new_empty((*x.shape[:-1], of.output_size)),
        x.new_empty((of.states, rows, of.h_size)),
        x.new_empty((of.states, rows, of.c_size) if of.c_size else (0,)),
        x.new_empty((saved,), dtype=torch.uint8),
    )


def _backward(
    saved: Tensor,
    x: Tensor,
    weights: Tensors,
    lengths: Tensor | None,
    batch_sizes: Tensor | None,
    resets: Tensor | None,
    key: Tensor | None,
    dy: Tensor | None,
    dhn: Tensor | None,
    dcn: Tensor | None,
    layer: str,
    rows: int,
    reset_to_state: bool,
    need_dx: bool,
    need_dw: bool,
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """BPTT; `saved` is spent."""
    x_, dy_, saved_, dhn_, dcn_, lengths_, resets_, *arrays = arrays_of(
        [x, dy, saved, dhn, dcn, lengths, resets, *weights], 2
    )
    of_rows, is_packed = _lengths(lengths_, batch_sizes, rows), batch_sizes is not None
    threads = threads_here()
    inputs = (saved_, arrays, x_, of_rows, is_packed, _key(key))
    how = need_dx, need_dw, threads, resets_, reset_to_state
    stack = layer_of(layer).stack
    dx, dh0, dc0, gradients = stack.backward_from(*inputs, dy_, dhn_, dcn_, *how)
    dweights = [torch.from_numpy(d) for d in gradients.as_arrays()] if need_dw else []
    return (
        _empty(dh0.dtype) if dx is None else torch.from_numpy(dx),
        torch.from_numpy(dh0),
        _empty(dh0.dtype) if dc0 is None else torch.from_numpy(dc0),
        dweights,
    )


def _backward_of_copy(saved: Tensor, *args: Any) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """The operator on CPU tensors, which writes to none of them."""
    memory = torch.from_numpy(_core.workspace(saved.numel()))
    return _backward(memory.copy_(saved), *args)


def _backward_fake(
    saved: Tensor, x: Tensor, weights: Tensors, *others: Any
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    *_, layer, rows, _, need_dx, need_dw = others
    of = layer_of(layer)
    return (
        x.new_empty(x.shape if need_dx else (0,)),
        x.new_empty((of.states, rows, of.h_size)),
        x.new_empty((of.states, rows, of.c_size) if of.c_size else (0,)),
        [weight.new_empty(weight.shape) for weight in weights] if need_dw else [],
    )


class _Recurrent(torch.autograd.Function):
    """The operator's autograd: what is saved of a call, and the way back."""

    @staticmethod
    def forward(ctx: Any, run: Any, x: Tensor, h0: Any, c0: Any, how: How, *weights: Tensor) -> Any:
        y, hn, cn, saved = run(x, h0, c0, weights, *how)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(saved)
        ctx.save_for_backward(saved, x, *how[:4], *weights)
        hooks = torch._C._autograd._top_saved_tensors_default_hooks(True)  # which may keep `saved`
        as_it_was = run is _forward and hooks is None  # all that is saved is plain, too
        ctx.described = how.layer, how.rows, how.reset_to_state, how.spend and as_it_was
        return y, hn, cn, saved

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        with torch.no_grad():
            results = _Recurrent._gradients(ctx, *gradients)
        if not torch.is_grad_enabled():
            return results
        # create_graph: a second derivative would otherwise be left out without a word.
        tensors = [t for t in (*gradients, *ctx.saved_tensors) if t is not None]
        return _Once.apply(len(results), *results, *tensors)

    @staticmethod
    def _gradients(ctx: Any, dy: Any, dhn: Any, dcn: Any, _: Any) -> Any:
        layer, rows, reset_to_state, spend = ctx.described
        saved, x, lengths, batch_sizes, resets, key, *weights = ctx.saved_tensors
        _, need_dx, need_dh, need_dc, _, *need_dw = ctx.needs_input_grad
        if layer_of(layer).c_size == 0:
            dcn = None
        tensors = saved, x, weights, lengths, batch_sizes, resets, key, dy, dhn, dcn
        given = [d for d in (dy, dhn, dcn) if d is not None]
        batched = any(map(torch._C._functorch.is_legacy_batchedtensor, given))
        _refuse_transforms("a backward pass", batched)
        in_place = spend and LIBRARY.are_plain(given) and not _graph_is_kept()
        run = _backward if in_place else recurrent_backward
        dx, dh0, dc0, dweights = run(
            *tensors, *(layer, rows, reset_to_state, need_dx, any(need_dw))
        )
        dweights = dweights or [None] * len(weights)
        of_weights = [d if need else None for d, need in zip(dweights, need_dw, strict=True)]
        wanted = dx if need_dx else None, dh0 if need_dh else None, dc0 if need_dc else None
        return (None, *wanted, None, *of_weights)

    @staticmethod
    def jvp(ctx: Any, *_: Any) -> Any:
        raise NotImplementedError(FORWARD_MODE)


class _Once(torch.autograd.Function):
    """Gradients that cannot be differentiated again."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Any) -> Any:
        return tensors[:count]

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise NotImplementedError(
            "pyrnn.torch: double backward, expected first derivatives alone: "
            "pyrnn.torch.restore_rnns(model) gives the layers back to torch, which has second ones"
        )


FORWARD_MODE = "pyrnn.torch: forward-mode AD, expected reverse mode: backward()"


def _refuse_transforms(what: str, is_batched: bool = False) -> None:
    """NotImplementedError within a transform of torch.func, and for batches of gradients."""
    if is_batched or torch._C._are_functorch_transforms_active():
        raise NotImplementedError(
            f"pyrnn.torch: {what} of torch.func's vmap, grad, jvp or vjp, or of a batch of "
            "gradients, expected one of its own: pyrnn.torch.restore_rnns(model) gives the layers "
            "back to torch"
        )


def _refuse_tangents(*tensors: Tensor | None) -> None:
    """NotImplementedError for tensors of forward-mode AD, whose tangents would be left out."""
    if forward_ad._current_level < 0:
        return
    if any(t is not None and forward_ad.unpack_dual(t).tangent is not None for t in tensors):
        raise NotImplementedError(FORWARD_MODE)


def _graph_is_kept() -> bool:
    kept: bool = torch._C._autograd._get_current_graph_task_keep_graph()
    return kept


def _with_autograd(
    keyset: Any, x: Tensor, h0: Tensor | None, c0: Tensor | None, weights: Tensors, *others: Any
) -> Any:
    """The operator for autograd's dispatch keys."""

    def below(*args: Any) -> Any:
        with torch._C._AutoDispatchBelowAutograd():
            return recurrent.redispatch(keyset & torch._C._after_autograd_keyset, *args)

    _refuse_tangents(x, h0, c0, *weights)
    if torch.is_grad_enabled() and torch._C._any_requires_grad(x, h0, c0, weights):
        how = How(*others)._replace(save=True)  # a trace does not say so
        return _Recurrent.apply(below, x, h0, c0, how, *weights)
    return below(x, h0, c0, weights, *others)


def run_recurrent(
    x: Tensor, h0: Tensor | None, c0: Tensor | None, weights: list[Tensor], how: How
) -> Any:
    """The operator, without torch's dispatcher where nothing but autograd would see the call.

    The dispatcher takes 20 us, more than a small layer's step.
    """
    if torch.compiler.is_compiling():
        return recurrent(x, h0, c0, weights, *how)
    _refuse_transforms("a call")
    given = [x, h0, c0, *weights, how.lengths, how.batch_sizes, how.resets]
    if not x.is_cpu or not LIBRARY.are_plain(given):
        return recurrent(x, h0, c0, weights, *how)
    if how.save:
        return _Recurrent.apply(_forward, x, h0, c0, how, *weights)
    return _forward(x, h0, c0, weights, *how)


def train_plain(
    layer: str, x: Tensor, h0: Tensor | None, c0: Tensor | None, weights: list[Tensor], rows: int
) -> tuple[Tensor, Tensor, Tensor]:
    """y, hn and cn with a backward pass, of plain tensors that nobody watches."""
    how = How(None, None, None, None, layer, rows, False, True, True)
    y, hn, cn, _ = _Recurrent.apply(_forward, x, h0, c0, how, *weights)
    return y, hn, cn


recurrent = torch.ops.pyrnn.recurrent.default
recurrent_backward = torch.ops.pyrnn.recurrent_backward.default
library.impl("recurrent", _forward, "CPU")
library.impl("recurrent_backward", _backward_of_copy, "CPU")
library.impl("recurrent", _with_autograd, "Autograd", with_keyset=True)
torch.library.register_fake("pyrnn::recurrent", _forward_fake, lib=library)
torch.library.register_fake("pyrnn::recurrent_backward", _backward_fake, lib=library)
