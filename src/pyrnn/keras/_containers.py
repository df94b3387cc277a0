"""MaskedSequential and WithStates: Keras' masks beside x, and states among the outputs."""

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from .._base.checks import Array, check_list, check_size
from .._base.mask import Mask
from .._base.module import Module, storable
from .._base.pullback import Additions
from ..layers._container import (
    Back,
    Container,
    States,
    back_through,
    entries_of,
    hollow,
    lengths_of,
    read_dy,
    through,
)
from ..layers._sequential import InOrder


@storable
class MaskedSequential(InOrder):
    """Modules one after the other, with a mask beside x that they make and hand on as in Keras.

    A part with `makes_mask`, such as Masking or MaskedEmbedding, says which steps are real for
    what follows; recurrent layers skip the others, and what takes a mask gets it, until the time
    axis is gone. Unlike in a Sequential, masked steps stay where they are: a Linear computes
    something at them, too. x comes without lengths and mask: what it holds says which steps are
    real. A row without any gives the zeros of LastStep and MeanPool.

    ValueError for lengths or a mask, TypeError for `stream`, else as a Sequential.

    Examples
    --------
    >>> parts = pyrnn.keras.MaskedEmbedding(9, 3, seed=0), pyrnn.GRU(3, 4, seed=1)
    >>> model = pyrnn.keras.MaskedSequential(*parts, pyrnn.LastStep())
    >>> ids = np.array([[0, 5, 0, 7], [5, 7, 0, 0]])
    >>> y = model(ids)
    >>> np.array_equal(y[0], y[1])
    True
    """

    _hands_masks_on = True

    @overload
    def __getitem__(self, i: int) -> Module: ...
    @overload
    def __getitem__(self, i: slice) -> "MaskedSequential": ...
    def __getitem__(self, i: int | slice) -> Module:
        """Module i; of a slice, a MaskedSequential of the same modules."""
        return self._taken(i, MaskedSequential)

    def step_part(self, batch_size: int) -> Any:
        """TypeError: a step would need the mask."""
        raise TypeError(
            "MaskedSequential: it has no stream, as a masked step gives the output before it; "
            "stream pyrnn.Sequential(*parts) of the parts without masks, on real steps alone"
        )

    def _stream_parts(self, batch_size: int) -> list[Any]:
        return [self.step_part(batch_size)]

    def _move(self, x: Any, lengths: Any, mask: Any) -> tuple[Any, Mask | None]:
        for name, given in (("lengths", lengths), ("mask", mask)):
            if given is not None:
                raise ValueError(
                    f"MaskedSequential: {name} came, expected None: x itself says which steps are "
                    "masked, as its parts read it"
                )
        return self._in_time_order(x), None

    def _run(self, x: Any, states: States, moved: Mask | None) -> tuple[Any, States]:
        new_states: States = []
        mask: Array | None = None
        for part, state in zip(self, states, strict=True):
            call: Any = getattr(part, "run", part) if part.made_of_parts else part
            y = call(x, **_given(part, state, mask))
            y, new = y if part.stateful else (y, None)
            new_states += entries_of(part, new)
            x, mask = y, _mask_after(part, x, mask)
        return x, new_states

    def _vjp(
        self, x: Any, states: States, moved: Mask | None, need_dx: bool, rng: int | None
    ) -> tuple[Any, States, Back]:
        new_states: States = []
        pullbacks: list[tuple[Module, Any]] = []
        mask: Array | None = None
        for part, state in zip(self, states, strict=True):
            options: dict[str, Any] = {"need_dx": need_dx} | ({"rng": rng} if part.random else {})
            y, pullback = part.vjp(x, **_given(part, state, mask), **options)
            y, new = y if part.stateful else (y, None)
            new_states += entries_of(part, new)
            pullbacks.append((part, pullback))
            need_dx = need_dx or bool(part.parameters())
            x, mask = y, _mask_after(part, x, mask)
        return x, new_states, lambda dy, dstates: back_through(pullbacks, dy, dstates)


def _given(part: Module, state: Any, mask: Array | None) -> dict[str, Any]:
    """What a part is called with beside x."""
    given = {"state": state} if part.stateful else {}
    return given | ({"mask": mask} if part.stateful or part.time_aware else {})


def _mask_after(part: Any, x: Any, mask: Array | None) -> Array | None:
    """The mask for what follows a part that got x."""
    if part.drops_time:
        return None
    made: Array | None = part.mask_after(x, mask) if part.makes_mask else mask
    return made


