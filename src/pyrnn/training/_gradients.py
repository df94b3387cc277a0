"""Gradients: what callbacks see of a step before it is taken."""

from .._base.freezing import trained
from .._base.module import Module
from .._base.parameter import Parameter
from ..optim import grad_norm
from ..optim._optimizer import Optimizer


class Gradients:
    """The gradients that the next step of an optimizer is to take, for `Callback.on_gradients`."""

    def __init__(self, model: Module, optimizer: Optimizer) -> None:
        self._model, self._optimizer = model, optimizer

    @property
    def named(self) -> list[tuple[str, Parameter]]:
        """(name, parameter) of all that is trained; `parameter.grad` may be written."""
        return trained(self._model.named_parameters())

    @property
    def norm(self) -> float:
        """The global norm of the gradients as they are now (`pyrnn.optim.grad_norm`)."""
        return grad_norm(self._model)

    @property
    def step(self) -> int:
        """The number of the step that is to be taken, from 1, over all fits of the optimizer."""
        return self._optimizer.steps + 1

    def __repr__(self) -> str:
        return f"<gradients of {len(self.named)} parameters for step {self.step}>"
