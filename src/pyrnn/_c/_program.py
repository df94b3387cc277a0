"""Program: what a model computes of one sequence, as calls of C functions in passes over its steps.

A call that needs the step before it is made in a pass that goes forward, one that needs the step
after it in a pass that goes in reverse; every other call joins the pass that makes its inputs. A
vector that is only used in the pass that makes it is a local array, and one that a later pass uses
is kept for all steps. What a LastStep or a pool makes is one vector, ready after the passes.
"""

from dataclasses import dataclass, field

FORWARD, REVERSE = "forward", "reverse"


@dataclass(eq=False)
class Value:
    """A vector of numbers: one for each step, or one for the sequence."""

    name: str  # of its array in C
    width: int
    made: int | None = 0  # the pass that makes it; None: after all of them
    member: str | None = None  # of the state, where it is one
    users: set[int | None] = field(default_factory=set)  # the passes that use it

    @property
    def is_kept(self) -> bool:
        """Whether all its steps are kept for another pass."""
        return self.made is not None and bool(self.users - {self.made})


@dataclass(eq=False)
class Call:
    """Lines of C that make y of some x; {x[0]}, {x[1]} and {y} are the addresses of a step."""

    text: str
    x: tuple[Value, ...]
    y: Value
    place: int | None  # the pass; None: after all of them
    ends_time: bool = False  # whether y, of the whole sequence, is collected in the pass
    in_a_step: str | None = None  # the lines in a step alone, where a call has others there


class Program:
    """Passes, their calls in order, and the members of the state."""

    def __init__(self) -> None:
        self.directions: list[str | None] = [None]  # of each pass; None: any
        self.calls: list[Call] = []
        self.states: list[tuple[str, int]] = []  # members and their widths
        self.units = 0  # the most of a recurrent layer
        self.columns = 0  # the most of a matrix in int8
        self.ids: int | None = None  # how many there are, if x is one

    def takes_ids(self, count: int) -> None:
        """Says that x is an id below that."""
        self.ids = min(count, self.ids or count)

    def state(self, member: str, width: int) -> str:
        """A member of the state, as C names it."""
        self.states.append((member, width))
        return f"state->{member}"

    def call(
        self, text: str, x: tuple[Value, ...], y: Value, direction: str | None = None
    ) -> Value:
        """y, made of x in the first pass that can make it; of what is no sequence, after all."""
        place = None if any(v.made is None for v in x) else self._pass(x, direction)
        return self._add(Call(text, x, y, place))

    def collect(self, text: str, x: Value, y: Value, in_a_step: str | None) -> Value:
        """y of the whole sequence, collected in the pass that makes x, from zeros."""
        call = Call(text, (x,), y, x.made, ends_time=True, in_a_step=in_a_step)
        return self._add(call)

    def _add(self, call: Call) -> Value:
        for value in call.x:
            value.users.add(call.place)
        call.y.made = None if call.ends_time else call.place
        self.calls.append(call)
        return call.y

    def _pass(self, x: tuple[Value, ...], direction: str | None) -> int:
        """The first pass of a direction that has, or follows those that have, all of x."""
        first = max((value.made or 0 for value in x), default=0)
        if direction is None:
            return first
        for place in range(first, len(self.directions)):
            if self.directions[place] in (None, direction):
                self.directions[place] = direction
                return place
        self.directions.append(direction)
        return len(self.directions) - 1

    @property
    def has_step(self) -> bool:
        """Whether a step needs nothing of those after it."""
        collected = any(call.ends_time and call.in_a_step is None for call in self.calls)
        return not collected and self.directions in ([None], [FORWARD])

    @property
    def ends_time(self) -> bool:
        """Whether the model gives one vector for a sequence."""
        return any(call.ends_time for call in self.calls)
