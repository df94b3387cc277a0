"""Shards: a batch in parts, whose gradients are made one by one and added in a fixed order."""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._base.checks import Array, check_size
from .._base.draws import Draws, with_rows_from
from .._base.module import Module
from .._base.reading import read_in_order
from .._base.samples import Batch, Samples
from ._flat import Buffer, Flat
from ._objective import ForwardPass, Objective, pieces_of
from ._ranks import Ranks
from ._tree import Node, cut_evenly, middle, nodes_within, owned, total, total_of_numbers


class Loss(NamedTuple):
    """What a shard tells of its forward pass: see ForwardPass."""

    loss: float
    weight: float
    steps: int
    adds: bool


SHARDS = 4  # with a communicator, unless another number is given


def count_shards(given: Any, ranks: Ranks) -> int:
    """The number of shards that a Trainer is given, or its default; ValueError for fewer than
    ranks."""
    if given is None:
        given = 1 if ranks.communicator is None else SHARDS
    count = check_size("Trainer", "shards", given)
    if count < ranks.size:
        raise ValueError(
            f"Trainer: shards is {count}, expected at least {ranks.size}, one for each rank"
        )
    return count


class Shards:
    """Forward and backward passes of batches that are cut into `count` shards.

    A shard is computed like a batch of its own, so that what it gives depends on its rows alone.
    The sums over shards, those of losses, weights and gradients, follow a fixed binary tree: the
    ranks that share the work, each some neighbouring shards, add what one alone adds. With one
    shard nothing is cut.
    """

    def __init__(self, model: Module, count: int, ranks: Ranks) -> None:
        self.count, self._model, self._ranks = count, model, ranks
        self._own = owned(ranks.rank, ranks.size, count)
        self._flat = Flat([], ranks.size)
        self.look_at_model()

    def look_at_model(self) -> None:
        """Before a fit: what the model consists of is the same in all of it."""
        self._parameters = self._model.parameters()
        self._counters = Counters(self._model)

    def read(
        self, samples: Samples, batches: Sequence[Array], tbptt: int | None
    ) -> Generator["CutBatch"]:
        """What this rank needs of each batch; that of a store is read ahead."""

        def cut(rows: Array) -> CutBatch:
            lengths = np.ones(len(rows)) if samples.lengths is None else samples.lengths[rows]
            parts = list(enumerate(cut_evenly(lengths, self.count)))[slice(*self._own)]
            width = max(1, samples.steps(rows))
            own = {
                i: Shard(part.start, pieces_of(samples, rows[part], tbptt))
                for i, part in parts
                if part.start < part.stop
            }
            return CutBatch(own, 1 if tbptt is None else -(-width // tbptt))

        return read_in_order(batches, cut, ahead=samples.is_stored)

    def passes(
        self, objective: Objective, samples: Samples, batch: "CutBatch"
    ) -> Iterator[ForwardPass]:
        """The forward pass of a batch, or of its pieces one after the other, with the state carried
        on. Each is to be gone back through before the next one is asked for."""
        for _ in range(batch.pieces):
            if self.count == 1:
                (whole,) = batch.shards.values()
                yield whole.forward(objective, samples, next(whole.pieces))
            else:
                yield self._pass(objective, samples, batch.shards)

    def check_batch_size(self, size: int) -> None:
        """ValueError for batches with fewer rows than shards."""
        if size < self.count:
            raise ValueError(
                f"Trainer: batch_size is {size}, expected at least shards = {self.count}: one row "
                "for each"
            )

    def _pass(self, objective: Objective, samples: Samples, own: dict[int, "Shard"]) -> ForwardPass:
        """The next piece of all shards."""
        counters, found = self._counters, dict[int, ForwardPass]()

        def forward() -> tuple[dict[int, Loss], Any]:
            before, batches = counters.state(), {i: next(s.pieces, None) for i, s in own.items()}
            for i, batch in batches.items():
                if batch is not None:
                    counters.go_to(before)  # all shards have the masks of one batch
                    found[i] = own[i].forward(objective, samples, batch)
            told = {i: Loss(f.loss, f.weight, f.steps, f.adds) for i, f in found.items()}
            return told, counters.state() if found else None

        gathered = self._ranks.together(forward)
        if not found:  # of a batch with fewer rows than there are shards
            counters.go_to(next(after for _, after in gathered if after is not None))
        losses = {i: loss for told, _ in gathered for i, loss in told.items()}
        weight = self._total({i: loss.weight for i, loss in losses.items()})
        mean = self._total({i: loss.loss * loss.weight for i, loss in losses.items()})
        adds = any(loss.adds for loss in losses.values())

        def backward(share: float) -> None:
            shares = {
                i: share if adds else share * (f.weight / weight)
                for i, f in found.items()
                if f.weight
            }
            self._backward({i: found.pop(i).backward for i in shares}, shares)

        return ForwardPass(
            mean / weight if weight else 0.0,
            weight,
            None,
            backward,
            adds,
            sum(loss.steps for loss in losses.values()),
            self._ranks.first_with(
                any(not np.isfinite(loss.loss) for loss in told.values()) for told, _ in gathered
            ),
        )

    def _total(self, numbers: dict[int, float]) -> float:
        return total_of_numbers(numbers, self.count)

    def _backward(
        self, backwards: dict[int, Callable[[float], object]], shares: dict[int, float]
    ) -> None:
        """Adds to every .grad the sum over all shards of what their backward passes give."""
        self._flat = flat = self._flat.fitting([p for p in self._parameters if p.requires_grad])

        def leaf(shard: int) -> Buffer:
            buffer = flat.zeros()
            if shard in backwards:
                flat.gather_in(buffer)
                backwards.pop(shard)(shares[shard])
            return buffer

        def summed(node: Node) -> Buffer:
            if node[1] - node[0] == 1:
                return leaf(node[0])
            half = middle(node)
            return flat.add(summed((node[0], half)), summed((half, node[1])))

        if flat.sizes:
            with flat.kept():
                alone = self._ranks.size == 1
                whole = summed((0, self.count)) if alone else self._over_ranks(summed)
            flat.add_to_grads(whole)

    def origin(self) -> str:
        """Which rank's gradients of the last batch are not finite, in words; all ranks ask."""
        finite = [bool(np.isfinite(line).all()) for line in self._flat.parts]
        return self._ranks.first_with(not all(f) for f in self._ranks.together(lambda: finite))

    def _over_ranks(self, summed: Callable[[Node], Buffer]) -> Buffer:
        """The sum over all shards, of which each rank sums up its own."""
        ranks, flat, whole = self._ranks, self._flat, (0, self.count)
        owners = [owned(rank, ranks.size, self.count) for rank in range(ranks.size)]
        nodes = [nodes_within(whole, own) if ranks.ordered else [own] for own in owners]
        parts = flat.parts_of(max(map(len, nodes)))
        error: BaseException | None = None
        try:
            for i, node in enumerate(nodes[ranks.rank]):
                buffer = summed(node)
                for part, line in zip(parts, buffer.lines, strict=True):
                    part[:, i] = line.reshape(ranks.size, -1)
                flat.release(buffer)
        except BaseException as raised:  # all ranks add first, so that none waits
            error = raised
            flag = divmod(flat.sizes[0], parts[0].shape[2])
            parts[0][flag[0], 0, flag[1]] = 1

        def add(received: Array) -> Array:
            known = {
                node: received[rank, i]
                for rank, found in enumerate(nodes)
                for i, node in enumerate(found)
            }
            return total(whole, known, np.add)

        sums = flat.zeros()
        for line, part in zip(sums.lines, parts, strict=True):
            line[:] = ranks.sums(part, add).reshape(-1)
        if sums.lines[0][flat.sizes[0]]:
            ranks.together(lambda: _again(error))
        return sums


class CutBatch(NamedTuple):
    """The shards of a batch that this rank owns, by number, and how many pieces all have."""

    shards: dict[int, "Shard"]
    pieces: int


class Shard:
    """One shard of a batch: its pieces, and the state after the last one."""

    def __init__(self, first_row: int, pieces: Iterator[Batch]) -> None:
        self.first_row, self.pieces, self._state = first_row, pieces, None

    def forward(self, objective: Objective, samples: Samples, batch: Batch) -> ForwardPass:
        """The forward pass of the next piece."""
        result = with_rows_from(self.first_row, objective.forward, samples, batch, self._state)
        self._state = result.state
        return result


class Counters:
    """What a forward pass of a model changes: the numbers of its next masks, and what modules of
    the user's own keep beside their parameters."""

    def __init__(self, model: Module) -> None:
        self._draws, self._others = list[Draws](), list[Module]()
        for module in model.modules():
            draws = getattr(module, "_draws", None)
            if isinstance(draws, Draws):
                self._draws.append(draws)
            elif type(module).extra_state is not Module.extra_state:
                self._others.append(module)

    def state(self) -> tuple[list[int], list[dict[str, Any]]]:
        """What it is now."""
        return [draws.draw for draws in self._draws], [m.extra_state() for m in self._others]

    def go_to(self, state: tuple[list[int], list[dict[str, Any]]]) -> None:
        """Back, or on, to what `state` gave."""
        for draws, number in zip(self._draws, state[0], strict=True):
            draws.go_to(number)
        for module, extra in zip(self._others, state[1], strict=True):
            module.load_extra_state(extra)


def _again(error: BaseException | None) -> None:
    """Raises what was raised before."""
    if error is not None:
        raise error
