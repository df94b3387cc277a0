"""The recurrent layers of a torch model, given to pyrnn and back."""

from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.utils import parametrize

from ._inputs import DTYPES, is_here
from ._module import Stack


@dataclass(frozen=True)
class Replacement:
    """What `replace_rnns` or `restore_rnns` did: (name, what came of it) of each module.

    `replaced` are those that changed, `left` those that stayed, with the reason; "" is the name of
    the model itself.

    Examples
    --------
    >>> import torch, pyrnn.torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.GRU(4, 5))
    >>> pyrnn.torch.replace_rnns(model).replaced
    [('1', 'torch.nn.GRU -> pyrnn.torch.GRU')]
    """

    replaced: list[tuple[str, str]]
    left: list[tuple[str, str]]

    def __str__(self) -> str:
        lines = [f"{name or 'the model'}: {text}" for name, text in self.replaced]
        lines += [f"{name or 'the model'}: left: {text}" for name, text in self.left]
        return "\n".join(lines) or "no recurrent layers"


def _shown(cls: type[nn.Module]) -> str:
    """A class as users import it."""
    return f"{'pyrnn.torch' if issubclass(cls, Stack) else 'torch.nn'}.{cls.__name__}"


def replace_rnns(model: nn.Module) -> Replacement:
    """Lets pyrnn compute every torch.nn.RNN, LSTM, GRU and cell of a model, in place.

    The modules stay the same objects: only their class changes, to that of the same name in
    pyrnn.torch. So parameters, hooks, training mode, names, and the state of an optimizer that has
    the parameters are untouched. Left alone, with the reason in the report: subclasses of torch's
    classes, modules with a forward of their own, scripted modules, weights that are not float32 or
    float64 or not on the CPU.

    TypeError if `model` is no torch.nn.Module.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.LSTM(8, 16))
    >>> print(pyrnn.torch.replace_rnns(model))
    0: torch.nn.LSTM -> pyrnn.torch.LSTM
    """
    done = Replacement([], [])
    for name, module in _modules("replace_rnns", model):
        kind = _plain(module)
        ours = Stack.of_torch.get(kind)
        if isinstance(module, Stack):
            done.left.append((name, "it is pyrnn's already"))
        elif ours is not None:
            _change(done, name, module, ours, _unfit(module))
        elif isinstance(module, tuple(Stack.of_torch)):
            reason = f"{kind.__name__} is a class of its own: only torch's are replaced"
            done.left.append((name, reason))
        elif getattr(module, "original_name", None) in {c.__name__ for c in Stack.of_torch}:
            done.left.append((name, "it is scripted: torch.jit.script takes only torch's layers"))
    return done


def restore_rnns(model: nn.Module) -> Replacement:
    """Gives what `replace_rnns` replaced, and pyrnn.torch's own layers, back to torch, in place.

    Left alone, with the reason in the report: layers with options that torch does not have.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(pyrnn.torch.GRU(8, 16))
    >>> print(pyrnn.torch.restore_rnns(model))
    0: pyrnn.torch.GRU -> torch.nn.GRU
    """
    done = Replacement([], [])
    for name, module in _modules("restore_rnns", model):
        if not isinstance(module, Stack):
            continue
        kind, theirs = _plain(module), module.torch_class
        if kind is not Stack.of_torch[theirs]:
            done.left.append((name, f"{kind.__name__} is a class of its own"))
            continue
        options = ", ".join(module.options)
        reason = f"{_shown(theirs)} has no {options}" if options else ""
        _change(done, name, module, theirs, reason)
    return done


def _modules(owner: str, model: nn.Module) -> list[tuple[str, Any]]:
    if not isinstance(model, nn.Module):
        raise TypeError(f"{owner}: model is {type(model).__name__}, expected a torch.nn.Module")
    return list(model.named_modules())


def _plain(module: nn.Module) -> Any:
    """A module's class, without what parametrizations make of it."""
    cls = type(module)
    return cls.__bases__[0] if parametrize.is_parametrized(module) else cls


def _unfit(module: nn.Module) -> str:
    """Why pyrnn cannot compute one of torch's modules; "" if it can."""
    if "forward" in vars(module):
        return "its forward was replaced on the object"
    for weight in module.parameters():
        if not is_here(weight):
            return f"its weights are on {weight.device}: pyrnn computes on the CPU"
        if weight.dtype not in DTYPES:
            return f"its weights are {weight.dtype}: pyrnn computes in float32 and float64"
    return ""


def _change(
    done: Replacement, name: str, module: nn.Module, cls: type[nn.Module], reason: str
) -> None:
    """Gives a module another class unless there is a reason not to."""
    if reason:
        done.left.append((name, reason))
        return
    done.replaced.append((name, f"{_shown(_plain(module))} -> {_shown(cls)}"))
    _set_class(module, cls)
    module.__dict__.pop("_known", None)  # what pyrnn's class may have kept


def _set_class(module: nn.Module, cls: type[nn.Module]) -> None:
    """Changes a module's class, under the class that parametrizations have made."""
    if parametrize.is_parametrized(module):
        own = {k: v for k, v in vars(type(module)).items() if k not in ("__dict__", "__weakref__")}
        cls = type(f"Parametrized{cls.__name__}", (cls,), own)
    module.__class__ = cls
