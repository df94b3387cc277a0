"""Plan: what a fit does, from its arguments."""

from typing import Any, NamedTuple

from .._base.checks import check_flag, check_path, check_size
from .._base.samples import Samples
from .._base.tensor_file import check_place
from ._arguments import checked_callbacks
from ._callbacks import Callback
from ._data import checked_batches, read_data, split
from ._display import check_progress
from ._objective import Objective


class Plan(NamedTuple):
    """What a fit does; all checked."""

    train: Samples
    held_out: Samples | None
    epochs: int
    batch_size: int
    shuffle: bool
    drop_last: bool
    bucket: bool
    train_metrics: bool
    tbptt: int | None
    progress: bool | str
    callbacks: tuple[Callback, ...]
    checkpoint: str | None
    checkpoint_every: int | None
    resume: bool


def make_plan(objective: Objective, x: Any, y: Any, given: dict[str, Any]) -> Plan:
    """The plan of a fit of x and y by its other arguments; TypeError or ValueError."""
    tbptt, every, checkpoint = given["tbptt"], given["checkpoint_every"], given["checkpoint"]
    if tbptt is not None:
        tbptt = check_size("Trainer", "tbptt", tbptt)
    if every is not None:
        check_size("Trainer", "checkpoint_every", every)
    if checkpoint is not None:
        checkpoint = check_path("Trainer", checkpoint, "checkpoint")
        check_place("Trainer: checkpoint", checkpoint)
    elif given["resume"] or every is not None:
        raise ValueError("Trainer: checkpoint is None, expected the path of a file")
    data, held_out = split(
        read_data("Trainer: train", x, y, given["lengths"], given["sample_weight"]),
        given["validation"],
    )
    asked = held_out is None if given["train_metrics"] is None else given["train_metrics"]
    measures = check_flag("Trainer", "train_metrics", asked) and bool(objective.metrics)
    return Plan(
        train=objective.samples("Trainer: train", data, tbptt, measured=measures),
        held_out=None
        if held_out is None
        else objective.samples("Trainer: validation", held_out, tbptt),
        epochs=check_size("Trainer", "epochs", given["epochs"], minimum=0),
        **checked_batches(x, given["batch_size"], given["shuffle"]),
        bucket=check_flag("Trainer", "bucket", given["bucket"]),
        train_metrics=measures,
        tbptt=tbptt,
        progress=check_progress(given["progress"]),
        callbacks=checked_callbacks(given["callbacks"]),
        checkpoint=checkpoint,
        checkpoint_every=every,
        resume=check_flag("Trainer", "resume", given["resume"]),
    )