@storable
class WithStates(Container):
    """(y, states ...): the output of a module and the final states of its layers, as one tuple.

    What Keras' models give whose layers have `return_state`. Beside y, or the several that the
    module gives, stand the states of all its recurrent layers, in their order; each forward, then
    reverse; h, then c: arrays (N, H). `outputs` lists the places of those that are wanted, of one
    alone not as a tuple; None is all.

    Called as a Sequential; the gradient is nested as the output is. It has no stream, and `predict`
    and a Trainer take one output. ValueError for several modules and places that there are not.

    Examples
    --------
    >>> encoder = pyrnn.keras.WithStates(pyrnn.LSTM(3, 4, seed=0), outputs=[1, 2])
    >>> h, c = encoder(np.zeros((2, 5, 3), np.float32))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    def __init__(
        self,
        *modules: Module,
        outputs: Sequence[int] | None = None,
        batch_first: bool | None = None,
        **named: Module,
    ) -> None:
        super().__init__(*modules, batch_first=batch_first, **named)
        self.outputs = None if outputs is None else _read_places(outputs)
        self.gives_several = self.outputs is None or len(self.outputs) > 1

    def step_part(self, batch_size: int) -> Any:
        """TypeError: a step has one output."""
        raise TypeError("WithStates: it gives states among its outputs: it has no stream")

    def _check_parts(self) -> None:
        self._check_one()
        self.drops_time = self[0].drops_time
        self.makes_time = self[0].makes_time

    def _fronts(self) -> Any:
        return iter(self)

    def _description(self, name: str, seen: dict[int, str]) -> dict[str, Any]:
        described = super()._description(name, seen)
        described["config"] |= {"outputs": self.outputs}
        return described

    def placed(self, y: Any, moved: Mask, move: Callable[[Array], Array]) -> Any:
        if not isinstance(y, tuple):
            return super().placed(y, moved, move)
        return tuple(super(WithStates, self).placed(one, moved, move) for one in y)

    def _run(self, x: Any, states: States, moved: Mask | None) -> tuple[Any, States]:
        y, new = self[0].run_part(x, states[0], lengths_of(moved))
        new_states = entries_of(self[0], new)
        y = self._chosen(self._all(y, new_states))
        return self.placed(y, moved, moved.scatter) if moved else y, new_states

    def _vjp(
        self, x: Any, states: States, moved: Mask | None, need_dx: bool, rng: int | None
    ) -> tuple[Any, States, Back]:
        part, lengths = self[0], lengths_of(moved)
        (y, new), pullback = part.vjp_part(x, states[0], lengths, need_dx=need_dx, rng=rng)
        new_states = entries_of(part, new)
        every = self._all(y, new_states)
        own, count = (len(y) if part.gives_several else 1), len(every)
        y = self._chosen(every)
        y = self.placed(y, moved, moved.scatter) if moved else y
        shape, states_shape = hollow(y), tuple(map(hollow, new_states))

        def back(dy: Any, dstates: States) -> tuple[Any, States, Additions]:
            dy = read_dy("WithStates", dy, shape)
            if dy is None:
                return through(part, pullback, None, dstates[0])
            dy = self.placed(dy, moved, moved.gather) if moved else dy
            dys: list[Any] = [None] * count
            given = dy if self.gives_several else [dy]
            for place, d in zip(self._places_among(count), given, strict=True):
                dys[place] = d
            dstate = _with_added(part, dstates[0], states_shape, dys[own:])
            return through(part, pullback, tuple(dys[:own]) if own > 1 else dys[0], dstate)

        return y, new_states, back

    def _all(self, y: Any, states: States) -> list[Any]:
        """The module's own outputs, and the states."""
        flat = (a[d] for s in states for d in range(len(_arrays(s)[0])) for a in _arrays(s))
        return [*(y if self[0].gives_several else [y]), *flat]

    def _chosen(self, every: list[Any]) -> Any:
        """Those that are wanted, a tuple of several."""
        chosen = tuple(every[place] for place in self._places_among(len(every)))
        return chosen if self.gives_several else chosen[0]

    def _places_among(self, count: int) -> Sequence[int]:
        """The places of the outputs; ValueError for one that there is not."""
        places = range(count) if self.outputs is None else self.outputs
        if max(places) >= count:
            raise ValueError(
                f"WithStates: outputs is {list(places)}, expected places among {count} outputs"
            )
        return places


def _read_places(outputs: Any) -> list[int]:
    """Places, at least one, each once."""
    given = check_list("WithStates", "outputs", outputs)
    places = [check_size("WithStates", "outputs", place, minimum=0) for place in given]
    if not places or len(set(places)) < len(places):
        raise ValueError(f"WithStates: outputs is {places}, expected places, each once")
    return places


def _arrays(state: Any) -> tuple[Any, ...]:
    """h, or h and c."""
    return state if isinstance(state, tuple) else (state,)


def _with_added(part: Module, dstate: Any, states: tuple[Any, ...], given: list[Any]) -> Any:
    """The gradient of a part's state, with that of each h and c among the outputs added."""
    if not states:
        return dstate
    entries = dstate if part.made_of_parts else (dstate,)
    rest, added = iter(given), []
    for state, entry in zip(states, entries or (None,) * len(states), strict=True):
        zeros = _arrays(state)
        known = zeros if entry is None else _arrays(entry)
        sums = [np.array(z if d is None else d) for z, d in zip(zeros, known, strict=True)]
        for direction in range(len(sums[0])):
            for total in sums:
                if (d := next(rest)) is not None:
                    total[direction] += d
        added.append(tuple(sums) if isinstance(state, tuple) else sums[0])
    return tuple(added) if part.made_of_parts else added[0]
