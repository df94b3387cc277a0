"""PyTorch under autocast: weights in float32, products in bfloat16."""

import torch

from jobs import Job, with_torch
from problem import TOLERANCE_OF_BF16 as TOLERANCE  # noqa: F401

about = with_torch.about


def make(problem, threads):
    """A job of any mode."""
    job = with_torch.make(problem, threads)
    cast = torch.autocast("cpu", torch.bfloat16)
    return Job(cast(job.call), cast(job.outputs))
