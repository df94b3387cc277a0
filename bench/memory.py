"""Memory of a training step: what grows with rows and steps, and the peak, beside torch and JAX.

    python bench/memory.py [--write bench/results/memory.md]

A step is the forward pass and the way back with the gradients of weights and x, in a process of its
own, whose outputs are compared first. Its peak is the largest resident memory of the second step
over that before the first, so that compilation is not in it; what y and dx take is. The bytes for a
row and step are the slope of that between two lengths.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jobs
from cases import Case
from problem import TOLERANCE, largest_error, make_problem
from tables import table

CELLS, LIBRARIES = ("LSTM", "GRU", "RNN"), ("pyrnn", "torch", "jax")
BATCH, HIDDEN, SHORT, LONG = 32, 256, 100, 400
CHECKED_STEPS = 20
LAYERS = 1, 2


def case_of(cell, steps, layers):
    """A training case."""
    return Case("training", cell, BATCH, steps, HIDDEN, layers=layers)


def resident(what):
    """Bytes of this process: VmRSS now, or VmHWM, the most since the last reset."""
    line = next(n for n in Path("/proc/self/status").read_text().splitlines() if what in n)
    return int(line.split()[1]) * 1024


def check(library, case):
    """SystemExit unless the outputs are those of float64."""
    small = replace(case, T=CHECKED_STEPS)
    truth = jobs.load("pyrnn").make(make_problem(replace(small, dtype="float64")), 1).outputs()
    error, name = largest_error(jobs.load(library).make(make_problem(small), 1).outputs(), truth)
    if not error <= TOLERANCE[case.dtype]:
        raise SystemExit(f"{library}, {small}: {name} is off by {error:.2g} of its largest entry")


def peak(library, case):
    """Bytes that a step adds to what there was before the first."""
    job = jobs.load(library).make(make_problem(case), 1)
    before = resident("VmRSS")
    job.call()
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
    job.call()
    return resident("VmHWM") - before


def child(library, cell, steps, layers):
    """Prints the peak of one case; the process is for it alone."""
    try:
        jobs.load(library)
    except ImportError:
        print(json.dumps(None))
        return
    case = case_of(cell, steps, layers)
    check(library, case)
    print(json.dumps(peak(library, case)))


def measured(library, cell, steps, layers):
    """The peak, from a process of its own; None where the library is not installed."""
    command = [sys.executable, __file__, "--child", library, cell, str(steps), str(layers)]
    environment = dict(os.environ, JAX_PLATFORMS="cpu", OMP_NUM_THREADS="1")
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def rows_of(cell, layers):
    """A table row for each library."""
    for library in LIBRARIES:
        peaks = [measured(library, cell, steps, layers) for steps in (SHORT, LONG)]
        if None not in peaks:
            slope = (peaks[1] - peaks[0]) / (BATCH * (LONG - SHORT))
            numbers = slope / (4 * HIDDEN * layers)
            yield [
                f"{cell}, {layers} layer{'s' * (layers > 1)}",
                library,
                f"{slope:,.0f}",
                f"{numbers:.1f}",
                f"{peaks[1] / 2**20:,.0f}",
            ]


def main():
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", type=Path)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        library, cell, steps, layers = given.child
        return child(library, cell, int(steps), int(layers))
    rows = [row for layers in LAYERS for cell in CELLS for row in rows_of(cell, layers)]
    head = "cell | library | bytes for a row and step | numbers for a unit | peak at T = 400, MB"
    text = table(head, rows)
    print(text)
    if given.write:
        given.write.write_text(f"{text}\n")


if __name__ == "__main__":
    main()
