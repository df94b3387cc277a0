"""A process that does one library's work when asked: lines of JSON on stdin, an answer each.

Every library has a process of its own: inside one, the idle threads of the others would slow it.
"""

import json
import os
import statistics
import sys
import time
from itertools import repeat

import numpy as np

import jobs
from cases import Case
from problem import TOLERANCE, largest_error, make_problem

SLICE = 0.05  # seconds of one turn, unless a single call takes longer
GROUP = 0.001  # short calls are timed in groups of at least this many seconds


class Desk:
    """Holds one prepared case of one library."""

    def __init__(self, name, threads):
        self.threads = threads
        self.library = jobs.load(name)
        self.job, self.group, self.seconds = None, 1, 0.0

    def make(self, case):
        """The job of a case, or None."""
        self.job = None  # before the next one takes memory
        problem = make_problem(Case(**case))
        self.job = self.library.make(problem, self.threads)
        return self.job

    def solve(self, case, path):
        """Saves the outputs of a case as the truth for others."""
        np.savez(path, **self.make(case).outputs())
        return {}

    def prepare(self, case, truth):
        """Makes a case ready to be timed; its outputs have to equal the truth."""
        if self.make(case) is None:
            return {"skipped": "does not do such a case"}
        with np.load(truth) as expected:
            error, name = largest_error(self.job.outputs(), expected)
        allowed = getattr(self.library, "TOLERANCE", TOLERANCE[case["dtype"]])
        if not error <= allowed:
            self.job = None
            return {"wrong": f"{name} is off by {error:.2g} of its largest entry, over {allowed:g}"}
        self.job.call()
        self.group, self.seconds = 1, self.group_seconds()
        self.group = max(1, int(GROUP / self.seconds))
        return {"error": error}

    def group_seconds(self):
        """Seconds a call, over one group of calls."""
        call, began = self.job.call, time.perf_counter()
        for _ in repeat(None, self.group):
            call()
        return (time.perf_counter() - began) / self.group

    def time(self):
        """Seconds a call: the median over one turn's groups. Before short calls one group is not
        timed, since the others' turns have emptied the caches and sent the threads to sleep.
        """
        if self.seconds < SLICE / 5:
            self.group_seconds()
        times, start = [], time.perf_counter()
        while not times or time.perf_counter() - start < SLICE:
            times.append(self.group_seconds())
        return {"seconds": statistics.median(times)}

    def about(self):
        """What the library says of itself."""
        return self.library.about()


def serve(name, threads):
    """Answers until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    try:
        desk = Desk(name, threads)
        print(json.dumps(desk.about()), file=answers)
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), file=answers)
        return
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(desk, request.pop("do"))(**request)), file=answers)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
