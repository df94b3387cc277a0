"""Parameter groups: what an optimizer is given as `groups`, and the handle of one group."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

from .._base.checks import check_list, check_number, check_size, describe
from .._base.freezing import matching
from .._base.module import Module
from .._base.parameter import Parameter
from .._base.settings import Settings


class NamedParameters(list[tuple[str, Parameter]]):
    """What a Module's `named_parameters` returned, kept by a caller that needs it many times."""


Parameters = Module | NamedParameters | Iterable[Parameter]
Named = Sequence[tuple[str, Parameter]]
Groups = Sequence[Mapping[str, Any]] | Mapping[str, Mapping[str, Any]]
Options = dict[str, Any]


def read_groups(owner: str, groups: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """(its name in errors, its "params", its options) of each group."""
    if groups is None:
        return
    if not isinstance(groups, Iterable):
        raise TypeError(f"{owner}: groups is {describe(groups)}, expected a list of dicts")
    by_pattern = isinstance(groups, Mapping)
    given: Any = groups.items() if isinstance(groups, Mapping) else enumerate(groups)
    for key, group in given:
        name = f"groups[{key!r}]"
        if not isinstance(group, Mapping):
            expected = "a dict of options" if by_pattern else "a dict with 'params'"
            raise TypeError(f"{owner}: {name} is {describe(group)}, expected {expected}")
        if ("params" in group) == by_pattern:
            expected = "options alone" if by_pattern else "'params'"
            raise ValueError(f"{owner}: {name} has the keys {sorted(group)}, expected {expected}")
        options = {option: value for option, value in group.items() if option != "params"}
        yield name, key if by_pattern else group["params"], options


def read_members(owner: str, name: str, members: Any) -> list[Parameter] | list[str]:
    """The parameters of a group, or the patterns of their names."""
    if isinstance(members, str):
        return [members]
    if isinstance(members, list | tuple) and members and isinstance(members[0], str):
        wrong = [pattern for pattern in members if not isinstance(pattern, str)]
        if wrong:
            raise TypeError(
                f"{owner}: {name}['params'] holds {describe(wrong[0])}, expected patterns alone"
            )
        return list(members)
    members = [members] if isinstance(members, Parameter) else members
    return [p for _, p in named_parameters(owner, members, f"{name}['params']")]


def check_rates(owner: str, name: str, values: Any) -> list[float]:
    """A list of learning rates, finite and >= 0."""
    values = check_list(owner, name, values)
    rates = [check_number(owner, f"{name}[{i}]", value) for i, value in enumerate(values)]
    for i, rate in enumerate(rates):
        if not 0 <= rate < math.inf:
            raise ValueError(f"{owner}: {name}[{i}] is {rate}, expected a finite number >= 0")
    return rates


def found_by(owner: str, name: str, patterns: Sequence[str], named: Named) -> list[Parameter]:
    """The parameters whose names match one of the patterns; ValueError for one without any."""
    by_name = dict(named)
    names = dict.fromkeys(
        each for pattern in patterns for each in matching(owner, f"{name}:", pattern, by_name)
    )
    return [by_name[each] for each in names]


def named_parameters(
    owner: str, parameters: Parameters, argument: str = "parameters"
) -> list[tuple[str, Parameter]]:
    """The parameters with a name each: a Module's own names, or the positions in a list."""
    if isinstance(parameters, NamedParameters):
        return parameters
    if isinstance(parameters, Module):
        return parameters.named_parameters()
    if not isinstance(parameters, Iterable):
        raise TypeError(
            f"{owner}: {argument} is {describe(parameters)}, expected a Module or Parameters"
        )
    named = [(str(position), parameter) for position, parameter in enumerate(parameters)]
    for position, parameter in named:
        if not isinstance(parameter, Parameter):
            raise TypeError(
                f"{owner}: {argument}[{position}] is {describe(parameter)}, expected a Parameter"
            )
    if len({id(parameter) for _, parameter in named}) < len(named):
        raise ValueError(f"{owner}: {argument} holds one Parameter twice")
    return named


class Group(Settings):
    """One group of an optimizer: `optimizer.group("0.*")` or `optimizer.group(1)`.

    A schedule made with it instead of the optimizer acts on this group alone. `lr` is its learning
    rate, which may be set by hand as the optimizer's may. `number` counts from 0, the group of all
    other parameters.
    """

    def __init__(self, optimizer: Any, number: int) -> None:
        self.optimizer, self.number = optimizer, number

    @property
    def lr(self) -> float:
        """The learning rate of the group, finite and >= 0."""
        lr: float = self.optimizer.lrs[self.number]
        return lr

    @lr.setter
    def lr(self, value: float) -> None:
        self.optimizer.set_own_lr(self.number, value)

    def __repr__(self) -> str:
        return f"{self.optimizer!r}.group({self.number})"


class Grouped(Settings):
    """What has parameter groups: the base of Optimizer."""

    _groups: list[Options]  # the options of each; the first is of all others
    _members: list[list[Parameter]]  # of the groups after the first
    # Of each of them: its name in errors, and its patterns, if it has such; none in old pickles.
    _patterns: Sequence[tuple[str, list[str]]] = ()
    _are_found = False  # the parameters that patterns name

    def _set_groups(self, options: Options, groups: Groups | None) -> None:
        """The constructor's options, and the groups that it was given."""
        self._groups, self._members, self._patterns = [options], [], []
        for name, members, own in read_groups(type(self).__name__, groups):
            self._add_group(name, members, own)
        self._group_numbers(self._members)  # no parameter is in two

    @property
    def options(self) -> Mapping[str, Any]:
        """The constructor's options: those of the parameters in no group; for reading."""
        return self.groups[0]

    @property
    def groups(self) -> tuple[Mapping[str, Any], ...]:
        """The options of each group; the first is that of all other parameters. For reading."""
        return tuple(map(MappingProxyType, self._groups))

    @property
    def members(self) -> list[list[Parameter]]:
        """The parameters of each group after the first."""
        return self._members

    def group(self, which: int | str) -> Group:
        """A group by its number, 0 for that of all other parameters, or by one of its patterns: to
        make schedules of its own for it, and to set its `lr`. ValueError if there is none."""
        owner, count = type(self).__name__, len(self._groups)
        patterns = {p: i for i, (_, given) in enumerate(self._patterns, 1) for p in given}
        if isinstance(which, str):
            if which not in patterns:
                raise ValueError(
                    f"{owner}: group {which!r} is no pattern of a group, expected one of "
                    f"{sorted(patterns)}, or a number below {count}"
                )
            return Group(self, patterns[which])
        return Group(self, check_size(owner, "which", which, minimum=0, maximum=count - 1))

    def _add_group(self, name: str, members: Any, own: Options) -> None:
        """Reads one group, with the constructor's options for what it does not say."""
        owner = type(self).__name__
        unknown = sorted(set(own) - set(self.options))
        if unknown:
            raise ValueError(
                f"{owner}: {name} has the options {unknown}, expected some of "
                f"{sorted(self.options)}"
            )
        try:
            self._groups.append(dict(type(self)(**(dict(self.options) | own)).options))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{owner}: {name}: {error}") from None
        read = read_members(owner, name, members)
        by_pattern = bool(read) and isinstance(read[0], str)
        patterns = cast(list[str], read) if by_pattern else []
        self._patterns = [*self._patterns, (name, patterns)]
        self._members.append([] if by_pattern else cast(list[Parameter], read))

    def find_members(self, named: Named) -> None:
        """Finds the parameters of the groups that have patterns, once; ValueError for a pattern
        that matches none, or what another group has too."""
        if self._are_found or not any(patterns for _, patterns in self._patterns):
            return
        members = [
            found_by(type(self).__name__, name, patterns, named) if patterns else own
            for own, (name, patterns) in zip(self._members, self._patterns, strict=True)
        ]
        self._group_numbers(members)
        self._members, self._are_found = members, True

    def _group_numbers(self, groups: Sequence[list[Parameter]]) -> dict[int, int]:
        """{id of a parameter: its group}, for those that are in one."""
        numbers: dict[int, int] = {}
        for number, members in enumerate(groups, 1):
            for parameter in members:
                other = numbers.setdefault(id(parameter), number)
                if other != number:
                    raise ValueError(
                        f"{type(self).__name__}: {self._name_of(number)} holds a parameter of "
                        f"shape {parameter.shape} that is in {self._name_of(other)} too"
                    )
        return numbers

    def _name_of(self, number: int) -> str:
        """What errors call a group after the first."""
        return self._patterns[number - 1][0] if self._patterns else f"groups[{number - 1}]"

    def _options_of(self, named: list[tuple[str, Parameter]]) -> dict[str, Options]:
        """The options of each parameter by its name."""
        self.find_members(named)
        numbers = self._group_numbers(self._members)
        missing = numbers.keys() - {id(parameter) for _, parameter in named}
        if missing:
            number = numbers[missing.pop()]
            raise ValueError(
                f"{type(self).__name__}: {self._name_of(number)} holds a parameter that is not "
                "among those to be updated: make the groups from the parameters of this model"
            )
        return {name: self._groups[numbers.get(id(p), 0)] for name, p in named}
