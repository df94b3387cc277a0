"""Prediction: a module's outputs for the samples of a dataset, batch by batch."""

from collections.abc import Mapping
from contextlib import closing
from inspect import signature
from typing import Any

import numpy as np

from .checks import Array, as_contiguous, check_size
from .columns import Dataset, pad
from .datasets import Named, as_dataset
from .layout import is_ids, turned
from .named import NamedSamples
from .reading import read_in_order
from .samples import Batch, Layout, Samples, by_length, cut
from .torch_loaders import check_drops_none, is_torch_data

BATCH_SIZE = 32


def predict(module: Any, x: Any, lengths: Any = None, batch_size: int | None = None) -> Any:
    """An array, or a list of arrays for ragged samples; see Module.predict."""
    owner = type(module).__name__
    name = f"{owner}.predict:"
    if module.takes_target:
        raise ValueError(f"{name} {owner} writes targets: use model.generate")
    if not isinstance(x, Mapping) and required_arguments(module) > 1:
        raise ValueError(f"{name} {owner} takes more than x, expected a dict of its inputs by name")
    size = BATCH_SIZE if batch_size is None else check_size(owner, "batch_size", batch_size)
    check_drops_none(name.removesuffix(":"), x)
    given = is_torch_data(x) or (hasattr(x, "lengths") and not isinstance(x, np.ndarray))
    if given and lengths is not None:
        raise ValueError(f"{name} lengths are given, expected None with a dataset that has its own")
    dataset = as_dataset(name, x if given else (x, None, lengths), targets=False)
    samples = read_samples(name, module, dataset)
    outputs: list[Any] = [None] * len(samples)
    over: dict[str, Samples] | None = None  # the inputs whose steps the output may have
    batches = cut(by_length(len(samples), samples.lengths), size)
    with closing(read_in_order(batches, samples.batch, ahead=samples.is_stored)) as read:
        for rows, batch in zip(batches, read, strict=True):
            y, _ = module.run_part(batch.x, None, batch.lengths)
            alike = {
                key: one
                for key, one, x in samples.along_time(batch)
                if module.keeps_time(y, x.shape[1 if module.batch_first else 0])
            }
            over = alike if over is None else {key: over[key] for key in alike if key in over}
            y = as_contiguous(sample_first(module, samples, y))
            for row, output in zip(rows, y, strict=True):
                outputs[row] = output
    if not over:
        return np.stack(outputs) if len({output.shape for output in outputs}) == 1 else outputs
    steps = _one_of(name, over)
    if steps.lengths is not None:
        outputs = [y[:length] for y, length in zip(outputs, steps.lengths, strict=True)]
    if steps.arrays is None or getattr(steps.dataset, "is_list", False):
        return outputs
    return pad(outputs, steps.arrays[0].shape[1], y.dtype)


def _one_of(name: str, inputs: dict[str, Samples]) -> Samples:
    """The input whose steps an output has; ValueError if its lengths may be these or those."""
    ragged = [(key, one, one.lengths) for key, one in inputs.items() if one.lengths is not None]
    for key, _, lengths in ragged[1:]:
        if not np.array_equal(lengths, ragged[0][2]):
            raise ValueError(
                f"{name} the output may have the steps of {ragged[0][0]} or of {key}, whose "
                "lengths differ, expected a call of the model for each sample: model(**inputs)"
            )
    return ragged[0][1] if ragged else next(iter(inputs.values()))


def read_samples(name: str, module: Any, dataset: Dataset, layout: Layout | None = None) -> Samples:
    """A dataset's samples; ValueError if they have no time axis and the module needs one."""
    layout = layout or layout_of(module)
    if isinstance(dataset, Named):
        samples: Samples = NamedSamples(name, dataset, layout, module)
    else:
        samples = Samples(name, dataset, layout)
    if not samples.has_time and works_along_time(module):
        raise ValueError(
            f"{name} x has samples of shape {samples.sample_shape}, expected (steps, features) "
            "or (steps,) ids: the model works along time"
        )
    return samples


def per_step(module: Any, samples: Samples, batch: Batch, y: Array) -> bool:
    """Whether the output y of a batch has one entry per time step: (T, B, F) or (B, T, F), not
    (B, F)."""
    x = samples.main_input(batch)
    return samples.has_time and module.keeps_time(y, x.shape[1 if module.batch_first else 0])


def sample_first(module: Any, samples: Samples, y: Array) -> Array:
    """An output, or its gradient, whose steps may be others than those of x, from the module's
    layout to sample first; and back: a view."""
    over_time = samples.has_time or module.makes_time or module.takes_target
    swapped = over_time and not module.drops_time and not module.batch_first
    return turned(y, swapped, 2 if is_ids(y) else 3)


def layout_of(module: Any) -> Layout:
    """What a module takes, read off its parts."""
    embeds = any(part.takes_ids for part in module.modules())
    return Layout(
        dtype=module.input_dtype,
        batch_first=module.batch_first,
        integer_x=first_embedding(module) is not None if module.takes_target else embeds,
        own_targets=module.takes_target,
    )


def first_embedding(module: Any) -> Any:
    """The Embedding that the data enter a module by, or None."""
    first = next(module.forward_path())
    return first if first.takes_ids else None


def reader_of_x(module: Any) -> tuple[Any, Any]:
    """(step, part): the part that says what x is, by its ids or features, and the step of the
    path that it is in; (module, None) if none does before the features become others."""
    for step in module.forward_path():
        for part in step.modules():
            if part.takes_ids or part._width is not None:
                return step, part
        if not (step.keeps_features or step.drops_time):
            break
    return module, None


def end_in_probabilities(module: Any) -> str | None:
    """The class of the Sigmoid or Softmax that a module ends in, None where it ends in another."""
    for part in reversed(list(module.forward_path())):
        if part.makes_probabilities:
            return type(part).__name__
        if not (part.drops_time or (part.random and part.keeps_features)):
            break
    return None


def check_logits(owner: str, module: Any, taker: str) -> None:
    """ValueError for a module that ends in probabilities, before something that takes logits."""
    if end := end_in_probabilities(module):
        raise ValueError(
            f"{owner}: the model ends in {end}, expected logits, of which {taker} makes the "
            f"probabilities itself: leave the {end} out of the model, and apply it to what "
            "predict gives"
        )


def works_along_time(module: Any) -> bool:
    """Whether x comes to a part that takes sequences, by way of parts that keep its axes."""
    for part in module.forward_path():
        if part.num_states or part.time_aware:
            return True
        if part.makes_time:
            return False
    return False


def required_arguments(module: Any) -> int:
    """The number of arguments that a call cannot do without."""
    call = module.forward if module.has_forward else module.__call__
    parameters = signature(call).parameters.values()
    return sum(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
