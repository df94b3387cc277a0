"""Processes that are timed by turns: A B C, B C A, ..., so that the machine's drift falls on all.

A machine that others share can lose half its clock for seconds. So no time is compared with one
from another run: ratios and shares are taken within a round, and their median over the rounds.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from cases import Case

HERE = Path(__file__).parent
PROBE = HERE.parent / "build" / "bench" / "pyrnn_bench"
PAUSE = 0.02  # seconds before each turn, in which the last one's idle threads go to sleep


@dataclass(frozen=True)
class Entry:
    """One competitor: a library on a case, with its threads, instruction set and build."""

    library: str
    case: Case
    threads: int
    isa: str | None = None
    python: str = sys.executable
    site: str | None = None  # a folder that goes before all others on its PYTHONPATH

    def process(self):
        """What two entries have to share to be done by one process."""
        return self.library, self.threads, self.isa, self.python, self.site


class EndedError(RuntimeError):
    """A child ended before it answered."""


class Process:
    """A child that answers lines of JSON, on the last `threads` CPUs that we may use."""

    def __init__(self, command, threads, environment=None):
        cpus = sorted(os.sched_getaffinity(0))[-threads:]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in close()
        self._command = command
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            bufsize=1,
            env=environment,
            preexec_fn=partial(os.sched_setaffinity, 0, cpus),
        )

    def read(self):
        """The next answer; EndedError, with the child's last words, if none comes."""
        if line := self._child.stdout.readline():
            return json.loads(line)
        status = self._child.wait()
        self._errors.seek(0)
        words = self._errors.read().strip()[-2000:]
        raise EndedError(f"{' '.join(map(str, self._command))} ended with status {status}: {words}")

    def ask(self, line):
        """The answer to one line."""
        with suppress(BrokenPipeError):  # read() tells why
            self._child.stdin.write(line + "\n")
        return self.read()

    def close(self):
        """Ends the child."""
        with suppress(BrokenPipeError):
            self._child.stdin.close()
        self._child.stdout.close()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._errors.close()


class Worker(Process):
    """bench/worker.py in a process of its own."""

    def __init__(self, entry):
        environment = dict(os.environ, JAX_PLATFORMS="cpu", PYRNN_NUM_THREADS=str(entry.threads))
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            environment[name] = str(entry.threads)
        if entry.threads == 1:
            flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
            environment["XLA_FLAGS"] = flags
        if entry.isa:
            environment["PYRNN_ISA"] = entry.isa
        if entry.site:
            paths = [str(Path(entry.site).resolve()), environment.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        command = [entry.python, HERE / "worker.py", entry.library, str(entry.threads)]
        super().__init__(command, entry.threads, environment)
        self.about = self.read()

    def do(self, what, **arguments):
        """The answer to a request."""
        return self.ask(json.dumps({"do": what, **arguments}))

    def prepare(self, case, truth):
        """Makes a case ready; the answer has "error", "skipped" or "wrong"."""
        if "missing" in self.about:
            return {"skipped": "not installed"}
        return self.do("prepare", case=asdict(case), truth=str(truth))

    def seconds(self):
        """One turn."""
        return self.do("time")["seconds"]


class Probe(Process):
    """The machine's limits at this moment: peak of fused multiply-adds, bandwidth of reading."""

    def __init__(self, program, isa, case, threads):
        command = [program, "probe", "--isa", isa, "--dtype", case.dtype]
        command += ["--bytes", str(case.weight_bytes()), "--threads", str(threads)]
        super().__init__(command, threads)
        self.key = command

    def limits(self):
        """{"fma_gflops": ..., "read_gbytes": ...} of all threads together."""
        return self.ask("r")


class Pool:
    """The workers of a run, kept from case to case, and the true results they are held to."""

    def __init__(self):
        self._workers, self._truths = {}, {}
        self._folder = tempfile.TemporaryDirectory(prefix="pyrnn-bench-")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _, worker in self._workers.values():
            worker.close()
        self._folder.cleanup()

    def worker(self, label, entry):
        """The worker with this label, started anew when it has to be another process."""
        process, worker = self._workers.get(label, (None, None))
        if process != entry.process():
            if worker:
                worker.close()
            worker = Worker(entry)
            self._workers[label] = entry.process(), worker
        return worker

    def prepare(self, label, entry):
        """The worker and its answer to the entry's case; a crash is a wrong result, too."""
        truth = self.truth(entry.case)
        worker = self.worker(label, entry)
        try:
            return worker, worker.prepare(entry.case, truth)
        except EndedError as error:
            del self._workers[label]
            worker.close()
            return worker, {"wrong": str(error)}

    def truth(self, case):
        """The file with a case's results in float64: torch's, or the numpy twin's."""
        whole = replace(case, mode="training")
        if whole in self._truths and case.mode == "inference":
            return self._truths[whole]
        if case not in self._truths:
            path = Path(self._folder.name) / f"{len(self._truths)}.npz"
            double = replace(case, dtype="float64")
            threads = len(os.sched_getaffinity(0))
            solver = self.worker("truth: torch", Entry("torch", double, threads))
            if "missing" in solver.about:
                solver = self.worker("truth: twin", Entry("twin", double, threads))
            solver.do("solve", case=asdict(double), path=str(path))
            self._truths[case] = path
        return self._truths[case]


@dataclass
class Contest:
    """What came out: a list over the rounds per label, and why others are not there."""

    seconds: dict[str, list[float]]
    limits: list[dict[str, float]]
    precision: dict[str, float]
    wrong: dict[str, str]
    skipped: dict[str, str]
    about: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Rounds:
    """How often everybody has a turn: `most` times, fewer when that takes over `seconds`."""

    most: int = 15
    seconds: float = float("inf")
    least: int = 5

    def __iter__(self):
        start = time.perf_counter()
        for k in range(self.most):
            if k >= self.least and time.perf_counter() - start > self.seconds:
                return
            yield k


def by_turns(timers, rounds):
    """{label: [timer() of every round]}; each round begins with another one."""
    values, labels = {label: [] for label in timers}, list(timers)
    for k in rounds if labels else ():
        first = k % len(labels)
        for label in labels[first:] + labels[:first]:
            time.sleep(PAUSE)
            values[label].append(timers[label]())
    return values


def contest(pool, entries, rounds, probe=PROBE):
    """Prepares and checks all entries, then times by turns those that are right.

    `probe` is the program that measures the limits for the first entry's case and threads.
    """
    ready, answers, about = {}, {}, {}
    for label, entry in entries.items():
        worker, answers[label] = pool.prepare(label, entry)
        about[label] = worker.about
        if "error" in answers[label]:
            ready[label] = worker.seconds

    def said(what):
        return {label: answer[what] for label, answer in answers.items() if what in answer}

    limits = []
    if ready and probe and Path(probe).exists():
        label, entry = next(iter(entries.items()))
        prober = Probe(probe, about[label]["isa"], entry.case, entry.threads)
        try:
            seconds = by_turns(ready | {None: prober.limits}, rounds)
            limits = seconds.pop(None)
        finally:
            prober.close()
    else:
        seconds = by_turns(ready, rounds)
    return Contest(seconds, limits, said("error"), said("wrong"), said("skipped"), about)
