"""ModelCheckpoint: keeps the best model in a file."""

import os
from typing import Any

from .._base.checks import check_path
from .._base.module import Module
from .._base.tensor_file import check_place
from ._best import Best


class ModelCheckpoint(Best):
    """Saves the model whenever `monitor` is better than ever before in this fit.

    `monitor`, `mode` and `min_delta` are those of `EarlyStopping`; as long as the monitor is NaN,
    which is a warning, there is no file. The file is that of
    `model.save(path)`, always a whole one, for `pyrnn.load(path)`; with `ema` it has the averaged
    weights, which the validation measured. A loss with parameters, such as `CRF`, is saved to
    `loss_path`; ValueError if that is the model's file. A fit that resumes from its checkpoint
    knows the best epoch so far. (The checkpoint of `fit(checkpoint=...)` is another thing: the last
    state of the training.)

    `best_value` and `best_epoch` (from 1) say which epoch is in the file. At the start of a fit
    TypeError for a model that `save` cannot describe, OSError for a path that cannot be written
    to, ValueError for a monitor that it does not measure.

    Examples
    --------
    >>> import tempfile
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> model = pyrnn.Linear(1, 1, seed=0)
    >>> trainer = pyrnn.Trainer(model, "mse", pyrnn.optim.Adam(0.1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     best = pyrnn.ModelCheckpoint(f"{folder}/best.safetensors")
    ...     history = trainer.fit(
    ...         x, 2 * x, validation=(x, 2 * x), epochs=20, callbacks=[best], progress=False
    ...     )
    ...     loaded = pyrnn.load(best.path)
    >>> best.best_value == min(history.val_loss)
    True
    >>> round(float(np.mean((loaded(x) - 2 * x) ** 2)), 5) == round(best.best_value, 5)
    True
    """

    def __init__(
        self,
        path: Any,
        monitor: str = "val_loss",
        *,
        min_delta: float = 0.0,
        mode: str | None = None,
        loss_path: Any = None,
    ) -> None:
        super().__init__(monitor, min_delta=min_delta, mode=mode)
        self.path = check_path("ModelCheckpoint", path)
        self.loss_path = None
        if loss_path is not None:
            self.loss_path = check_path("ModelCheckpoint", loss_path, "loss_path")
            if os.path.realpath(self.loss_path) == os.path.realpath(self.path):
                raise ValueError(
                    f"ModelCheckpoint: loss_path is {self.loss_path!r}, the model's file, expected "
                    "the path of its own file"
                )

    def on_fit_start(self, trainer: Any) -> None:
        super().on_fit_start(trainer)
        for path, module in self._files(trainer).items():
            check_place("ModelCheckpoint", path)
            module._describe("", {})  # as `save` does it: now, not after the first epoch

    def on_epoch_end(self, trainer: Any) -> None:
        if self._notes(trainer):
            with trainer.averaged_weights():
                for path, module in self._files(trainer).items():
                    module.save(path)

    def _files(self, trainer: Any) -> dict[str, Module]:
        """What is saved, by path."""
        model, trained = trainer.model, trainer.trained
        loss = None if trained is model else trained.loss
        if (loss is None) != (self.loss_path is None):
            came = (
                "has no parameters" if loss is None else "has parameters, which the model's lacks"
            )
            expected = "None" if loss is None else "the path of its own file"
            raise ValueError(
                f"ModelCheckpoint: loss_path is {self.loss_path!r}, and the loss {came}: expected "
                f"{expected}"
            )
        return {self.path: model} | ({} if loss is None else {str(self.loss_path): loss})
