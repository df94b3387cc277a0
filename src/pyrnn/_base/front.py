"""Front: which recurrent layers the features come from that arrive at a module."""

from typing import Any, NamedTuple


class Front(NamedTuple):
    """The recurrent layers whose features an output has, found without running anything."""

    layers: tuple[Any, ...] = ()
    joined: bool = False  # whether a Concat has put other features beside theirs
    passes: bool = False  # whether those of x are among them, each at its place

    def after(self, before: "Front") -> "Front":
        """The same where x has these features before."""
        if not self.passes:
            return self
        return Front(before.layers + self.layers, before.joined or self.joined, before.passes)


def beside(fronts: list[Front], joined: bool) -> Front:
    """What modules have of one x, together."""
    layers = sum((front.layers for front in fronts), ())
    joined = joined or any(front.joined for front in fronts)
    return Front(layers, joined, any(front.passes for front in fronts))
