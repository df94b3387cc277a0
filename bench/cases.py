"""The cases that are measured: families of shapes, each with the numbers it has to reach."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
CELLS = ("LSTM", "GRU", "RNN")
PEERS = ("torch", "jax", "onnxruntime", "openvino")


@dataclass(frozen=True)
class Case:
    """One piece of work: B rows, T steps, H units and as many inputs."""

    mode: str  # training: forward, pullback with dx; inference: a whole sequence; stream: one step
    cell: str
    B: int
    T: int
    H: int
    layers: int = 1
    directions: int = 1
    dtype: str = "float32"
    proj_size: int = 0
    ragged: bool = False

    def __str__(self):
        extra = [f"L={self.layers}"] * (self.layers > 1)
        extra += [f"D={self.directions}"] * (self.directions > 1) + ["ragged"] * self.ragged
        extra += [self.dtype] * (self.dtype != "float32")
        extra += [f"proj {self.proj_size}"] * (self.proj_size > 0)
        steps = "" if self.mode == "stream" else f" T={self.T}"
        return " ".join([f"{self.cell} B={self.B}{steps} H={self.H}", *extra])

    def lengths(self):
        """Each row's steps: evenly spread over 1..T in a random order, or all T."""
        if not self.ragged:
            return np.full(self.B, self.T)
        spread = np.linspace(1, self.T, self.B).round().astype(np.int64)
        return np.random.default_rng(3).permutation(spread)

    def widths(self):
        """The input size of every layer."""
        return [self.H] + [self.directions * (self.proj_size or self.H)] * (self.layers - 1)

    def steps(self):
        """Real steps of all rows in one call."""
        return self.B if self.mode == "stream" else int(self.lengths().sum())

    def products(self):
        """(elements of W_ih, elements of W_hh and W_hr), over all layers and directions."""
        rows, P = GATES[self.cell] * self.H, self.proj_size or self.H
        inner = self.layers * self.directions * (rows * P + self.proj_size * self.H)
        return sum(rows * width * self.directions for width in self.widths()), inner

    def flop(self):
        """2 per weight and real step forward; a training step is three times that."""
        return 2 * sum(self.products()) * self.steps() * (3 if self.mode == "training" else 1)

    def weight_bytes(self):
        """Bytes of weights that every step reads: all in a stream, W_hh where x W_ih is hoisted."""
        outer, inner = self.products()
        count = inner if self.mode == "inference" else outer + inner
        return count * np.dtype(self.dtype).itemsize

    def limit(self):
        """What binds: the arithmetic, or for a single row the weights' way from the cache."""
        return "cache bandwidth" if self.B == 1 and self.mode != "training" else "FMA peak"

    def least_seconds(self, gflops, gbytes):
        """Of a call at the limit. A single row reads the weights in every step, all of a stream's
        or W_hh, and multiplies x by a hoisted W_ih at the FMA peak.
        """
        if self.limit() == "FMA peak":
            return self.flop() / (gflops * 1e9)
        outer, _ = self.products()
        steps, hoisted = (1, 0) if self.mode == "stream" else (self.T, 2 * outer * self.steps())
        return steps * self.weight_bytes() / (gbytes * 1e9) + hoisted / (gflops * 1e9)


@dataclass(frozen=True)
class Target:
    """Numbers to reach; a mapping gives the value from the H that is its key on."""

    share: Mapping[int, float] = field(default_factory=dict)  # of the measured limit
    each: Mapping[int, float] = field(default_factory=dict)  # best peer's time over pyrnn's
    geomean: float | None = None  # of the same over the family

    @staticmethod
    def at(values, H):
        """The value that holds for H, or None."""
        reached = [start for start in values if start <= H]
        return values[max(reached)] if reached else None


@dataclass(frozen=True)
class Family:
    """Cases that are judged together."""

    title: str
    cases: tuple[Case, ...]
    target: Target = Target()
    threads: int = 2
    isa: str | None = None
    peers: tuple[str, ...] = PEERS


FIVE = ((32, 50, 64), (32, 100, 256), (64, 25, 512), (128, 25, 1024), (32, 50, 128, 2, 2))
SMALL = ((1, 100, 16), (1, 100, 64), (8, 100, 32))
ONE_ROW = (16, 64, 128, 256, 512, 1024)
RAGGED = ((32, 100, 256), (64, 200, 128))
RAGGED_FRACTION, RAGGED_OVER_TORCH = 0.58, 3.0  # of the time of full length; torch packed
MANY_STEPS = (100, 300, 1000, 3000, 10_000)
STEP_COST_RANGE = 1.08  # dearest over cheapest cost per step
STREAM_OVERHEAD = 0.15e-6  # seconds of stream.step over its kernel, below H = 512
# Shares of one thread's peak; on two threads at least 0.95 of them.
TRAINING_SHARES = {
    "LSTM": {64: 0.80, 256: 0.88},
    "GRU": {64: 0.80, 256: 0.86},
    "RNN": {64: 0.70, 256: 0.84},
}
TRAINING_RATIOS = {"LSTM": (1.2, 1.0), "GRU": (2.0, 1.25), "RNN": (1.7, 1.1)}
ONE_THREAD_RATIOS = {"LSTM": 1.15, "GRU": 1.7, "RNN": 1.4}
INFERENCE_RATIOS = {"LSTM": (1.12, 1.0), "GRU": (1.3, 1.03), "RNN": (1.5, 1.1)}
ONE_ROW_RATIOS = {"LSTM": (2.0, 1.3), "GRU": (2.3, 1.25), "RNN": (2.8, 1.5)}


