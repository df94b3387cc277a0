"""The float64 numpy twin of tests/reference.py: the truth where torch is not installed."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tests"))

import numpy as np

import reference
from jobs import Job

CELLS = {"LSTM": "lstm", "GRU": "gru", "RNN": "rnn_tanh"}


def about():
    """numpy's version."""
    return {"version": f"numpy {np.__version__}"}


def make(problem, threads):
    """A job that is compared with, never timed."""
    case, weights = problem.case, list(problem.weights.values())
    options = {"num_layers": case.layers, "bidirectional": case.directions == 2}
    stack = reference.Stack(CELLS[case.cell], weights, proj_size=case.proj_size, **options)

    def outputs():
        y, _, _, tape = stack.forward(problem.x, lengths=problem.lengths)
        if case.mode != "training":
            return {"y": y}
        dx, _, _, gradients = stack.backward(tape, problem.dy)
        named = {f"d_{n}": a for n, a in zip(problem.weights, gradients, strict=True)}
        return {"y": y, "dx": dx} | named

    return Job(outputs, outputs)
