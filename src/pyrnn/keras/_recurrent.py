"""Keras' recurrent layers as parts of pyrnn's: of one direction or both, of one cell or several."""

from .. import layers
from .._base.checks import describe
from ._cells import IGNORED, Cell, make_layer, read_cell
from ._config import Layer
from ._parts import EndMask, Flip, Halves, Repeat
from ._readers import Parts, Place, reads
from ._weights import Names, Weights


@reads("LSTM", "GRU", "SimpleRNN", "RNN")
def _recurrent(layer: Layer, weights: Weights, place: Place) -> Parts:
    way = _Way(layer, weights)
    parts = way.parts()
    if way.returns_sequences:
        if place.masked is not None and not way.zeroes:
            parts.append(Repeat(direction=way.direction))
        if way.backwards:
            parts.append(Flip())
    else:
        if place.masked is not None and way.zeroes:
            parts.append(EndMask())
        parts.append(layers.LastStep(direction=way.direction))
    way.leave(place, [~0], way.states)
    return [*way.dropped(), *parts]


@reads("Bidirectional")
def _bidirectional(layer: Layer, weights: Weights, place: Place) -> Parts:
    merge = layer.take("merge_mode", "concat")
    first = layer.layer("layer")
    second = layer.layer("backward_layer") if layer.has("backward_layer") else first.reversed()
    layer.finish("stateful", "return_sequences", "return_state")
    forward = _Way(first, weights.inside("forward_layer"))
    reverse = _Way(second, weights.inside("backward_layer"))
    modes = {"concat": "concat", "sum": "sum", "mul": "mul", "ave": "average", None: "none"}
    if not isinstance(merge, str | None) or merge not in modes:
        raise layer.refused(
            f"merge_mode is {describe(merge)}, expected concat, sum, mul, ave or null"
        )
    if forward.backwards or not reverse.backwards or forward.flags != reverse.flags:
        raise layer.refused(
            "its two layers return different things, or read in other directions, expected the "
            "first one forward, the other one with go_backwards, and alike what they return"
        )
    alike = len(forward.cells) == len(reverse.cells) == 1 and forward.alike(reverse)
    if not alike and merge not in ("concat", "sum"):
        raise layer.refused(
            f"merge_mode of several cells, or of different ones, is {describe(merge)}, expected "
            "concat or sum"
        )
    parts = (_one_layer if alike else _side_by_side)(forward, reverse, modes[merge])
    forward.leave(place, [~0] if merge is not None else [~0, ~1], forward.states + reverse.states)
    return parts


def _one_layer(forward: "_Way", reverse: "_Way", merge: str) -> Parts:
    """A layer that reads both ways. Keras gives zeros at masked steps of both, as pyrnn does."""
    whole = forward.returns_sequences and merge != "none"
    own_merge = {"merge": merge} if whole else {}
    parts = [*forward.dropped(), make_layer(forward.cells[0], reverse.cells[0], **own_merge)]
    if not forward.returns_sequences:
        parts.append(layers.LastStep(bidirectional=True))
    return parts if whole or merge == "concat" else [*parts, Halves(merge)]


def _side_by_side(forward: "_Way", reverse: "_Way", merge: str) -> Parts:
    """Layers of one direction each, several upon each other or of different sizes."""
    ways = []
    for way in (forward, reverse):
        own = [*way.dropped(), *way.parts()]
        if not way.returns_sequences:
            own.append(layers.LastStep(direction=way.direction))
        ways.append(layers.Sequential(*own))
    return [layers.Concat(*ways) if merge == "concat" else layers.Add(*ways)]


class _Way:
    """A recurrent layer of Keras': one direction, of one cell or several upon each other."""

    def __init__(self, layer: Layer, weights: Weights) -> None:
        self.layer = layer
        self.returns_sequences = layer.flag("return_sequences")
        self.returns_state = layer.flag("return_state")
        self.backwards = layer.flag("go_backwards")
        self.zeroes = layer.flag("zero_output_for_mask")
        layer.expect("time_major", False)
        found = weights.inside("cell")
        read = self._read_cells(found) if layer.kind == "RNN" else [read_cell(layer, found)]
        layer.finish("stateful", "unroll", *IGNORED)
        self.cells: list[Cell] = [cell for cell, _ in read]
        self._dropouts = [dropout for _, dropout in read]

    @property
    def direction(self) -> str:
        return "reverse" if self.backwards else "forward"

    @property
    def flags(self) -> tuple[bool, bool, bool]:
        """What it returns."""
        return self.returns_sequences, self.returns_state, self.zeroes

    @property
    def states(self) -> int:
        """How many arrays its states are."""
        return sum(len(cell.make.state_names) for cell in self.cells)

    def alike(self, other: "_Way") -> bool:
        """Whether the first cells of the two differ in their weights alone."""
        return self._dropouts == other._dropouts and self.cells[0].alike(other.cells[0])

    def parts(self) -> Parts:
        """A layer for each cell, with the dropout in front of it; the first one's is `dropped`."""
        parts: Parts = []
        for cell, rate in zip(self.cells, [0.0, *self._dropouts[1:]], strict=True):
            parts += [*_dropout_of(rate), make_layer(cell, direction=self.direction)]
        return parts

    def dropped(self) -> Parts:
        """The dropout of x."""
        return _dropout_of(self._dropouts[0])

    def leave(self, place: Place, own: list[int], arrays: int) -> None:
        """Notes what follows the layer: its tensors, the mask and the time axis."""
        states = list(range(place.states, place.states + arrays)) if self.returns_state else []
        place.tensors = [*own, *states]
        place.states += arrays
        if not self.returns_sequences:
            place.masked, place.has_time = None, False

    def _read_cells(self, weights: Weights) -> list[tuple[Cell, float]]:
        """The cells of an RNN, one or several upon each other."""
        cell = self.layer.layer("cell")
        if cell.kind != "StackedRNNCells":
            return [_read_one(cell, weights)]
        cell.expect("reverse_state_order", False)
        listed, names = cell.layers("cells"), Names()
        cell.finish()
        inside = weights.inside("cells")
        return [_read_one(one, inside.inside(names.next(one.kind))) for one in listed]


def _read_one(cell: Layer, weights: Weights) -> tuple[Cell, float]:
    read = read_cell(cell, weights)
    cell.finish(*IGNORED)
    return read


def _dropout_of(rate: float) -> Parts:
    return [layers.Dropout(rate)] if rate else []
