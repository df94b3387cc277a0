"""The C++ core. Strict: arrays must be C-contiguous, aligned, of the exact dtype and shape."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[Any]

# Runtime
def available_isas() -> list[str]: ...
def active_isa() -> str: ...
def _set_isa(name: str) -> None: ...
def active_precision() -> str: ...
def kernel_changes() -> int: ...
def _set_bf16(on: bool) -> None: ...
def cache_sizes() -> tuple[int, int]: ...
def _set_cache_sizes(first: int, second: int) -> None: ...
def build_info() -> dict[str, str]: ...
def _peak_flops(threads: int, seconds: float) -> float: ...
def default_num_threads() -> int: ...
def thread_limit() -> int: ...
def _waits_for_cores() -> bool: ...
def _set_openmp_default(threads: int) -> None: ...
def set_workspace_limit(bytes: int) -> None: ...
def workspace_limit() -> int: ...
def with_value(
    variable: ContextVar[Any], value: Any, function: Any, *args: Any, **kwargs: Any
) -> Any: ...

@final
class RecordedMethod:  # (method, noted, active, shown=None)
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

# The bases of Python's classes of these names; WayBack is that of Gradients
class Value:
    _tape: Any
    _array: _Array
    _place: tuple[Any, ...]  # (number, shape, dtype)

class Tape:  # (value_type, active, recording, rng)
    _count: int
    _notes: list[Any]
    _parameters: list[Any]
    @property
    def _recording(self) -> bool: ...
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def apply(self, operation: Any, operands: tuple[Any, ...], options: dict[str, Any]) -> Any: ...
    def _run(
        self,
        part: Any,
        method: Any,
        shown: Any,
        in_order: list[Any],
        by_name: dict[str, Any],
        inputs: list[Any],
        state: Any,
        wanted: bool,
    ) -> Any: ...
    def _value(self, array: _Array, number: int) -> Any: ...
    def _wrapped(self, part: Any, tree: Any, wanted: bool) -> tuple[Any, Any]: ...

class WayBack:  # (count)
    _found: list[Any]
    _own: bytearray
    @property
    def additions(self) -> list[Any]: ...
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def take(self, place: tuple[Any, ...]) -> Any: ...
    def add(self, number: int, gradient: Any) -> None: ...
    def send(self, places: Any, d: Any, part: Any) -> None: ...
    def go_back(self, notes: list[Any]) -> None: ...

class Pullback:
    _module: Any
    _backward: Callable[..., Any] | None
    _parameters: Sequence[Any]
    _versions: list[int]
    def compute(self, *args: Any, **kwargs: Any) -> tuple[Any, list[Callable[[], object]]]: ...

# Tensors of other libraries
@final
class TensorLibrary:
    @property
    def offers_views(self) -> bool: ...
    def __init__(
        self,
        api: Any,
        classes: tuple[type, ...],
        watchers: tuple[Callable[[], object], ...],
        is_negated: Callable[[Any], object],
        needs_gradients: Callable[[], object],
        threads: Callable[[], int],
    ) -> None: ...
    def are_plain(self, tensors: list[Any]) -> bool: ...
    def arrays_of(self, tensors: list[Any], sequences: int) -> list[Any]: ...

# Recurrent layers
def workspace(bytes: int) -> NDArray[np.uint8]: ...

@final
class Packed: ...

@final
class WeightCache:
    def __init__(self, watch: Callable[[Any, int], object]) -> None: ...
    def __len__(self) -> int: ...
    def forget(self, address: int) -> None: ...
    def packed(
        self, stack: Stack, weights: list[Any], arrays: list[_Array], repeated: bool, threads: int
    ) -> Packed: ...

@final
class TensorLayer:
    def __init__(
        self,
        library: TensorLibrary,
        cache: WeightCache,
        stack: Stack,
        names: Sequence[str],
        drops: bool,
        batch_first: bool,
        one_step: bool,
        train: Callable[..., tuple[Any, Any, Any]],
    ) -> None: ...
    def call(self, parameters: dict[str, Any], training: bool, x: Any, state: Any) -> Any: ...

@final
class Saved: ...

@final
class Gradients:
    def add_into(self, grads: list[_Array]) -> None: ...
    def as_arrays(self) -> list[_Array]: ...

@final
class Stack:
    def __init__(
        self,
        cell: str,
        dtype: str,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        bias: bool,
        proj_size: int,
        dropout: float,
        merge: str,
        reverse: bool = False,
        **kwargs: bool | float,
    ) -> None: ...
    @property
    def has_c(self) -> bool: ...
    @property
    def drops(self) -> bool: ...
    def parameters(self) -> list[tuple[str, tuple[int, ...], str]]: ...
    def pack(self, weights: list[_Array], threads: int, form: str = ...) -> Packed: ...
    def forward(
        self,
        packed: Packed,
        x: _Array,
        h0: _Array | None,
        c0: _Array | None,
        lengths: _Array | None,
        return_cells: bool,
        threads: int,
        batch_first: bool = ...,
        resets: _Array | None = ...,
        reset_to_given: bool = ...,
        packed_rows: bool = ...,
    ) -> tuple[_Array, _Array, _Array | None, _Array | None]: ...
    def forward_train(
        self,
        packed: Packed,
        x: _Array,
        h0: _Array | None,
        c0: _Array | None,
        lengths: _Array | None,
        return_cells: bool,
        seed: int,
        draw: int,
        recompute_every: int,
        threads: int,
        batch_first: bool = ...,
        resets: _Array | None = ...,
        reset_to_given: bool = ...,
        first_row: int = ...,
    ) -> tuple[_Array, _Array, _Array | None, _Array | None, Saved]: ...
    def backward(
        self,
        saved: Saved,
        weights: list[_Array],
        dy: _Array | None,
        dhn: _Array | None,
        dcn: _Array | None,
        dcells: _Array | None,
        need_dx: bool,
        threads: int,
        batch_first: bool = ...,
        need_dw: bool = ...,
    ) -> tuple[_Array | None, _Array, _Array | None, Gradients]: ...
    def members(self, rows: int, steps: int, threads: int) -> tuple[int, bool]: ...
    def saved_bytes(self, rows: int, sequences: int, ragged: bool, packed: bool) -> int: ...
    def forward_into(
        self,
        saved: _Array,
        packed: Packed,
        x: _Array,
        h0: _Array | None,
        c0: _Array | None,
        lengths: _Array | None,
        packed_rows: bool,
        key: tuple[int, int] | None,
        threads: int,
        resets: _Array | None = ...,
        reset_to_given: bool = ...,
    ) -> tuple[_Array, _Array, _Array | None]: ...
    def backward_from(
        self,
        saved: _Array,
        weights: list[_Array],
        x: _Array,
        lengths: _Array | None,
        packed_rows: bool,
        key: tuple[int, int] | None,
        dy: _Array | None,
        dhn: _Array | None,
        dcn: _Array | None,
        need_dx: bool,
        need_dw: bool,
        threads: int,
        resets: _Array | None = ...,
        reset_to_given: bool = ...,
    ) -> tuple[_Array | None, _Array, _Array | None, Gradients]: ...
    def attending(self, context: int) -> Stack: ...
    def attend(
        self,
        packed: Packed,
        memory: Memory,
        query: PackedLinear | None,
        x: _Array,
        h0: _Array | None,
        c0: _Array | None,
        lengths: _Array | None,
        threads: int,
    ) -> tuple[_Array, _Array, _Array | None, _Array, _Array]: ...
    def attend_train(
        self,
        packed: Packed,
        memory: Memory,
        query: PackedLinear | None,
        x: _Array,
        h0: _Array | None,
        c0: _Array | None,
        lengths: _Array | None,
        threads: int,
    ) -> tuple[_Array, _Array, _Array | None, _Array, _Array, Saved]: ...
    def attend_backward(
        self,
        saved: Saved,
        weights: list[_Array],
        w_query: _Array | None,
        dy: _Array | None,
        dcontexts: _Array | None,
        dhn: _Array | None,
        dcn: _Array | None,
        need_dx: bool,
        threads: int,
    ) -> tuple[
        _Array | None,
        _Array,
        _Array | None,
        _Array | None,
        _Array,
        _Array,
        _Array | None,
        Gradients,
    ]: ...

class Stream:
    def __init__(self, stack: Stack, packed: Packed, batch_size: int, threads: int) -> None: ...
    def step(
        self, x_t: Any, out: _Array | None = None, resets: Any = None, active: Any = None
    ) -> _Array: ...
    def reset(self) -> None: ...
    def _checked_step(self, x_t: Any, out: _Array | None, resets: Any, active: Any) -> _Array: ...
    def _run(self, x: _Array, resets: _Array | None, threads: int) -> _Array: ...
    def _get_state(self) -> tuple[_Array, _Array | None]: ...
    def _set_state(self, h: _Array, c: _Array | None) -> None: ...

class ModelStream:
    def __init__(
        self,
        owner: str,
        parts: list[tuple[Any, ...]] | None,
        dtype: str,
        batch_size: int,
        threads: int,
    ) -> None: ...
    def step(
        self, x_t: Any, out: _Array | None = None, resets: Any = None, active: Any = None
    ) -> _Array: ...
    def _checked_step(self, x_t: Any, out: _Array | None, resets: Any, active: Any) -> _Array: ...
    def _run_chunk(self, x: _Array, resets: _Array | None, threads: int) -> _Array: ...
    def _alone(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any: ...

# What threads share
def unfit_gradient(grads: tuple[_Array, ...], values: tuple[_Array, ...]) -> int: ...
def add_gradients(
    additions: tuple[Callable[[], object], ...],
    grads: tuple[_Array, ...],
    values: tuple[_Array, ...],
) -> int: ...

@final
class OneAtATime:
    def __init__(self, refusal: str) -> None: ...
    def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any: ...

@final
class Counter:
    def __init__(self, first: int) -> None: ...
    def next(self) -> int: ...
    @property
    def upcoming(self) -> int: ...

# Dense layers
@final
class PackedLinear: ...

def linear_pack(
    weight: _Array, bias_or_none: _Array | None, threads: int, form: str = ...
) -> PackedLinear: ...
def linear_forward(packed: PackedLinear, x: _Array, threads: int) -> _Array: ...
def linear_backward(
    x: _Array, weight: _Array, dy: _Array, need_dx: bool, need_db: bool, threads: int
) -> tuple[_Array | None, _Array, _Array | None]: ...

# Arrays of any shape
def batched_product(a: _Array, b: _Array, threads: int) -> _Array: ...
def fingerprint(arrays: list[_Array]) -> int: ...
def row_sums(x: _Array, threads: int) -> _Array: ...
def has_whole_rows(array: _Array) -> bool: ...

# Attention
@final
class Memory:
    def __init__(
        self,
        keys: _Array,
        values: _Array,
        lengths: _Array,
        v: _Array | None,
        scale: float,
        p: float = ...,
        seed: int = ...,
        draw: int = ...,
        first_row: int = ...,
    ) -> None: ...

def attention_forward(
    memory: Memory, queries: _Array, threads: int
) -> tuple[_Array, _Array, _Array]: ...
def attention_backward(
    memory: Memory,
    queries: _Array,
    weights: _Array,
    dcontexts: _Array,
    dweights: _Array | None,
    threads: int,
) -> tuple[_Array, _Array, _Array, _Array | None]: ...

# Look-ups
def embedding_forward(
    weight: _Array | tuple[_Array, _Array], ids: _Array, threads: int
) -> _Array: ...
def embedding_backward(grad: _Array, ids: _Array, dy: _Array) -> None: ...

# Element-wise work
def activation_forward(name: str, x: _Array, threads: int) -> _Array: ...
def activation_backward(name: str, y: _Array, dy: _Array, threads: int) -> _Array: ...
def softmax_forward(x: _Array, threads: int) -> _Array: ...
def softmax_backward(y: _Array, dy: _Array, threads: int) -> _Array: ...
def dropout(
    x: _Array, p: float, seed: int, draw: int, layer: int, threads: int, first_row: int = ...
) -> _Array: ...
def cross_entropy(
    logits: _Array, targets: _Array, scale: _Array, spread: _Array | None, threads: int
) -> tuple[_Array, _Array]: ...
def layer_norm_forward(
    x: _Array, weight: _Array | None, bias: _Array | None, eps: float, threads: int
) -> tuple[_Array, _Array, _Array]: ...
def layer_norm_backward(
    x: _Array,
    weight: _Array | None,
    dy: _Array,
    mean: _Array,
    scale: _Array,
    need_dx: bool,
    need_weights: bool,
    threads: int,
) -> tuple[_Array | None, _Array | None, _Array | None]: ...
def time_sum(x: _Array, lengths: _Array, batch_first: bool, threads: int) -> _Array: ...
def time_max(
    x: _Array, lengths: _Array, batch_first: bool, threads: int
) -> tuple[_Array, _Array]: ...
def time_spread(
    dy: _Array, lengths: _Array, steps: int, batch_first: bool, threads: int
) -> _Array: ...

# Chains of hidden states
def crf_likelihood(
    emissions: _Array,
    lengths: _Array,
    transitions: _Array,
    start: _Array,
    end: _Array,
    tags: _Array | None,
    batch_first: bool,
    threads: int,
) -> _Array: ...
def crf_gradients(
    emissions: _Array,
    lengths: _Array,
    transitions: _Array,
    start: _Array,
    end: _Array,
    tags: _Array | None,
    scale: _Array,
    batch_first: bool,
    threads: int,
) -> tuple[_Array, _Array, _Array, _Array, _Array]: ...
def crf_viterbi(
    emissions: _Array,
    lengths: _Array,
    transitions: _Array,
    start: _Array,
    end: _Array,
    batch_first: bool,
    threads: int,
) -> tuple[_Array, _Array]: ...
def ctc_loss(
    logits: _Array,
    lengths: _Array,
    labels: _Array,
    label_lengths: _Array,
    scale: _Array,
    blank: int,
    zero_infinity: bool,
    need_gradient: bool,
    batch_first: bool,
    threads: int,
) -> tuple[_Array, _Array | None]: ...
def ctc_decode(
    logits: _Array, lengths: _Array, blank: int, beam_width: int, batch_first: bool, threads: int
) -> list[list[tuple[_Array, float]]]: ...

# Optimizers
def sgd_step(
    p: _Array,
    g: _Array,
    momentum_buffer: _Array | None,
    lr: float,
    momentum: float,
    dampening: float,
    nesterov: bool,
    weight_decay: float,
    first: bool,
    threads: int,
) -> None: ...
def adam_step(
    p: _Array,
    g: _Array,
    m: _Array,
    v: _Array,
    v_max: _Array | None,
    step_size: float,
    gradient_size: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    keep: float,
    step: int,
    threads: int,
) -> None: ...
def rmsprop_step(
    p: _Array,
    g: _Array,
    square_avg: _Array,
    grad_avg: _Array | None,
    momentum_buffer: _Array | None,
    lr: float,
    alpha: float,
    square_rate: float,
    eps: float,
    momentum: float,
    weight_decay: float,
    threads: int,
) -> None: ...
def sum_squares(a: _Array) -> float: ...
def sum_in_order(terms: _Array, start: float) -> float: ...
def all_finite(a: _Array, threads: int) -> bool: ...
def scale_in_place(a: _Array, factor: float, threads: int) -> None: ...
