"""Reading: what a user gives for series and their covariates, as arrays that go by step."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..._base.checks import Array, describe, describe_all
from .calendar import calendar_of
from .form import Covariates, Form, Options, values_of
from .roles import NO_ROLES, Roles
from .series import Series, read_rows
from .sheets import Part, Sheet, one_kind, open_sheet, split
from .stamps import Clock, Stamps, clock_of
from .statics import arrays_of, read_static
from .targets import alike, read_targets
from .times import parse_frequency

Span = tuple[int, int]  # the number of the first step, and how many there are


class Reader:
    """Reads the series of a fit, or with its form `known` others like them."""

    def __init__(self, owner: str, options: Options, known: Form | None = None) -> None:
        self.owner, self.known = owner, known
        self.options = options if known is None else known.options
        self._numbers: dict[int, tuple[Stamps, Array]] = {}

    def read(
        self,
        y: Any,
        past: Any = None,
        future: Any = None,
        static: Any = None,
        roles: Roles | None = None,
        *,
        ahead: int = 0,
        past_ahead: int = 0,
        follows: bool = False,
    ) -> tuple[list[Series], Form]:
        """Series with their covariates, the known future of so many more steps `ahead`, those of
        the past too if they go on for `past_ahead`, and their form. `roles` are None for those of
        the fit; what `follows` the known steps has the future that is remembered."""
        if roles is None:
            roles = Roles() if self.known is None else self.known.roles
        form, parts, sheets = self.targets("y", y, roles)
        form = replace(form, roles=roles, options=self.options, clock=self._clock(parts))
        ys, spans = self._steps(parts, form.clock)
        starts, ends = zip(*spans, strict=True)
        form = replace(form, starts=starts, ends=ends)
        past_columns, parts = self._covariates("past", past, form, sheets)
        more = past_ahead * self._go_on(parts, form.clock, spans, past_ahead)
        pasts = self._aligned(parts, form.clock, _longer(spans, more), past_columns.count)
        future_columns, parts = self._covariates("future", future, form, sheets, follows)
        longer = _longer(spans, ahead)
        futures = self._aligned(parts, form.clock, longer, future_columns.count)
        coming = [self._after(p, form.clock, s) for p, s in zip(parts, spans, strict=False)]
        form = replace(form, past=past_columns, future=future_columns, coming=tuple(coming))
        form = read_static(self.owner, static, form, sheets, self.known)
        statics, groups = arrays_of(form)
        futures = self._with_calendar(form, futures, longer)
        many = [Series(*own) for own in zip(ys, pasts, futures, statics, groups, strict=True)]
        return many, form

    def targets(self, argument: str, y: Any, roles: Roles) -> tuple[Form, list[Part], list[Sheet]]:
        """The form of series, their rows, and their tables."""
        return read_targets(self.owner, argument, y, roles, self.options.joint, self.known)

    def alone(self, argument: str, y: Any, known: Form) -> tuple[list[Array], Form]:
        """Series like the known ones, without covariates."""
        form, parts, _ = self.targets(argument, y, known.roles)
        ys, spans = self._steps(parts, self._clock(parts))
        starts, ends = zip(*spans, strict=True)
        return ys, replace(form, starts=starts, ends=ends)

    def coming(
        self, form: Form, past: Any, future: Any, past_steps: int, future_steps: int
    ) -> list[tuple[Array, Array]]:
        """The covariates of so many steps that follow the known ones of a form: past, which is
        zeros if None, and future."""
        first = [form.next_step(i) for i in range(len(form.keys))]
        if past is None:
            pasts = [np.zeros((future_steps, form.past.count)) for _ in first]
        else:
            columns, parts = self._covariates("past", past, form, [])
            spans = [(n, past_steps) for n in first]
            pasts = self._aligned(parts, form.clock, spans, columns.count)
        spans = [(n, future_steps) for n in first]
        columns, parts = self._covariates("future", future, form, [], follows=True)
        futures = self._aligned(parts, form.clock, spans, columns.count)
        return list(zip(pasts, self._with_calendar(form, futures, spans), strict=True))

    def _clock(self, parts: list[Part]) -> Clock | None:
        """The clock of all series: that of the fit, or of the longest. ValueError if only some have
        dates."""
        dated = [part for part in parts if part.stamps is not None]
        known = None if self.known is None else self.known.clock
        if dated and len(dated) < len(parts):
            without = next(part.name for part in parts if part.stamps is None)
            raise ValueError(f"{without} has no dates, expected dates as {dated[0].name}")
        if known is not None:
            return known
        freq = self.options.freq
        asked = None if freq is None else parse_frequency(self.owner, freq)
        if not dated:
            if asked is not None or self.options.calendar:
                asking = "freq" if asked is not None else "calendar"
                raise ValueError(f"{self.owner}: y has no dates, expected some with {asking}=")
            return None
        longest = max(dated, key=lambda part: len(part.values))
        clock = clock_of(longest.name, longest.stamps, asked) if longest.stamps else None
        if clock is None:
            raise ValueError(f"{longest.name} has one row, expected freq=, or rows that tell it")
        return clock

    def _steps(self, parts: list[Part], clock: Clock | None) -> tuple[list[Array], list[Span]]:
        """y (T, D) and the steps of each series."""
        ys, spans = [], []
        for i, part in enumerate(parts):
            first, values = 0, part.values
            if part.stamps is not None and clock is not None:
                numbers = self._count(part, clock)
                first, values = int(numbers[0]), self._without_gaps(part, numbers, clock)
            elif clock is not None and self.known is not None:
                first = self.known.next_step(min(i, len(self.known.keys) - 1))
            ys.append(values)
            spans.append((first, len(values)))
        return ys, spans

    def _count(self, part: Part, clock: Clock) -> Array:
        """The numbers of the steps of a part; of one that all series share once."""
        stamps = part.stamps
        if stamps is None:
            raise ValueError(f"{part.name} has no dates, expected dates as y; arrays need none")
        if id(stamps) not in self._numbers:
            self._numbers[id(stamps)] = stamps, clock.count(part.name, stamps)
        return self._numbers[id(stamps)][1]

    def _without_gaps(self, part: Part, numbers: Array, clock: Clock) -> Array:
        """Rows for all steps, NaN for those that are not there, if gaps are to be filled."""
        steps = np.diff(numbers)
        if (steps == 1).all():
            return part.values
        if not self.options.fill_gaps:
            i = int((steps > 1).argmax())
            raise ValueError(
                f"{part.name} has a gap between {part.where(i)} and {part.where(i + 1)}, expected "
                f"equal steps of {clock.frequency}: fill_gaps=True makes the {steps[i] - 1} that "
                "are not there missing values; to_numpy() gives the rows one after the other"
            )
        values = np.full((numbers[-1] - numbers[0] + 1, part.values.shape[1]), np.nan)
        values[numbers - numbers[0]] = part.values
        return values

    def _covariates(
        self,
        argument: str,
        value: Any,
        form: Form,
        sheets: list[Sheet],
        follows: bool = False,
    ) -> tuple[Covariates, list[Part]]:
        """How the covariates are called, and those of each series; [] if there are none. With
        `follows`, those that are remembered if none came."""
        known = None if self.known is None else getattr(self.known, argument)
        named = getattr(form.roles, argument)
        if value is None and not (named and sheets):
            if known is None or not known.count:
                return Covariates(), []
            if follows and (parts := self._remembered(form)):
                return known, parts
            raise ValueError(
                f"{self.owner}: {argument} is None, expected {known.count} covariates as in fit"
            )
        if known is not None and not known.count:
            raise ValueError(f"{self.owner}: {argument} was given, expected None as in fit")
        parts = self._own_parts(named, form, sheets) if named and sheets else []
        if value is not None:
            more = self._parts(argument, value, form, known)
            parts = [_both(*pair) for pair in zip(parts, more, strict=True)] if parts else more
        return known or Covariates(parts[0].values.shape[1], parts[0].columns), parts

    def _remembered(self, form: Form) -> list[Part]:
        """The known future of each series after its last known step, from a table that went on;
        [] unless all have some."""
        known = self.known
        if known is None or known.clock is None or not known.coming:
            return []
        parts = []
        for i, k in enumerate(form.positions_in(known)):
            if k is None or not len(rows := known.coming[k]):
                return []
            stamps = known.clock.stamps(known.next_step(k) + np.arange(len(rows)))
            name = f"{self.owner}: {form.name('future', i)}, as far as it has been given,"
            parts.append(Part(name, rows, known.future.names, stamps))
        return parts

    def _own_parts(self, named: Any, form: Form, sheets: list[Sheet]) -> list[Part]:
        """The covariates of each series in the tables of y."""
        if form.kind == "long":
            return split(sheets[0], named, form.keys, "of y")
        parts = [sheet.part(sheet.name, named) for sheet in sheets]
        return parts * len(form.keys) if len(parts) < len(form.keys) else parts

    def _parts(self, argument: str, value: Any, form: Form, known: Covariates | None) -> list[Part]:
        """The covariates of each series, given by themselves: one table may be of all series."""
        name, roles = f"{self.owner}: {argument}", form.roles
        sheet = open_sheet(name, value, roles)
        if sheet is not None and form.kind == "wide" and set(sheet.others()) == set(form.keys):
            return [replace(sheet.part(name, (key,)), columns=None) for key in form.keys]
        if sheet is not None:
            columns = covariate_columns(argument, sheet, form, known)
            if sheet.is_long and form.kind == "long":
                return split(sheet, columns, form.keys, "of y")
            return [sheet.part(name, columns)] * len(form.keys)
        values = values_of(self.owner, argument, value, form)
        names = [f"{self.owner}: {form.name(argument, i)}" for i in range(len(values))]
        sheets = one_kind(
            name, [open_sheet(*pair, roles) for pair in zip(names, values, strict=True)]
        )
        if not sheets:
            return alike([Part(n, read_rows(n, v)) for n, v in zip(names, values, strict=True)])
        columns = covariate_columns(argument, sheets[0], form, known)
        first = Covariates(len(columns), columns)
        for one in sheets[1:]:
            covariate_columns(argument, one, form, first)
        parts = zip(names, sheets, strict=True)
        return [one.part(n, one.others() if one.table.lone else columns) for n, one in parts]

    def _aligned(
        self, parts: list[Part], clock: Clock | None, spans: list[Span], count: int
    ) -> list[Array]:
        """The rows of each span (steps, F), without parts those of no column."""
        if not parts:
            return [np.zeros((steps, 0)) for _, steps in spans]
        pairs = zip(parts, spans, strict=True)
        return [self._rows(part, clock, span, count) for part, span in pairs]

    def _go_on(self, parts: list[Part], clock: Clock | None, spans: list[Span], more: int) -> bool:
        """Whether all parts have rows of so many steps after their span."""
        return bool(parts) and all(
            self._count(part, clock)[-1] >= first + steps + more - 1
            if clock is not None and part.stamps is not None
            else len(part.values) == steps + more
            for part, (first, steps) in zip(parts, spans, strict=True)
        )

    def _after(self, part: Part, clock: Clock | None, span: Span) -> Array:
        """The rows with dates that follow a span, as far as there are no gaps but those to fill."""
        if clock is None or part.stamps is None:
            return part.values[:0]
        numbers, first = self._count(part, clock), sum(span)
        start = int(np.searchsorted(numbers, first))
        places, rows = numbers[start:] - first, part.values[start:]
        if self.options.fill_gaps and len(places):
            filled = np.full((int(places[-1]) + 1, rows.shape[1]), np.nan)
            filled[places] = rows
            return filled
        return rows[: int((places == np.arange(len(places))).sum())]

    def _rows(self, part: Part, clock: Clock | None, span: Span, count: int) -> Array:
        """The rows (steps, F) of the steps of a span: those of their dates, or where there are none
        all rows by place."""
        first, steps = span
        by_date = clock is not None and (part.stamps is not None or part.columns is not None)
        if part.values.shape != (len(part.values) if by_date else steps, count):
            raise ValueError(
                f"{part.name} has shape {part.values.shape}, expected {(steps, count)} = "
                "(steps, covariates)"
            )
        if not by_date or clock is None:
            return part.values
        numbers, wanted = self._count(part, clock), np.arange(first, first + steps)
        if wanted[0] < numbers[0] or wanted[-1] > numbers[-1]:
            raise ValueError(
                f"{part.name} has rows from {part.where(0)} to {part.where(-1)}, expected "
                f"{clock.show(wanted[0])} to {clock.show(wanted[-1])}"
            )
        rows = np.searchsorted(numbers, wanted)
        present = numbers[rows] == wanted
        if not present.all() and not self.options.fill_gaps:
            gap = int(wanted[(~present).argmax()])
            raise ValueError(
                f"{part.name} has no row of {clock.show(gap)}, expected one for each step of y: "
                "fill_gaps=True makes it a missing value"
            )
        return np.where(present[:, None], part.values[rows], np.nan)

    def _with_calendar(self, form: Form, futures: list[Array], spans: list[Span]) -> list[Array]:
        """The known future, and behind it what the dates say."""
        calendar = form.options.calendar
        if not calendar or form.clock is None:
            return futures
        found = {
            (first, steps): calendar_of(form.clock, calendar, first + np.arange(steps))
            for first, steps in set(spans)
        }
        pairs = zip(futures, spans, strict=True)
        return [np.concatenate([future, found[span]], axis=1) for future, span in pairs]


def _longer(spans: list[Span], more: int) -> list[Span]:
    """Spans that go on for so many more steps."""
    return [(first, steps + more) for first, steps in spans]


def covariate_columns(
    argument: str, sheet: Sheet, form: Form, known: Covariates | None
) -> tuple[Any, ...]:
    """The columns of a table of covariates in the order of the fit. ValueError for others than
    these, unless it was said by their names which are covariates."""
    own, named = sheet.others(), getattr(form.roles, argument)
    wanted = named or (None if known is None else known.names)
    if sheet.table.lone:
        return own
    if wanted is None:
        frame = form.roles != NO_ROLES or form.kind == "long"  # columns may be covariates
        targets = [one for one in own if frame and one in (form.columns or ())]
        if targets:
            raise ValueError(
                f"{sheet.name} has the column {describe(targets[0])}, which is forecast: "
                f"{argument}= may name columns of y, or is a table of covariates alone"
            )
        return own
    if set(own) == set(wanted) or (named and set(wanted) <= set(own)):
        return tuple(wanted)
    raise ValueError(
        f"{sheet.name} has the columns {describe_all(own)}, expected {describe_all(wanted)} as in "
        "fit"
    )


def _both(known: Part, coming: Part) -> Part:
    """The rows that are known, and those that come after them."""
    if known.stamps is None or coming.stamps is None:
        return replace(known, values=np.concatenate([known.values, coming.values]))
    later = coming.stamps.utc > known.stamps.utc[-1]
    return replace(
        known,
        values=np.concatenate([known.values, coming.values[later]]),
        stamps=known.stamps.followed_by(coming.stamps.rows(later)),
    )