def cases(mode, cells, shapes, **options):
    """Every cell with every shape (B, T, H[, layers, directions])."""
    return tuple(Case(mode, cell, *shape, **options) for cell in cells for shape in shapes)


def two_threads(shares):
    """The shares that two threads have to keep."""
    return {H: round(0.95 * share, 3) for H, share in shares.items()}


def families():
    """All families by name."""
    found = {}
    for cell in CELLS:
        shares, (geomean, each) = TRAINING_SHARES[cell], TRAINING_RATIOS[cell]
        five = cases("training", [cell], FIVE)
        target = Target(two_threads(shares), {0: each}, geomean)
        found[f"training-{cell.lower()}"] = Family(f"Training, {cell}", five, target)
        less = {H: round(share - 0.02, 3) for H, share in shares.items()}
        target = Target(less, {0: 1.02}, ONE_THREAD_RATIOS[cell])
        one = Family(f"Training on one thread, {cell}", five, target, threads=1)
        found[f"training-{cell.lower()}-one-thread"] = one
    found["training-small-batch"] = Family(
        "Training, small batch",
        cases("training", ("LSTM", "GRU"), ((16, 25, 512), (8, 100, 128))),
        Target(two_threads({0: 0.80}), {0: 1.0}, 1.4),
    )
    small = cases("training", CELLS, SMALL)
    found["training-small-nets"] = Family(
        "Training, small nets", small, Target(each={0: 1.8}, geomean=3.5)
    )
    shape, over_torch = [(32, 100, 128)], {"each": {0: 2.2}}
    found["training-float64"] = Family(
        "Training, float64",
        cases("training", CELLS, shape, dtype="float64"),
        Target(two_threads({0: 0.75}), **over_torch),
        peers=("torch",),
    )
    found["training-packed-projected"] = Family(
        "Training, ragged lengths and proj_size",
        cases("training", CELLS, shape, ragged=True)
        + cases("training", ["LSTM"], shape, proj_size=64),
        Target(**over_torch),
        peers=("torch",),
    )
    found["training-avx2"] = Family(
        "Training, AVX2 forced, one thread",
        cases("training", CELLS, FIVE),
        Target({0: 0.70}),
        threads=1,
        isa="avx2",
        peers=(),
    )
    return found | inference_families() | deepbench_families()


def inference_families():
    """Whole sequences, single rows and streams."""
    found, one_row = {}, [(1, 100, H) for H in ONE_ROW]
    for cell in CELLS:
        geomean, each = INFERENCE_RATIOS[cell]
        target = Target(two_threads({256: 0.85}), {0: each}, geomean)
        found[f"inference-{cell.lower()}"] = Family(
            f"Inference, {cell}", cases("inference", [cell], FIVE), target
        )
        geomean, each = ONE_ROW_RATIOS[cell]
        found[f"inference-one-row-{cell.lower()}"] = Family(
            f"Inference, B = 1, {cell}",
            cases("inference", [cell], one_row),
            Target({}, {0: each}, geomean),
        )
    found["inference-one-row-one-thread"] = Family(
        "Inference, B = 1, one thread",
        cases("inference", CELLS, one_row),
        Target({64: 0.90}),
        threads=1,
        peers=(),
    )
    found["stream"] = Family(
        "stream.step, B = 1",
        cases("stream", ("LSTM", "GRU"), one_row),
        Target({}, {0: 1.35, 512: 1.1}, 4.5),
    )
    return found


def deepbench_families():
    """DeepBench's rows that two cores do in about a second: whole layers, tanh for its relu."""
    lstm = ((32, 25, 512), (128, 25, 512), (32, 25, 1024), (32, 150, 256))
    training = cases("training", ["LSTM"], lstm)
    training += (Case("training", "RNN", 16, 50, 1760), Case("training", "GRU", 32, 1, 512))
    inference = cases("inference", ["LSTM"], ((1, 25, 512), (1, 25, 1024), (4, 150, 256)))
    inference += cases("inference", ["GRU"], ((1, 1, 512), (1, 187, 1536), (32, 187, 1536)))
    inference += cases("inference", ["RNN"], ((1, 672, 32), (1, 96, 64)))
    return {
        "deepbench-training": Family("DeepBench, training", training),
        "deepbench-inference": Family("DeepBench, inference", inference),
    }


FAMILIES = families()


def geometric_mean(values):
    """exp of the mean logarithm."""
    return math.exp(sum(map(math.log, values)) / len(values))
