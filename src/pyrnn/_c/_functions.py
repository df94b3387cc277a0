"""Functions: a program as the functions model_reset, model_step and model_run."""

from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import Any

from ._program import REVERSE, Call, Program, Value

COLUMNS = 100
BREAKS: dict[str, Any] = {"subsequent_indent": " " * 8, "break_long_words": False}
BREAKS["break_on_hyphens"] = False


class Functions:
    """The public functions of a model with input x and output y."""

    def __init__(self, program: Program, x: Value, y: Value) -> None:
        self.program = program
        self.x, self.y = x, y
        self.has_step = program.has_step
        values = [call.y for call in program.calls]
        self._kept = [v for v in values if v.is_kept and v is not y]
        self.work = sum(value.width for value in self._kept)  # numbers for each step
        self.takes_ids = program.ids is not None
        self.status = "int" if self.takes_ids else "void"

    @property
    def reset(self) -> str:
        """How the function is declared."""
        return "void model_reset(model_state* state)"

    @property
    def step(self) -> str:
        x = "int x" if self.takes_ids else "const float* x"
        return f"{self.status} model_step(model_state* state, {x}, float* y)"

    @property
    def run(self) -> str:
        x = "const int* x" if self.takes_ids else "const float* x"
        work = ", float* work" if self.work else ""
        return f"{self.status} model_run(model_state* state, {x}, int steps, float* y{work})"

    def heads(self) -> list[str]:
        """The declarations of all functions."""
        return [self.reset, *([self.step] if self.has_step else []), self.run]

    def bodies(self) -> Iterator[str]:
        """The definitions of all functions."""
        zeros = [f"model_zero({width}, state->{name});" for name, width in self.program.states]
        yield definition(self.reset, zeros or ["(void)state;"])
        if self.has_step:
            yield definition(self.step, [*self._unused(), *self._step()])
        of_steps = self.has_step and not self.program.ends_time
        lines = self._run_of_steps() if of_steps else [*self._unused(), *self._run()]
        yield definition(self.run, lines)

    def _unused(self) -> list[str]:
        return [] if self.program.states else ["(void)state;"]

    def _step(self) -> Iterator[str]:
        """All calls once."""
        if self.takes_ids:
            yield "if (x < 0 || x >= MODEL_IDS) return -1;"
        for call in self.program.calls:
            yield from self._lines(call, in_a_step=True)
        if self.takes_ids:
            yield "return 0;"

    def _run_of_steps(self) -> Iterator[str]:
        """A step for each step."""
        yield from self._check_ids()
        x = "x[t]" if self.takes_ids else "x + t * MODEL_INPUTS"
        yield "for (int t = 0; t < steps; ++t)"
        yield f"  model_step(state, {x}, y + t * MODEL_OUTPUTS);"
        if self.takes_ids:
            yield "return 0;"

    def _check_ids(self) -> Iterator[str]:
        if self.takes_ids:
            yield "for (int t = 0; t < steps; ++t)"
            yield "  if (x[t] < 0 || x[t] >= MODEL_IDS) return -1;"

    def _run(self) -> Iterator[str]:
        """Pass after pass, then what follows them."""
        yield from self._check_ids()
        begin = 0
        for value in self._kept:
            yield f"float* {value.name} = work{f' + {begin} * steps' if begin else ''};"
            begin += value.width
        for call in self.program.calls:
            if call.ends_time:
                yield from self._declared(call.y)
                yield f"model_zero({call.y.width}, {self._address(call.y, None)});"
        for place, direction in enumerate(self.program.directions):
            yield from self._pass(place, direction)
        for call in self.program.calls:
            if call.place is None:
                yield from self._lines(call)
        if self.takes_ids:
            yield "return 0;"

    def _pass(self, place: int, direction: str | None) -> Iterator[str]:
        """The calls of a pass for each step."""
        is_reverse = direction == REVERSE
        steps = "int t = steps - 1; t >= 0; --t" if is_reverse else "int t = 0; t < steps; ++t"
        lines = [
            line
            for call in self.program.calls
            if call.place == place
            for line in self._lines(call, first="steps - 1" if is_reverse else "0")
        ]
        if lines:
            yield from [f"for ({steps}) {{", *(f"  {line}" for line in lines), "}"]

    def _lines(self, call: Call, first: str = "0", in_a_step: bool = False) -> Iterator[str]:
        """A call, after the declaration of its output."""
        place, y = call.place, call.y
        if in_a_step or not call.ends_time:
            yield from self._declared(y, in_a_step)
        text = call.in_a_step if in_a_step and call.in_a_step else call.text
        x = [self._address(value, place, in_a_step) for value in call.x]
        address = self._address(y, place, in_a_step)
        yield from text.format(x=x, y=address, first=first).splitlines()
        if y.member and y.is_kept and not in_a_step:
            yield f"model_copy({address}, {y.width}, {y.name} + t * {y.width});"

    def _declared(self, value: Value, in_a_step: bool = False) -> Iterator[str]:
        """The declaration of a local array."""
        is_kept = value.is_kept and not in_a_step
        if not (value is self.y or value.member or is_kept):
            yield f"float {value.name}[{value.width}];"

    def _address(self, value: Value, place: int | None, in_a_step: bool = False) -> str:
        """Where a vector is, in a step of a pass or after all."""
        if value is self.x and self.takes_ids:
            return "x" if in_a_step else "x[t]"
        if value is self.x or value is self.y:
            name, width = ("x", "MODEL_INPUTS") if value is self.x else ("y", "MODEL_OUTPUTS")
            is_one = in_a_step or value.made is None
            return name if is_one else f"{name} + t * {width}"
        if value.member and (in_a_step or place == value.made):
            return f"state->{value.member}"
        if value.is_kept and not in_a_step:
            return f"{value.name} + t * {value.width}"
        return value.name


def definition(head: str, lines: Iterable[str]) -> str:
    """A function."""
    body = (wrapped for line in lines for wrapped in wrap(f"  {line}", COLUMNS, **BREAKS))
    return "\n".join([f"{head} {{", *body, "}"])
