"""What the layers and cells share: their weights, their options, and the call of the operator."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .. import _core
from .._base.checks import describe
from .._base.description import constructor
from ._arrays import LIBRARY
from ._inputs import DTYPES, check_state
from ._operator import How, run_recurrent, train_plain
from ._stack import layer_of, text_of
from ._weights import CACHE

State = Any  # a Tensor, or (h, c)

# Arguments of pyrnn's layers that torch's have, too, or that mean nothing in torch.
OF_TORCH = {"input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout"}
OF_TORCH |= {"bidirectional", "proj_size", "nonlinearity", "dtype", "recompute_every"}
MOST_SEEDS = 2**62
NONE: Mapping[str, Any] = MappingProxyType({})


class Stack(nn.Module):
    """A module whose weights are those of a stack of pyrnn's, under torch's names.

    An instance of torch's own class becomes one by its `__class__` alone: all that torch's
    instances lack are the class attributes here.
    """

    of_torch: ClassVar[dict[type[nn.Module], type["Stack"]]] = {}  # what replaces a torch class
    torch_class: ClassVar[type[nn.Module]]
    _of: ClassVar[Any]  # pyrnn's layer of the same cell
    _has_c: ClassVar[bool]
    _meaningless: ClassVar[frozenset[str]] = frozenset()  # options of the layer, but not here

    input_size: int
    hidden_size: int
    # Attributes of the instances that have them.
    num_layers: int = 1
    bidirectional: bool = False
    bias: Any = True
    proj_size: int = 0
    dropout: float = 0.0
    options: Mapping[str, Any] = NONE  # pyrnn's own, as they were given
    _core_options: Mapping[str, Any] = NONE  # and as the core has them
    _drops_states: bool = False
    _own_names: tuple[str, ...] = ()  # of the weights, where torch has others
    _known: dict[str, Any]  # what follows from the attributes, until one is set

    def __init_subclass__(cls, of: Any = None) -> None:
        """`of`: pyrnn's layer of the cell; torch's class is the last base."""
        super().__init_subclass__()
        if of is not None:
            cls._of, cls._has_c = of, "c0" in of.state_names
            cls.torch_class = cls.__bases__[-1]
            Stack.of_torch[cls.torch_class] = cls

    def __init__(self, *args: Any, **arguments: Any) -> None:
        names = (constructor(self._of).keys() - OF_TORCH - self._meaningless) & arguments.keys()
        own = {name: arguments.pop(name) for name in sorted(names)}
        if arguments.get("bias") == "single":
            own["bias"] = arguments.pop("bias")  # torch makes both
        super().__init__(*args, **arguments)
        if own:
            self._take(own)

    def _take(self, own: dict[str, Any]) -> None:
        """Takes pyrnn's own options, and makes the weights that they ask for."""
        kind = {"nonlinearity": self.nonlinearity} if hasattr(self, "nonlinearity") else {}
        shape = {"bidirectional": self.bidirectional, **kind}
        checked = self._of(1, 1, seed=0, **shape, **own)  # a small layer, for its checks
        self.options = {name: getattr(checked, name) for name in own}
        self.bias = self.options.get("bias", self.bias)
        reverse = checked.direction == "reverse"
        described = {"cell": checked.cell, "merge": checked.merge, "reverse": reverse}
        self._core_options = described | checked._cell_options()
        self._drops_states = layer_of(self._text("float32", dropout=0.0)).stack.drops
        self._make_weights()

    def _make_weights(self) -> None:
        """Parameters with the names and shapes of the core's, where torch has others."""
        like = next(self.parameters())
        wanted = {self._name(name): shape for name, shape, _ in self._described()}
        self._own_names = tuple(wanted)
        for name in [name for name in self._parameters if name not in wanted]:
            delattr(self, name)
        for name, shape in wanted.items():
            present = self._parameters.get(name)
            if present is None or present.shape != shape:
                self.register_parameter(name, nn.Parameter(like.new_empty(shape)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights and biases from U(-1/sqrt(H), 1/sqrt(H)), as torch's; gains are 1."""
        super().reset_parameters()
        with torch.no_grad():
            for name, _, initial in self._described() if self._core_options else ():
                if initial != "uniform":
                    getattr(self, self._name(name)).fill_(float(initial == "ones"))

    def _described(self) -> list[tuple[str, tuple[int, ...], str]]:
        """The core's list of weights: names, shapes and initial values."""
        return layer_of(self._text("float32", dropout=0.0)).stack.parameters()

    def _name(self, name: str) -> str:
        """This module's name of a weight of the core's."""
        return name

    def _names(self) -> Sequence[str]:
        """This module's names of its weights, in the core's order."""
        raise NotImplementedError

    def _weights(self) -> list[Any]:
        """The weights in that order, as they are now: parametrizations compute them."""
        own = self._parameters
        return [own[name] if name in own else getattr(self, name) for name in self._names()]

    def _cell(self) -> str:
        """The core's name of the equations without options."""
        cell: str = self._of.cell
        return cell

    def _text(self, dtype: str, dropout: float) -> str:
        """What the operator is told of this module."""
        described = {
            "cell": self._cell(),
            "dtype": dtype,
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "num_layers": self.num_layers,
            "bidirectional": self.bidirectional,
            "bias": bool(self.bias),
            "proj_size": self.proj_size,
            "dropout": dropout,
            "merge": "concat",
        }
        return text_of(described | dict(self._core_options))

    def _known_text(self, dtype: str) -> str:
        """The same, put together once until an attribute is set."""
        if torch.compiler.is_compiling():
            return self._text(dtype, self.dropout)
        known = self.__dict__.setdefault("_known", {})
        if known.get("dtype") != dtype:
            known.clear()
            known.update(dtype=dtype, text=self._text(dtype, self.dropout))
        text: str = known["text"]
        return text

    def _at_once(self, x: Any, state: State) -> Any:
        """The result of a call that is checked in C, and in inference computed there, too; None if
        there is anything to convert or to refuse, or if anybody watches."""
        if torch.compiler.is_compiling():
            return None
        known = self.__dict__.get("_known") or {}
        layer = known.get("layer") or self._known_layer()
        return layer.call(self._parameters, self.training, x, state) if layer else None

    def _known_layer(self) -> Any:
        """The layer as the core calls it, made once until an attribute is set; None if the weights
        are not those of a layer that it computes."""
        names = self._names()
        weight = self._parameters.get(names[0])
        if weight is None or weight.dtype not in DTYPES:
            return None
        text = self._known_text(DTYPES[weight.dtype])
        cell = isinstance(self, nn.RNNCellBase)
        layer = _core.TensorLayer(
            library=LIBRARY,
            cache=CACHE,
            stack=layer_of(text).stack,
            names=names,
            drops=self._drops(),
            batch_first=not cell and self.batch_first,
            one_step=cell,
            train=partial(train_plain, text),
        )
        self._known["layer"] = layer
        return layer

    def _drops(self) -> bool:
        """Whether training draws masks."""
        return self._drops_states or (self.dropout > 0 and self.num_layers > 1)

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "training":
            self.__dict__.pop("_known", None)
        super().__setattr__(name, value)

    def _run(
        self, x: Tensor, state: list[Tensor | None], weights: list[Tensor], **rows: Any
    ) -> tuple[Tensor, list[Tensor]]:
        """(y, state) of time-major tensors.

        `rows`: their count, and lengths, batch_sizes, resets and reset_to if they have them.
        """
        h0, c0 = state[0], state[1] if self._has_c else None
        draws = self.training and self._drops()
        key = torch.randint(MOST_SEEDS, (2,), device="cpu") if draws else None
        given = (x, h0, c0, *weights)
        save = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in given)
        save = save and not torch.jit.is_tracing()  # a trace finds out when it runs
        text = self._known_text(DTYPES[weights[0].dtype])
        ragged = rows.get("lengths"), rows.get("batch_sizes"), rows.get("resets")
        # The last: nobody else sees what is saved.
        how = How(*ragged, key, text, rows["count"], rows.get("reset_to") == "state", save, True)
        y, hn, cn, _ = run_recurrent(x, h0, c0, weights, how)
        return y, [hn, cn] if self._has_c else [hn]

    def _read_state(
        self, hx: State, shape: tuple[Any, ...], count: Any, weight: Tensor
    ) -> list[Tensor | None]:
        """h, or h and c, of a state of `count` rows, (states, count, width) each.

        `shape`: as the user gives them, but for the last axis.
        """
        owner, width = type(self).__name__, self.proj_size or self.hidden_size
        if hx is None:
            return [None, None]
        if not self._has_c:
            named = [("hx", hx, width)]
        elif isinstance(hx, tuple | list) and len(hx) == 2:
            named = [("hx[0]", hx[0], width), ("hx[1]", hx[1], self.hidden_size)]
        else:
            raise TypeError(f"{owner}: hx is {describe(hx)}, expected a tuple (h, c)")
        wanted = (self._states, count)
        checked = [
            (check_state(owner, name, part, (*shape, size), weight), size)
            for name, part, size in named
        ]
        return [p if shape == wanted else p.reshape(*wanted, size) for p, size in checked]

    @property
    def _states(self) -> int:
        """The number of layers and directions, each of which has a state."""
        return self.num_layers * (1 + self.bidirectional)

    def extra_repr(self) -> str:
        """torch's, with pyrnn's own options."""
        own = [f"{name}={value!r}" for name, value in self.options.items() if name != "bias"]
        return ", ".join([super().extra_repr(), *own])
