"""Training by several ranks of MPI on this machine, and a model of what more ranks would take.
Needs mpi4py and mpiexec; for TCP between two network namespaces also `ip` (iproute2) and root.

    python bench/distributed.py [--ranks 2] [--rounds 5] [--part beside | sums | model]

beside: a step of one process with as many threads as there are ranks, then of ranks of one thread,
by turns. sums: how long sums over the ranks take. model: the model of docs/scaling.md, from what
one process and what two ranks take, beside the steps of two ranks, and its forecast for more.

Where the system tells it (Linux), times leave out what a rank waited for a core that other programs
had.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from contextlib import contextmanager
from itertools import chain

from scale_model import MODELS, Link, forecast, gradient_bytes, step_time

SHAPES = [(64, 25, 512), (32, 100, 256), (32, 50, 64)]
STEPS = 8
SMALL = 64  # bytes of a sum that is all latency
DELAY = """
import json, os, time, numpy as np, pyrnn
try:
    scheduled = os.open("/proc/self/schedstat", os.O_RDONLY)
except OSError:
    scheduled = None
def now():
    '''What the clock says, and how long this process has waited for a core, in seconds.'''
    waited = 0 if scheduled is None else int(os.pread(scheduled, 64, 0).split()[1])
    return time.perf_counter(), 1e-9 * waited
def spent(moments, ranks):
    '''Seconds of each stretch on rank 0, less what a rank waited for a core in it.'''
    own = np.diff(np.array(moments), axis=-2)
    told = [own] if ranks is None else [
        np.array(json.loads(text)) for text in ranks.gather(json.dumps(own.tolist()).encode())
    ]
    return (told[0][..., 0] - np.max([each[..., 1] for each in told], axis=0)).ravel().tolist()
"""
STEP = """
B, T, H, shards, steps = {shape}, {shards}, {steps}
class Clock(pyrnn.Callback):
    def __init__(self):
        self.times = []
    def on_batch_end(self, trainer, loss):
        self.times.append(now())
class Counted:
    '''Ranks that note when each step sums gradients, and count what else is sent.'''
    def __init__(self, ranks):
        self.rank, self.size, self.deterministic = ranks.rank, ranks.size, ranks.deterministic
        self.ranks, self.times, self.calls = ranks, [], 0
    def reduce(self, parts, add):
        self.times.append(now())
        return self.ranks.reduce(parts, add)
    def gather(self, data):
        self.calls += bool(self.times)
        return self.ranks.gather(data)
    def broadcast(self, data, root=0):
        self.calls += bool(self.times)
        return self.ranks.broadcast(data, root)
    def barrier(self):
        self.ranks.barrier()
ranks = None
if {with_ranks}:
    import pyrnn.distributed
    ranks = Counted(pyrnn.distributed.MPI({options}))
clock = Clock() if ranks is None else ranks
rng = np.random.default_rng(0)
x = rng.standard_normal((B * steps, T, H)).astype(np.float32)
target = rng.integers(0, 2, len(x))
model = pyrnn.Sequential(
    pyrnn.LSTM(H, H, seed=0), pyrnn.LastStep(), pyrnn.Linear(H, 2, seed=1)
)
trainer = pyrnn.Trainer(
    model, "cross_entropy", "adam", seed=0, shards=shards, communicator=ranks
)
callbacks = [] if ranks else [clock]
trainer.fit(x, target, batch_size=B, progress=False, callbacks=callbacks)
calls = ranks.calls / (steps - 1) if ranks else 0
times = spent(clock.times, ranks and ranks.ranks)
if ranks is None or ranks.rank == 0:
    print(json.dumps([times, calls]))
"""
SUMS = """
import pyrnn.distributed
ranks = pyrnn.distributed.MPI({options})
def seconds(work, count={count}):
    moments = []
    for _ in range(count):
        ranks.barrier()
        start = now()
        work()
        moments.append((start, now()))
    if count > {count}:  # too short to tell waiting from work: the least counts
        return [end[0] - start[0] for start, end in moments]
    return spent(moments, ranks)
