"""What a Trainer trains: a model, and its loss where that has parameters of its own."""

from .._base.module import Module
from ..losses import Loss


class ModelAndLoss(Module):
    """A model and a loss that is a Module: their parameters as "model...." and "loss....".

    It names the parameters of both for the optimizer, clipping and checkpoints; it is not called.
    """

    def __init__(self, model: Module, loss: Module) -> None:
        self.model, self.loss = model, loss


def trained_module(model: Module, loss: Loss) -> Module:
    """The module whose parameters are trained: the model itself if the loss has none."""
    return ModelAndLoss(model, loss) if isinstance(loss, Module) else model
