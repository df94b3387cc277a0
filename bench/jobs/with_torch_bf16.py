"""PyTorch with weights, sequences and gradients in bfloat16: its fastest way."""

import torch

from jobs import with_torch
from problem import TOLERANCE_OF_BF16 as TOLERANCE  # noqa: F401

about = with_torch.about


def make(problem, threads):
    """A job of any mode."""
    return with_torch.make(problem, threads, torch.bfloat16)
