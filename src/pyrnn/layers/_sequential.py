"""Sequential: modules one after the other."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, overload

from .._base.checks import Array
from .._base.front import Front
from .._base.mask import Mask
from .._base.module import Module, storable
from .._base.names import in_messages
from .._base.parameter import Parameter
from .._base.prediction import works_along_time
from .._base.pullback import Additions
from ._container import (
    Back,
    Container,
    States,
    back_through,
    entries_of,
    hollow,
    lengths_of,
    read_dy,
)
from ._sequential_stream import SequentialStream


class InOrder(Container):
    """Modules of which each takes the output of the one before; a subclass runs them."""

    _hands_masks_on: ClassVar[bool] = False

    def forward_path(self) -> Iterator[Module]:
        return (step for part in self for step in part.forward_path())

    def takers_of_ids(self) -> Iterator[Module]:
        return self[0].takers_of_ids()

    def check_front(self, owner: str, front: Front) -> None:
        for part in self:
            part.check_front(owner, front)
            if not part._features_from().passes:
                break
            front = part._features_from().after(front)

    def _fronts(self) -> Iterator[Module]:
        yield self[0]

    def _taken(self, i: Any, kind: type[Container]) -> Module:
        """Module i; of a slice, the same modules in a container of that kind."""
        places = self._places(i)
        if isinstance(places, int):
            return super().__getitem__(i)
        parts = {self._names[k]: self[k] for k in places}
        if self._is_named:
            return kind(batch_first=self.batch_first, **parts)
        return kind(*parts.values(), batch_first=self.batch_first)

    def _check_parts(self) -> None:
        """Follows the time axis through the parts: refuses what needs one that is gone, a LastStep
        with the wrong directions, or a mask that nobody hands on."""
        front = Front(passes=True)
        dropper: Module | None = None  # the part that has taken the time axis away
        for name, part in self.named_parts():
            owner = f"{type(self).__name__}: {in_messages(name, type(part))}"
            if dropper and works_along_time(part):
                raise ValueError(
                    f"{owner} needs the time axis, "
                    f"which a {type(dropper).__name__} in front has taken away"
                )
            part.check_front(owner, front)
            if part.makes_mask and not self._hands_masks_on:
                raise ValueError(
                    f"{owner} says which steps are masked, which a {type(self).__name__} does not "
                    "hand on: pyrnn.keras.MaskedSequential does"
                )
            front = part._features_from().after(front)
            if part.drops_time or part.makes_time:
                dropper = part if part.drops_time else None
                self.makes_time = dropper is None
            if part.gives_several and part is not self[-1]:
                raise ValueError(
                    f"{owner} gives several outputs, expected it at the end; Concat and Add make "
                    "one of several"
                )
        self._front = front
        self.drops_time = dropper is not None
        self.gives_several = self[-1].gives_several


@storable
class Sequential(InOrder):
    """Modules one after the other: each takes the output of the one before.

    - `y = model(x, lengths=None, mask=None)`: inference; x (N, T, F), or (N, T) of ids.
    - `y, state = model.run(x, state=None, lengths=None, mask=None)` carries a state on: a tuple
      with one entry per recurrent layer, those of inner Sequentials included; `()` if there is
      none. An entry, or all of it, may be None (zero).
    - `(y, state), pullback = model.vjp(x, ...)`, `dx, dstate = pullback(dy=None, dstate=None)`.

    `batch_first` is the layout of all parts: True, x (N, T, F), unless it or a part says False,
    x (T, N, F). Parts that say nothing follow, inner Sequentials too. Inside, arrays
    are time-major in memory either way, so no bit depends on it.

    Recurrent and time-aware modules get `lengths`; a module of your own that takes none gets each
    row's own steps alone (see Module). A mask moves each row's real steps to its front before the
    first module and back after the last. `model[i]`, `len(model)` and iteration give the modules, a
    slice such as `model[:-1]` a Sequential that shares them.

    Parameters are named "0.weight_ih_l0" as torch's. Modules given by keyword have names:
    `Sequential(rnn=..., head=...)` has `model.rnn`, and its parameters are "rnn.weight_ih_l0" as
    those of a torch module with such attributes.

    TypeError for what is no Module, and for modules of which some have names. ValueError for no
    modules, for a name that an attribute of a Sequential has or that is no identifier, for modules
    that disagree in batch_first or dtype, also with a Sequential that they are already part of, for
    a time axis needed after LastStep or a pool, and for a LastStep whose `bidirectional` is not
    that of the recurrent layer in front.

    Examples
    --------
    >>> gru, linear = pyrnn.GRU(3, 4, seed=0), pyrnn.Linear(4, 2, seed=1)
    >>> model = pyrnn.Sequential(rnn=gru, last=pyrnn.LastStep(), head=linear)
    >>> x = np.ones((2, 5, 3), np.float32)
    >>> model(x, lengths=[5, 3]).shape, model.head is linear
    ((2, 2), True)
    >>> (y, state), pullback = model.vjp(x)
    >>> dx, dstate = pullback(np.ones_like(y))  # adds into every parameter's .grad
    >>> linear.bias.grad
    array([2., 2.], dtype=float32)
    """

    _has_row: ClassVar[bool] = False

    @overload
    def __getitem__(self, i: int) -> Module: ...
    @overload
    def __getitem__(self, i: slice) -> "Sequential": ...
    def __getitem__(self, i: int | slice) -> Module:
        """Module i; of a slice, a Sequential of the same modules: it shares their parameters."""
        return self._taken(i, Sequential)

    def placed(self, y: Any, moved: Mask, move: Callable[[Array], Array]) -> Any:
        if self.gives_several:
            return self[-1].placed(y, moved, move)
        return super().placed(y, moved, move)

    def step_part(self, batch_size: int) -> SequentialStream:
        """The same as `stream`, for a Sequential around it."""
        return self.stream(batch_size)

    def _stream_parts(self, batch_size: int) -> list[Any]:
        steps = (part.step_part(batch_size) for part in self)
        return [step for step in steps if step is not None]

    def _run(self, x: Any, states: States, moved: Mask | None) -> tuple[Any, States]:
        new_states: States = []
        for part, state in zip(self, states, strict=True):
            x, new = part.run_part(x, state, lengths_of(moved))
            new_states += entries_of(part, new)
            moved = self._moved_after(part, x, moved)
        return (self[-1].placed(x, moved, moved.scatter) if moved else x), new_states

    def _vjp(
        self, x: Any, states: States, moved: Mask | None, need_dx: bool, rng: int | None
    ) -> tuple[Any, States, Back]:
        new_states: States = []
        pullbacks: list[tuple[Module, Any]] = []
        for part, state in zip(self, states, strict=True):
            lengths = lengths_of(moved)
            (x, new), pullback = part.vjp_part(x, state, lengths, need_dx=need_dx, rng=rng)
            new_states += entries_of(part, new)
            pullbacks.append((part, pullback))
            need_dx = need_dx or _has_parameters(part)
            moved = self._moved_after(part, x, moved)
        y = self[-1].placed(x, moved, moved.scatter) if moved else x
        shape = hollow(y) if moved else None

        def back(dy: Any, dstates: States) -> tuple[Any, States, Additions]:
            if moved:
                dy = self[-1].placed(read_dy("Sequential", dy, shape), moved, moved.gather)
            return back_through(pullbacks, dy, dstates)

        return y, new_states, back

    @staticmethod
    def _moved_after(part: Module, y: Any, moved: Mask | None) -> Mask | None:
        """The mask for what follows a part; none where the steps of x are gone."""
        if moved is None or part.gives_several:  # the last part, whose outputs are looked at apart
            return moved
        return moved if part.keeps_time(y, moved.steps, single=moved.single) else None


def _has_parameters(part: Module) -> bool:
    """Whether a part has any. Its own are looked at first: for most parts this saves a walk."""
    own = vars(part).values()
    return any(isinstance(value, Parameter) for value in own) or bool(part.parameters())
