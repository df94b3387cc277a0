"""Torch models that child processes import: worker processes of loaders, DDP's two processes."""

import os

import torch
from torch import nn

import pyrnn.torch


class Tagger(nn.Module):
    """Two recurrent layers of different cells and a head."""

    def __init__(self, dtype=torch.float64):
        super().__init__()
        self.encoder = nn.LSTM(3, 5, batch_first=True, bidirectional=True, dtype=dtype)
        self.inner = nn.ModuleDict({"gru": nn.GRU(10, 4, batch_first=True, dtype=dtype)})
        self.cell = nn.RNNCell(4, 4, dtype=dtype)
        self.head = nn.Linear(4, 1, dtype=dtype)

    def forward(self, x):
        y, _ = self.encoder(x)
        y, _ = self.inner["gru"](y)
        return self.head(self.cell(y[:, -1]))


RECURRENT = ["encoder", "inner.gru", "cell"]


def tagger(**options):
    """The same weights at each call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Tagger(**options)


def batch(seed, n=4, dtype=torch.float64):
    """(x, target) of n sequences."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, 3, generator=generator, dtype=dtype)
    return x, x.sum((1, 2)).sin()[:, None]


class Encoded(torch.utils.data.Dataset):
    """Samples (x, y) whose y a recurrent model makes in the worker process."""

    def __init__(self, model):
        self.model = model

    def __len__(self):
        return 4

    def __getitem__(self, i):
        x, _ = batch(i, n=1)
        with torch.no_grad():
            return x[0], self.model(x)[0]


class Collate:
    """A collate_fn that gives the samples' loss and a model's gradients."""

    def __init__(self, model):
        self.model = model

    def __call__(self, samples):
        x, y = (torch.stack(parts) for parts in zip(*samples, strict=True))
        loss = (self.model(x) - 2 * y).square().sum()
        return y, loss.detach(), *torch.autograd.grad(loss, [*self.model.parameters()])


def data_parallel(rank, store, results):
    """One of two processes: the gradients of torch's layers and of pyrnn's, each under DDP."""
    distributed = torch.distributed
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    torch.set_num_threads(1)
    found = []
    for replaced in (False, True):
        model = tagger()
        if replaced:
            assert len(pyrnn.torch.replace_rnns(model).replaced) == len(RECURRENT)
        parallel = nn.parallel.DistributedDataParallel(model)
        optimizer = torch.optim.SGD(parallel.parameters(), lr=0.1)
        for step in range(3):
            x, target = batch(10 * step + rank)
            optimizer.zero_grad()
            (parallel(x) - target).square().mean().backward()
            optimizer.step()
        found.append([*(p.grad for p in model.parameters()), *model.state_dict().values()])
    torch.save(found, f"{results}/{rank}.pt")
    distributed.destroy_process_group()


class Started(torch.utils.data.Dataset):
    """The number of threads that a call of a layer starts in the worker process, and its y."""

    def __init__(self, layer, x):
        self.layer, self.x = layer, x

    def __len__(self):
        return 2

    def __getitem__(self, i):
        before = len(os.listdir("/proc/self/task"))
        with torch.no_grad():
            y, _ = self.layer(self.x)
        return len(os.listdir("/proc/self/task")) - before, y


def one(x: torch.Tensor, weights: list[torch.Tensor], text: str):
    """A direct call of the operator, as torch.jit.script compiles it."""
    none = None
    return torch.ops.pyrnn.recurrent(
        x, none, none, weights, none, none, none, none, text, x.shape[1], False, False
    )[0]


def several(x: torch.Tensor, weights: list[torch.Tensor], text: str):
    """Eight of them at once, for torch.jit.script."""
    calls = [torch.jit.fork(one, x, weights, text) for _ in range(8)]
    return [torch.jit.wait(call) for call in calls]
