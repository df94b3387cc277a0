"""Shards: a batch in parts, whose gradients are made one by one and added in a fixed order."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .._base.checks import Array, check_size
from .._base.draws import Draws, rows_from
from .._base.freezing import trained
from .._base.module import Module
from .._base.samples import Batch, Samples
from ._flat import Buffer, Flat
from ._objective import ForwardPass, Objective
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
        self._sent: Buffer = []  # what this rank has added up of the last batch

    def passes(
        self, objective: Objective, samples: Samples, rows: Array, tbptt: int | None
    ) -> Iterator[ForwardPass]:
        """The forward pass of a batch, or of its pieces one after the other, with the state carried
        on. Each is to be gone back through before the next one is asked for."""
        if self.count == 1:
            state = None
            for batch in samples.pieces(rows, tbptt):
                result = objective.forward(samples, batch, state)
                state = result.state
                yield result
            return
        lengths = np.ones(len(rows)) if samples.lengths is None else samples.lengths[rows]
        parts = [(i, part) for i, part in enumerate(cut_evenly(lengths, self.count))]
        own = {
            i: Shard(part.start, samples.pieces(rows[part], tbptt))
            for i, part in parts[slice(*self._own)]
            if part.start < part.stop
        }
        width = max(1, samples.steps(rows))
        for _ in range(1 if tbptt is None else -(-width // tbptt)):
            yield self._pass(objective, samples, own)

    def check_batch_size(self, size: int) -> None:
        """ValueError for batches with fewer rows than shards."""
        if size < self.count:
            raise ValueError(
                f"Trainer: batch_size is {size}, expected at least shards = {self.count}: one row "
                "for each"
            )

    def _pass(self, objective: Objective, samples: Samples, own: dict[int, "Shard"]) -> ForwardPass:
        """The next piece of all shards."""
        counters, found = Counters(self._model), dict[int, ForwardPass]()

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
        named = trained(self._model.named_parameters())
        self._flat = flat = self._flat.fitting([parameter for _, parameter in named])

        def leaf(shard: int) -> Buffer:
            buffer = flat.zeros()
            if shard in backwards:
                with flat.gathering_in(buffer):
                    backwards.pop(shard)(shares[shard])
            return buffer

        def summed(node: Node) -> Buffer:
            if node[1] - node[0] == 1:
                return leaf(node[0])
            half = middle(node)
            return flat.add(summed((node[0], half)), summed((half, node[1])))

        if self._ranks.size == 1:
            flat.add_to_grads(summed((0, self.count)))
        elif flat.sizes:
            flat.add_to_grads(self._over_ranks(summed))

    def origin(self) -> str:
        """Which rank's gradients of the last batch are not finite, in words; all ranks ask."""
        finite = [bool(np.isfinite(line).all()) for line in self._sent]
        return self._ranks.first_with(not all(f) for f in self._ranks.together(lambda: finite))

    def _over_ranks(self, summed: Callable[[Node], Buffer]) -> Buffer:
        """The sum over all shards, of which each rank sums up its own."""
        ranks, flat, whole = self._ranks, self._flat, (0, self.count)
        owners = [owned(rank, ranks.size, self.count) for rank in range(ranks.size)]
        nodes = [nodes_within(whole, own) if ranks.ordered else [own] for own in owners]
        most, like = max(map(len, nodes)), flat.zeros()
        self._sent = parts = [
            np.zeros((ranks.size, most, len(line) // ranks.size), line.dtype) for line in like
        ]
        flat.release(like)
        error: BaseException | None = None
        try:
            for i, node in enumerate(nodes[ranks.rank]):
                buffer = summed(node)
                for part, line in zip(parts, buffer, strict=True):
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

        lines = [ranks.sums(part, add).reshape(-1) for part in parts]
        if lines[0][flat.sizes[0]]:
            ranks.together(lambda: _again(error))
        return lines


class Shard:
    """One shard of a batch: its pieces, and the state after the last one."""

    def __init__(self, first_row: int, pieces: Iterator[Batch]) -> None:
        self.first_row, self.pieces, self._state = first_row, pieces, None

    def forward(self, objective: Objective, samples: Samples, batch: Batch) -> ForwardPass:
        """The forward pass of the next piece."""
        with rows_from(self.first_row):
            result = objective.forward(samples, batch, self._state)
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
