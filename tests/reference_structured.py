"""Brute force in float64 for CRF and CTC: every path, every alignment, one by one."""

from itertools import pairwise, product

import numpy as np


def log_sum_exp(values):
    values = np.asarray(values, np.float64)
    most = values.max(initial=-np.inf)
    return -np.inf if most == -np.inf else most + np.log(np.exp(values - most).sum())


def log_softmax(x):
    x = np.asarray(x, np.float64)
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def crf_scores(emissions, transitions, start, end):
    """{path: score} of all K**T paths through emissions (T, K)."""
    T, K = emissions.shape
    return {
        path: start[path[0]]
        + sum(emissions[t, tag] for t, tag in enumerate(path))
        + sum(transitions[i, j] for i, j in pairwise(path))
        + end[path[-1]]
        for path in product(range(K), repeat=T)
    }


def crf_marginals(scores, T, K):
    """p(tag at step t) from all paths."""
    total = log_sum_exp(list(scores.values()))
    marginals = np.zeros((T, K))
    for path, score in scores.items():
        marginals[np.arange(T), path] += np.exp(score - total)
    return marginals


def collapsed(alignment, blank):
    """The labels of an alignment: repetitions once, then without blanks."""
    kept = [c for k, c in enumerate(alignment) if k == 0 or c != alignment[k - 1]]
    return tuple(c for c in kept if c != blank)


def ctc_log_probabilities(logits, blank):
    """{labels: log of the summed probability of their alignments} for logits (T, C)."""
    T, C = logits.shape
    log_p = log_softmax(logits)
    found = {}
    for alignment in product(range(C), repeat=T):
        term = log_p[np.arange(T), alignment].sum()
        found.setdefault(collapsed(alignment, blank), []).append(term)
    return {labels: log_sum_exp(terms) for labels, terms in found.items()}


def central_differences(f, x, eps=1e-5):
    """d f / d x by central differences, element by element; x is as before afterwards."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        value = x[index]
        x[index] = value + eps
        high = f()
        x[index] = value - eps
        low = f()
        x[index] = value
        gradient[index] = (high - low) / (2 * eps)
    return gradient
