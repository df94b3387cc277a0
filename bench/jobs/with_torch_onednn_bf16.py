"""PyTorch with its switch for products of bfloat16 in oneDNN."""

import torch

from jobs import with_torch
from problem import TOLERANCE_OF_BF16 as TOLERANCE  # noqa: F401

about = with_torch.about


def make(problem, threads):
    """A job of any mode."""
    torch.backends.mkldnn.rnn.fp32_precision = "bf16"
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    return with_torch.make(problem, threads)
