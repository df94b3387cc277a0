"""generate: the continuation of a sequence of ids, drawn id by id from a language model."""

from typing import Any

import numpy as np

from .._base.checks import SEQUENCES, Array, as_integers, check_size, describe, read_items
from .._base.columns import pad
from .._base.layout import turned
from .._base.prediction import check_logits, first_embedding
from .._base.targets import check_ids
from ..layers._sequential import Sequential
from ._choice import Sampling, check_suppressed, read_ids, until, without


def generate(
    model: Sequential,
    prompt: Any,
    length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: Any = None,
    suppress: Any = None,
    seed: int | None = None,
) -> Any:
    """Up to `length` ids that a next-id model adds to a prompt, each fed back to draw the next.

    `model` is a Sequential whose output is logits over the ids that it takes, such as
    Embedding, LSTM, Linear. `prompt` (T,) gives an array of the new ids; a list of prompts, of any
    lengths, gives a list of such arrays. Id k+1 is drawn from softmax(logits_k / temperature);
    0 takes the most probable one. `top_k` keeps that many ids, `top_p` then the fewest whose
    probabilities add up to it. `stop` is an id, or several, that end a sequence and are no part of
    it; `suppress` is an id, or several, that never come, such as that of unknown words. A prompt's
    ids depend on `seed` and its place in the list, not on its neighbours.

    ValueError for an empty prompt, a negative temperature, top_k < 1, top_p outside (0, 1], ids
    out of range, `suppress` with all ids, and for a model with a bidirectional layer, one that
    ends in probabilities (Softmax, Sigmoid) or has no logits of one step.

    Examples
    --------
    >>> model = pyrnn.Sequential(
    ...     pyrnn.Embedding(50, 8, seed=0), pyrnn.GRU(8, 16, seed=1), pyrnn.Linear(16, 50, seed=2)
    ... )
    >>> ids = pyrnn.generate(model, [1, 2, 3], length=20, top_p=0.95, seed=0)
    >>> len(ids), bool((ids < 50).all())
    (20, True)
    """
    if not getattr(model, "made_of_parts", False):
        raise TypeError(f"generate: model is {describe(model)}, expected a Sequential")
    check_logits("generate", model, "generate")
    length = check_size("generate", "length", length, minimum=0)
    vocabulary = getattr(first_embedding(model), "num_embeddings", None)
    prompts, single = _read_prompts(prompt, vocabulary)
    if not prompts:
        return []
    stops = read_ids("generate", "stop", stop)
    suppressed = read_ids("generate", "suppress", suppress)
    choose = Sampling.of("generate", len(prompts), temperature, top_k, top_p, seed)
    stream = model.stream(len(prompts))
    logits, stream.state = _read(model, prompts)
    check_suppressed("generate", suppressed, logits.shape[-1])
    drawn = np.zeros((length, len(prompts)), np.int64)
    running = np.ones(len(prompts), bool)
    for k in range(length):
        drawn[k] = choose(without(logits, suppressed))
        running &= ~np.isin(drawn[k], stops)
        if k + 1 == length or not running.any():
            break
        logits = stream.step(drawn[k])
    results = [until(row, stops) for row in drawn.T]
    return results[0] if single else results


def _read_prompts(prompt: Any, vocabulary: int | None) -> tuple[list[Array], bool]:
    """The prompts, of ids below `vocabulary` if that is known; and whether there came one alone."""
    if isinstance(prompt, SEQUENCES):
        prompt = read_items("generate: prompt", prompt, "of integers")
    else:
        prompt = as_integers("generate", "prompt", prompt)
    nested = isinstance(prompt, SEQUENCES) and any(hasattr(entry, "__len__") for entry in prompt)
    listed = list(prompt) if nested or np.ndim(prompt) == 2 else [prompt]
    single = not (nested or np.ndim(prompt) == 2)
    prompts = []
    for i, entry in enumerate(listed):
        name = "prompt" if single else f"prompt[{i}]"
        ids = as_integers("generate", name, entry)
        if ids.ndim != 1 or len(ids) == 0:
            raise ValueError(f"generate: {name} has shape {ids.shape}, expected (T,) with T >= 1")
        if vocabulary is not None:
            check_ids("generate", name, ids, vocabulary, "num_embeddings")
        prompts.append(ids)
    return prompts, single


def _read(model: Sequential, prompts: list[Array]) -> tuple[Array, Any]:
    """The logits (B, V) after each prompt's last id, and the state there."""
    lengths = np.array([len(ids) for ids in prompts])
    x = pad(prompts, int(lengths.max()), np.int64)
    y, state = model.run(turned(x, not model.batch_first, 2), lengths=lengths)
    if model.keeps_time(y, x.shape[1]):
        y = turned(y, not model.batch_first)[np.arange(len(prompts)), lengths - 1]
    if y.ndim != 2:
        raise ValueError(f"generate: the model's output has shape {y.shape}, expected logits")
    return y, state
