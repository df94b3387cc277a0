"""Processes that are timed in turn: A B C, B C A, ..., so that the machine's drift falls on all.

A machine that others share can lose half its clock for seconds. So no time is compared with one
from another run: ratios and shares are taken within a round, and their median over the rounds.
"""

import os
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from processes import PROBE, EndedError, Entry, Probe, StreamStep, Worker

PAUSE = 0.02  # seconds before each turn, in which the last one's idle threads go to sleep


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
        """The worker with this label, started anew where it ended or has to be another process."""
        process, worker = self._workers.get(label, (None, None))
        if worker and (process != entry.process() or worker.ended()):
            worker.close()
            del self._workers[label]
        if label not in self._workers:
            self._workers[label] = entry.process(), Worker(entry)
        return self._workers[label][1]

    def prepare(self, label, entry):
        """The worker and its answer to the entry's case."""
        worker = self.worker(label, entry)
        if "missing" in worker.about and entry.library == "pyrnn":
            missing = worker.about["missing"]
            raise SystemExit(f"{label}: {entry.python} has no pyrnn to be measured: {missing}")
        return worker, worker.prepare(entry.case, self.truth(entry.case))

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
    kernel: list[float]  # seconds of a stream's step in C++
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
    """{label: [timer() of every round]}, each round beginning with another one; and {label: why}
    of those whose process ended meanwhile.
    """
    values, ended = {label: [] for label in timers}, {}
    for k in rounds if timers else ():
        labels = list(values)
        first = k % max(1, len(labels))
        for label in labels[first:] + labels[:first]:
            time.sleep(PAUSE)
            try:
                values[label].append(timers[label]())
            except EndedError as error:
                ended[label] = str(error)
                del values[label]
    return values, ended


def contest(pool, entries, rounds, probe=PROBE):
    """Prepares and checks all entries, then times in turn those that are right. Whoever ends by
    itself is out, and reported as wrong.

    `probe` is the program that measures the limits for the first entry's case and threads.
    """
    ready, about, said = {}, {}, {"error": {}, "wrong": {}, "skipped": {}}
    for label, entry in entries.items():
        try:
            worker, answer = pool.prepare(label, entry)
            about[label] = worker.about
        except EndedError as error:
            answer = {"wrong": str(error)}
        for what, why in answer.items():
            said[what][label] = why
        if "error" in answer:
            ready[label] = worker.seconds
    base, entry = next(iter(entries.items()))
    with ExitStack() as stack:
        timers = dict(ready)
        if base in ready and probe and Path(probe).exists():
            kinds = {"probe": Probe} | (
                {"kernel": StreamStep} if StreamStep.fits(entry.case) else {}
            )
            for label, kind in kinds.items():
                clock = stack.enter_context(closing(kind(probe, about[base]["isa"], entry)))
                timers[label] = clock.measure
        seconds, ended = by_turns(timers, rounds)
    limits, kernel = (seconds.pop(label, []) for label in ("probe", "kernel"))
    wrong = said["wrong"] | ended
    return Contest(seconds, limits, kernel, said["error"], wrong, said["skipped"], about)
