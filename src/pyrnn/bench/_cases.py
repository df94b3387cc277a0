"""The programs that are timed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import layers
from .._base.module import Module


@dataclass(frozen=True)
class Case:
    """B rows of T steps of I features through a cell with H units, and a Linear of one output."""

    mode: str  # training: with BPTT and a step of SGD; inference: whole sequences; stream: a step
    cell: str
    B: int
    T: int
    I: int
    H: int
    layers: int = 1
    directions: int = 1
    ragged: bool = False

    @property
    def title(self) -> str:
        """As in "training LSTM, B 32, T 100, H 256"."""
        sizes = [f"B {self.B}", f"T {'≤ ' * self.ragged}{self.T}"] * (self.mode != "stream")
        extra = [f"{self.layers} layers"] * (self.layers > 1)
        extra += ["both directions"] * (self.directions > 1)
        kind = "one step of" if self.mode == "stream" else self.mode
        return ", ".join([f"{kind} {self.cell}", *sizes, f"H {self.H}", *extra])

    @property
    def outputs(self) -> int:
        """Features of the recurrent layers' y."""
        return self.directions * self.H

    def lengths(self) -> NDArray[np.int64] | None:
        """Each row's steps, evenly spread over 1..T in a random order; None: all T."""
        if not self.ragged:
            return None
        spread = np.linspace(1, self.T, self.B).round().astype(np.int64)
        return np.random.default_rng(3).permutation(spread)

    def steps(self) -> int:
        """Real steps of all rows."""
        lengths = self.lengths()
        return self.B * self.T if lengths is None else int(lengths.sum())

    def flop(self) -> int:
        """Two for each weight and real step; a training step is three times that."""
        weights = sum(p.data.size for p in self.model().parameters() if p.data.ndim == 2)
        return 2 * weights * self.steps() * (3 if self.mode == "training" else 1)

    def model(self) -> Module:
        """The program's model in pyrnn, with weights that are the same for everybody."""
        rnn = getattr(layers, self.cell)(
            self.I, self.H, num_layers=self.layers, bidirectional=self.directions == 2, seed=1
        )
        return layers.Sequential(rnn=rnn, head=layers.Linear(self.outputs, 1, seed=2))

    def data(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """x (B, T, I) and dy (B, T, 1), normal; dy is 0 in the padding, which is no output."""
        rng = np.random.default_rng(4)
        x = rng.standard_normal((self.B, self.T, self.I), np.float32)
        dy = rng.standard_normal((self.B, self.T, 1), np.float32)
        lengths = self.lengths()
        if lengths is not None:
            dy[np.arange(self.T) >= lengths[:, None]] = 0
        return x, dy


CASES = (
    Case("training", "GRU", 32, 100, 32, 128, ragged=True),
    Case("training", "LSTM", 8, 50, 8, 32),
    Case("training", "LSTM", 32, 100, 64, 256),
    Case("training", "GRU", 32, 50, 64, 128, layers=2, directions=2),
    Case("inference", "LSTM", 32, 100, 64, 256),
    Case("inference", "GRU", 1, 1000, 32, 128),
    Case("stream", "LSTM", 1, 1, 1, 20),
    Case("stream", "LSTM", 1, 1, 64, 256),
)
