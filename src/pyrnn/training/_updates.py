"""Updates: from the gradients of batches to new weights."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .. import _core
from .._base.checks import check_mapping, check_size
from .._base.freezing import trained
from .._base.module import Module
from .._base.runtime import num_threads
from ..losses import Loss
from ..optim._clipping import check_gradients, clip_grad_norm, clip_grad_value
from ..optim._groups import NamedParameters
from ..optim._optimizer import Optimizer
from ..optim._schedule import Schedule
from ._checkpoint import check_finite_number, read_arrays
from ._gradients import Gradients
from ._objective import ForwardPass

Watch = Callable[[Gradients], object]  # called before each step


class Updates:
    """Gathers the gradients of `accumulate` backward passes, clips them, and takes a step.

    `.grad` holds the mean over the real elements gathered so far, or the sum of a loss that adds,
    so that several small batches give the step of a large one. Schedules that count steps, and
    averaged weights, follow. Where no element was real there is no gradient, and no step: momentum
    and weight decay would make one.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        *,
        accumulate: int,
        clip_norm: float | None,
        clip_value: float | None,
        schedules: Sequence[Any],
        ema: Any,
    ) -> None:
        self.model, self.optimizer, self.accumulate = model, optimizer, accumulate
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.schedules, self.ema = schedules, ema
        if acting := [s for s in schedules if isinstance(s, Schedule)]:
            optimizer.follow(*acting)
        self.forget()

    def forget(self) -> None:
        """Drops what was gathered."""
        self._gathered, self._weight = 0, 0.0
        self.look_at_model()
        self._zero_grad()

    def look_at_model(self) -> None:
        """Lists the parameters before each epoch: within one, the model has the same ones."""
        self._named = NamedParameters(self.model.named_parameters())

    def _zero_grad(self) -> None:
        for _, parameter in self._named:
            parameter.zero_grad()

    def add(self, result: ForwardPass, watch: Watch) -> None:
        """Adds one batch's gradient, and takes a step after the last of `accumulate` batches."""
        if self._gathered == 0:
            self._zero_grad()
        weight = self._weight + result.weight
        share = 1.0 if result.adds or not self._weight else result.weight / weight
        if share < 1:
            for _, parameter in trained(self._named):
                _core.scale_in_place(parameter.grad, 1 - share, num_threads())
        result.backward(share)
        self._gathered, self._weight = self._gathered + 1, weight
        if self._gathered == self.accumulate:
            self.step(watch)

    def step(self, watch: Watch) -> None:
        """Takes a step with what was gathered, if anything was; `watch` sees the gradients."""
        if self._weight == 0:
            self._gathered = 0
            return
        watch(Gradients(self.model, self.optimizer))
        if self.clip_norm is not None:
            clip_grad_norm(self._named, self.clip_norm)
        elif self.clip_value is not None:
            clip_grad_value(self._named, self.clip_value)
        else:
            check_gradients("Trainer", self._named)
        own = type(self.optimizer).step is not Optimizer.step
        self.optimizer.step(self.model if own else self._named)
        self._gathered, self._weight = 0, 0.0
        for schedule in self.schedules:
            if schedule.per == "step":
                schedule.step()
        if self.ema is not None:
            self.ema.update()

    def check_weights(self) -> None:
        """FloatingPointError if a weight is not finite: a step was too large."""
        for name, parameter in self._named:
            if not _core.all_finite(parameter.data, num_threads()):
                raise FloatingPointError(
                    f"Trainer: {name!r} is not finite after a step (try a smaller learning rate, "
                    "or clip_norm)"
                )

    def averaged_weights(self) -> AbstractContextManager[Any]:
        """Within, the model has the averaged weights, if there are any."""
        context: AbstractContextManager[Any] = (
            nullcontext() if self.ema is None else self.ema.applied()
        )
        return context

    def state_dict(self) -> dict[str, Any]:
        """What was gathered since the last step."""
        named = self.model.named_parameters() if self._gathered else []
        gradients = {name: parameter.grad.copy() for name, parameter in named}
        return {"gathered": self._gathered, "weight": self._weight, "gradients": gradients}

    def read_state(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What `state_dict` returned, checked."""
        state = check_mapping("Updates", "state", state, self.state_dict())
        most = self.accumulate - 1
        gathered = check_size("Updates", "gathered", state["gathered"], minimum=0, maximum=most)
        weight = check_finite_number("Updates", "weight", state["weight"])
        named = self.model.named_parameters() if gathered else []
        gradients = read_arrays("gradients", state["gradients"], named)
        return {"gathered": gathered, "weight": weight, "gradients": gradients}

    def take_state(self, state: Mapping[str, Any]) -> None:
        """Takes over what `read_state` returned."""
        named = dict(self.model.named_parameters())
        for name, gradient in state["gradients"].items():
            if named[name].requires_grad:
                named[name].grad = gradient
        self._gathered, self._weight = state["gathered"], state["weight"]


class ModelAndLoss(Module):
    """A model and a loss that is a Module: their parameters as "model...." and "loss....".

    It names the parameters of both for the optimizer, clipping and checkpoints; it is not called.
    """

    def __init__(self, model: Module, loss: Module) -> None:
        self.model, self.loss = model, loss


def trained_module(model: Module, loss: Loss) -> Module:
    """The module whose parameters are trained: the model itself if the loss has none."""
    return ModelAndLoss(model, loss) if isinstance(loss, Module) else model
