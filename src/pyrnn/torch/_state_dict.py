"""The weights of a pyrnn module as tensors."""

import torch
from torch import Tensor

from .._base.checks import describe
from .._base.module import Module


def state_dict(module: Module) -> dict[str, Tensor]:
    """The parameters of a pyrnn module as torch tensors, under torch's names: copies.

    What a torch.nn module of the same structure takes with load_state_dict. The other way round,
    `pyrnn_module.load_state_dict(torch_module.state_dict())` takes tensors. TypeError for anything
    but a pyrnn module.

    Examples
    --------
    >>> import torch
    >>> layer = pyrnn.LSTM(8, 16, seed=0)
    >>> torch.nn.LSTM(8, 16).load_state_dict(pyrnn.torch.state_dict(layer))
    <All keys matched successfully>
    """
    if not isinstance(module, Module):
        raise TypeError(f"state_dict: module is {describe(module)}, expected a pyrnn.Module")
    return {name: torch.tensor(p.data) for name, p in module.named_parameters()}