found = dict(call=seconds(lambda: ranks.gather(b"loss"), 10 * {count}))
for size in {sizes}:
    each = -(-size // (4 * ranks.size))
    parts, line = np.ones((ranks.size, 1, each), np.float32), np.ones(ranks.size * each, np.float32)
    def one_sum():  # and what a Trainer copies for it
        parts[:, 0] = line.reshape(ranks.size, -1)
        sums = ranks.reduce(parts, lambda received: np.add(received[0, 0], received[1, 0]))
        line[:] = sums.reshape(-1)
        np.add(line, line, out=line)
        line.fill(0)
    found[size] = seconds(one_sum, {count} if size > 256 else 10 * {count})
if ranks.rank == 0:
    print(json.dumps(found))
"""
TCP = {"UCX_TLS": "tcp,self", "MPIR_CVAR_NOLOCAL": "1", "UCX_LOG_LEVEL": "fatal"}  # MPICH's


def run(code, size=0, threads=1, spaces=None):
    """What a job prints as JSON: of `size` ranks, or without MPI; each rank in one of the network
    namespaces, which talk over TCP."""
    mpiexec = shutil.which("mpiexec", path=os.path.dirname(sys.executable)) or "mpiexec"
    python = [sys.executable, "-c", DELAY + code]
    command = [mpiexec, "-n", str(size), *python] if size else python
    env = os.environ | {"PYRNN_NUM_THREADS": str(threads)}
    if spaces:
        command, env = [mpiexec], env | TCP
        for i, (space, device) in enumerate(spaces):
            inside = ["-n", "1", "-env", "UCX_NET_DEVICES", device, "ip", "netns", "exec", space]
            command += [*([":"] if i else []), *inside, *python]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def step(shape, size=0, threads=1, shards=1, options="", steps=STEPS, spaces=None):
    """Seconds of each step but the first, and how often ranks tell each other something in one."""
    code = STEP.format(
        shape=", ".join(map(str, shape)),
        shards=shards,
        with_ranks=bool(size),
        options=options,
        steps=steps,
    )
    return run(code, size, threads, spaces)


@contextmanager
def two_networks():
    """Two network namespaces with a wire between them: (name, device) of each. None where this
    machine makes none."""
    spaces = [("pyrnn-a", "wire-a"), ("pyrnn-b", "wire-b")]
    (first, one), (second, other) = spaces
    lines = [
        f"netns add {first}",
        f"netns add {second}",
        f"link add {one} netns {first} type veth peer name {other} netns {second}",
    ]
    for i, (space, device) in enumerate(spaces):
        lines += [
            f"-n {space} addr add 10.98.76.{i + 1}/24 dev {device}",
            f"-n {space} link set {device} up",
            f"-n {space} link set lo up",
        ]
    try:
        try:
            for line in lines:
                subprocess.run(["ip", *line.split()], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"no network namespaces here, so nothing over TCP: {error}")
            yield None
        else:
            yield spaces
    finally:
        for space, _ in spaces:
            if shutil.which("ip"):
                subprocess.run(["ip", "netns", "delete", space], capture_output=True)


def beside(k, rounds):
    """Ranks of one thread beside one process of as many threads."""
    print(f"(B, T, H)            one process, {k} threads   {k} ranks   ratio   Allreduce   bf16")
    for shape in SHAPES:
        rows = [
            [
                1e3 * statistics.median(step(shape, *how)[0])
                for how in (
                    (0, k, 1),
                    (k, 1, 4),
                    (k, 1, 4, "deterministic=False"),
                    (k, 1, 4, "compress='bf16'"),
                )
            ]
            for _ in range(rounds)
        ]
        one, ranks = (statistics.median(row[i] for row in rows) for i in (0, 1))
        ratios = [statistics.median(row[i] / row[0] for row in rows) for i in (1, 2, 3)]
        print(
            f"{shape!s:20} {one:9.2f} ms {ranks:22.2f} ms  "
            + "  ".join(f"{r:6.2f}" for r in ratios)
        )


def sums(k):
    """What each kind of sum takes by size."""
    sizes = [4 * n for n in (64, 1 << 14, 1 << 18, 1 << 21)]
    for options in ("", "deterministic=False", "compress='bf16'"):
        found = run(SUMS.format(options=options, sizes=sizes, count=30), k)
        del found["call"]
        print(
            f"sums over {k} ranks, MPI({options}): "
            + ", ".join(
                f"{int(size):,} bytes {1e6 * statistics.median(times):.0f} us"
                for size, times in found.items()
            )
        )


def model(rounds):
    """The model: what it is made of, beside two ranks, and what it says of more."""
    local = {}
    for shape in MODELS:
        for rows in (64, 32, 16, 8, 4, 2, 1):
            steps = min(160, max(10, 512 // rows))
            times = [step((rows, *shape), steps=steps)[0] for _ in range(rounds)]
            local[shape, rows] = statistics.median(chain(*times))
    print("a step of one process of one thread, ms, by (T, H) and rows")
    for shape in MODELS:
        found = {rows: t for (each, rows), t in local.items() if each == shape}
        print(f"{shape!s:12}", "  ".join(f"{r}: {1e3 * t:.2f}" for r, t in found.items()))
    with two_networks() as spaces:
        for name, where in (("shared memory", None), ("TCP", spaces)):
            if where or name != "TCP":
                link = measured_link(where, rounds)
                print(f"\n{name}: {link}")
                compare(local, link, where, rounds)
                print(forecast(local, link))


def measured_link(spaces, rounds):
    """What two ranks take to talk."""
    sizes = [SMALL, *map(gradient_bytes, MODELS)]
    code = SUMS.format(options="", sizes=sizes, count=60)
    found = [run(code, 2, 1, spaces) for _ in range(rounds)]
    took = {key: statistics.median(chain(*(each[key] for each in found))) for key in found[0]}
    call, small = (min(min(each[key]) for each in found) for key in ("call", str(SMALL)))
    return Link.of(call, small, {n: took[str(n)] for n in sizes[1:]})


def compare(local, link, spaces, rounds):
    """The model beside measured steps of two ranks, which share 64 rows."""
    print("(T, H)       calls   predicted   measured   ratio")
    for shape in MODELS:
        each = (64, *shape)
        found = [step(each, 2, 1, 2, steps=20, spaces=spaces) for _ in range(rounds)]
        measured = statistics.median(chain(*(times for times, _ in found)))
        calls = round(found[0][1])
        link.calls = calls
        told = step_time(local[shape, 32], link, shape, 2)
        print(
            f"{shape!s:12} {calls:5} {1e3 * told:8.2f} ms {1e3 * measured:7.2f} ms "
            f"{told / measured:7.2f}"
        )


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--ranks", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--part", choices=("beside", "sums", "model"))
    given = arguments.parse_args()
    if given.part in (None, "beside"):
        beside(given.ranks, given.rounds)
    if given.part in (None, "sums"):
        sums(given.ranks)
    if given.part in (None, "model"):
        model(given.rounds)


if __name__ == "__main__":
    main()
