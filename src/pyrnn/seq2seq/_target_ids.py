"""TargetIds: what a decoder of ids reads and has to write, of targets of their own lengths."""

from typing import Any, NamedTuple

import numpy as np

from .._base.checks import Array, as_contiguous, as_integers, as_lengths
from .._base.layout import turned
from .._base.mask import mask_of_lengths
from .._base.targets import first_wrong


class TargetIds(NamedTuple):
    """Targets (N, U), or (U, N) without batch_first: ids below `vocabulary`, no bos, no eos."""

    vocabulary: int
    bos: int
    eos: int
    batch_first: bool

    def wanted(self, target: Any, lengths: Any) -> tuple[Array, Array]:
        """eos after each target, and the lengths with it."""
        ids, ends = self._read(target, lengths)
        wanted = np.insert(ids, len(ids), 0, axis=0)
        wanted[ends, np.arange(len(ends))] = self.eos
        return self._to_layout(wanted), ends + 1

    def inputs(self, target: Any, lengths: Any, rows: int) -> tuple[Array, Array]:
        """bos in front of each target, and the lengths with it."""
        if target is None:
            raise ValueError("Seq2Seq: target is None, expected ids; generate() needs none")
        ids, ends = self._read(target, lengths)
        if len(ends) != rows:
            raise ValueError(f"Seq2Seq: target has {len(ends)} rows, expected {rows} as source")
        return self._to_layout(np.insert(ids, 0, self.bos, axis=0)), ends + 1

    def _read(self, target: Any, lengths: Any) -> tuple[Array, Array]:
        """Ids (U, B), 0 after the lengths, and the lengths."""
        ids = as_integers("Seq2Seq", "target", target)
        if ids.ndim != 2:
            axes = "(N, U)" if self.batch_first else "(U, N)"
            raise ValueError(f"Seq2Seq: target has shape {ids.shape}, expected {axes}")
        rows, steps = ids.shape if self.batch_first else ids.shape[::-1]
        ends = np.full(rows, steps) if lengths is None else lengths
        ends = as_lengths("Seq2Seq", ends, rows, steps, "target_lengths")
        real = mask_of_lengths("Seq2Seq", ends, ids.shape, self.batch_first)
        outside = real & ((ids < 0) | (ids >= self.vocabulary))
        added = real & ((ids == self.bos) | (ids == self.eos))
        for wrong, expected in (
            (outside, f"0 <= id < {self.vocabulary}"),
            (added, f"ids without bos = {self.bos} and eos = {self.eos}: the model adds them"),
        ):
            if wrong.any():
                raise ValueError(f"Seq2Seq: {first_wrong(ids, wrong)}, expected {expected}")
        return as_contiguous(self._to_layout(np.where(real, ids, 0))), ends

    def _to_layout(self, ids: Array) -> Array:
        """Between (U, N) and the caller's layout: a view."""
        return turned(ids, self.batch_first, 2)
