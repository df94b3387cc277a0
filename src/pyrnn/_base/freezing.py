"""Freezing: which parameters of a module are trained, and names by patterns."""

from collections.abc import Iterable
from typing import Any, Self

from .checks import describe, describe_all
from .parameter import Parameter
from .quantized import check_trainable
from .words import nearest_words


class Freezable:
    """What can be frozen: the base of Module."""

    def freeze(self, *patterns: str) -> Self:
        """Training leaves all parameters as they are, or those whose names match a pattern.

        It sets their `requires_grad` to False (see Parameter) until `unfreeze`. A pattern is that
        of Python's fnmatch, "*" any characters: `model.freeze("0.*", "*.bias")`. Returns the
        module. TypeError for a pattern that is no text, ValueError for one that matches no name;
        then nothing has changed.

        Examples
        --------
        >>> model = pyrnn.Sequential(pyrnn.Embedding(9, 4, seed=0), pyrnn.GRU(4, 3, seed=1))
        >>> [name for name, p in model.freeze("0.*").named_parameters() if not p.requires_grad]
        ['0.weight']
        """
        return self._set_trained("freeze", patterns, False)

    def unfreeze(self, *patterns: str) -> Self:
        """Training takes all parameters up again, or those whose names match a pattern.

        Arguments, result and errors as those of `freeze`.
        """
        return self._set_trained("unfreeze", patterns, True)

    def _set_trained(self, method: str, patterns: tuple[str, ...], value: bool) -> Self:
        """Sets requires_grad of all parameters, or of those that the patterns name."""
        named: dict[str, Parameter] = dict(self.named_parameters())  # type: ignore[attr-defined]
        owner = f"{type(self).__name__}.{method}"
        chosen = [n for pattern in patterns for n in matching(owner, "pattern", pattern, named)]
        parameters = [named[name] for name in (chosen if patterns else named)]
        if value:
            check_trainable(owner, parameters)
        for parameter in parameters:
            parameter.requires_grad = value
        return self

    def _refuse_flag(self, value: Any) -> None:
        name = type(self).__name__
        raise AttributeError(
            f"{name}: requires_grad cannot be set: module.freeze() and module.unfreeze() set that "
            "of all its parameters"
        )

    requires_grad = property(None, _refuse_flag)


def matching(owner: str, argument: str, pattern: Any, names: Iterable[str]) -> list[str]:
    """The names that a pattern of fnmatch matches; ValueError with the nearest if there is none."""
    from fnmatch import fnmatchcase

    if not isinstance(pattern, str):
        raise TypeError(f"{owner}: {argument} is {describe(pattern)}, expected a text")
    names = list(names)
    found = [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        near = nearest_words(pattern, names, 0.4) or names
        raise ValueError(
            f"{owner}: {argument} {pattern!r} matches none of the {len(names)} parameters, "
            f"expected the name of one, such as {describe_all(near)}, or a pattern such as '0.*'"
        )
    return found


def frozen_names(named: Iterable[tuple[str, Parameter]]) -> list[str]:
    """The names of what is frozen."""
    return [name for name, parameter in named if not parameter.requires_grad]


def trained(named: Iterable[tuple[str, Parameter]]) -> list[tuple[str, Parameter]]:
    """What is not frozen."""
    return [(name, parameter) for name, parameter in named if parameter.requires_grad]


def read_frozen(names: Any, named: Iterable[tuple[str, Parameter]]) -> list[str] | None:
    """The names that a file gives as frozen, None in one from before it did; ValueError for what is
    no parameter's name."""
    if names is None:
        return None
    known = {name for name, _ in named}
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"frozen is {describe(names)}, expected a list of names")
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"frozen names {describe_all(unknown)}, expected names of parameters")
    return names


def freeze_only(names: Iterable[str] | None, named: Iterable[tuple[str, Parameter]]) -> None:
    """Freezes the parameters of these names, and no other; None: all stay as they are."""
    if names is None:
        return
    frozen = set(names)
    for name, parameter in named:
        parameter.requires_grad = name not in frozen
