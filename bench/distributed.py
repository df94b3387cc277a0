"""Training by several ranks of MPI on this machine: a step's time beside that of one process, and
how long sums over the ranks take. Needs mpi4py and mpiexec.

    python bench/distributed.py [--ranks 2] [--rounds 5]

Jobs run by turns: one process with as many threads as there are ranks, then ranks of one thread.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys

SHAPES = [(64, 25, 512), (32, 100, 256), (32, 50, 64)]
STEPS = 8
STEP = """
import sys, time, numpy as np, pyrnn
B, T, H, shards = {shape}, {shards}
ranks = None
if {with_ranks}:
    import pyrnn.distributed
    ranks = pyrnn.distributed.MPI({options})
rng = np.random.default_rng(0)
x = rng.standard_normal((B * {steps}, T, H)).astype(np.float32)
target = rng.integers(0, 2, len(x))
model = pyrnn.Sequential(
    pyrnn.LSTM(H, H, seed=0), pyrnn.LastStep(), pyrnn.Linear(H, 2, seed=1)
)
class Clock(pyrnn.Callback):
    def __init__(self):
        self.times = []
    def on_batch_end(self, trainer, loss):
        self.times.append(time.perf_counter())
clock = Clock()
trainer = pyrnn.Trainer(
    model, "cross_entropy", "adam", seed=0, shards=shards, communicator=ranks
)
trainer.fit(x, target, batch_size=B, progress=False, callbacks=[clock])
if ranks is None or ranks.rank == 0:
    print(1e3 * float(np.median(np.diff(clock.times))))
"""
SUMS = """
import time, numpy as np, pyrnn.distributed
ranks = pyrnn.distributed.MPI({options})
for size in (64, 1 << 14, 1 << 18, 1 << 21):
    parts = np.ones((ranks.size, 1, size // ranks.size), np.float32)
    times = []
    for _ in range(30):
        ranks.barrier()
        start = time.perf_counter()
        ranks.reduce(parts, lambda received: received.sum(axis=(0, 1)))
        times.append(time.perf_counter() - start)
    if ranks.rank == 0:
        print(4 * size, 1e6 * float(np.median(times)))
"""


def run(code, size, threads):
    """The lines that a job prints."""
    mpiexec = shutil.which("mpiexec", path=os.path.dirname(sys.executable)) or "mpiexec"
    command = [mpiexec, "-n", str(size)] if size else []
    done = subprocess.run(
        [*command, sys.executable, "-c", code],
        env=os.environ | {"PYRNN_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.splitlines()


def step(shape, size, threads, shards, options=""):
    """Milliseconds of a step; `size` ranks, 0: no MPI."""
    code = STEP.format(
        shape=", ".join(map(str, shape)),
        shards=shards,
        with_ranks=bool(size),
        options=options,
        steps=STEPS,
    )
    return float(run(code, size, threads)[-1])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--ranks", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    k = given.ranks
    print(f"(B, T, H)            one process, {k} threads   {k} ranks   ratio   Allreduce   bf16")
    for shape in SHAPES:
        rows = [
            (
                step(shape, 0, k, 1),
                step(shape, k, 1, 4),
                step(shape, k, 1, 4, "deterministic=False"),
                step(shape, k, 1, 4, "compress='bf16'"),
            )
            for _ in range(given.rounds)
        ]
        one, ranks = (statistics.median(row[i] for row in rows) for i in (0, 1))
        ratios = [statistics.median(row[i] / row[0] for row in rows) for i in (1, 2, 3)]
        print(
            f"{shape!s:20} {one:9.2f} ms {ranks:22.2f} ms  "
            + "  ".join(f"{r:6.2f}" for r in ratios)
        )
    for options in ("", "deterministic=False", "compress='bf16'"):
        lines = run(SUMS.format(options=options), k, 1)
        print(
            f"sums over {k} ranks, MPI({options}): "
            + ", ".join(
                f"{int(line.split()[0]):,} bytes {float(line.split()[1]):.0f} us" for line in lines
            )
        )


if __name__ == "__main__":
    main()
