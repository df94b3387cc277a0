"""Seq2Seq: an encoder and a decoder of ids, with or without attention."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import DTypeLike

from .._base.checks import (
    Array,
    check_choice,
    check_flag,
    check_number,
    check_probability,
    check_size,
    describe,
)
from .._base.draws import Draws
from .._base.layout import turned
from .._base.module import Module, storable
from .._base.pullback import Additions, Pullback, compute
from .._base.seeding import generator
from ..layers._dropout import Dropout
from ..layers._embedding import Embedding
from ..layers._linear import Linear
from ..layers._recurrent import Recurrent, cells
from ._attention import SCORES
from ._attention_decoder import AttentionDecoder
from ._choice import Sampling, check_suppressed, read_ids
from ._decoder_steps import Seq2SeqSteps, mixed_inputs
from ._encoder import Encoded, Encoder, EncoderSizes
from ._plain_decoder import PlainDecoder
from ._search import Decoded, Frame, beam_search, follow
from ._target_ids import TargetIds


@storable
class Seq2Seq(Module):
    """An encoder that reads a source, and a decoder that writes a target of its own length.

        memory, state = encoder(source)          embedding, recurrent layers, bridge
        y_t           = decoder(target_{t-1}, state, memory)     target_{-1} = bos
        logits_t      = W y_t + b                of target_t, and of eos after the last

    Sutskever et al. 2014; with `attention`, an AttentionDecoder, Bahdanau et al. 2015. The source
    are ids below `source_vocabulary`, or with `feature_size` vectors (B, F) that the decoder starts
    from (captions: Vinyals et al. 2015), without attention. Targets are ids below
    `target_vocabulary`, without `bos` and `eos`, which the model adds and which may be the same
    id. `cell`, `num_layers`, `hidden_size` are those of both sides; a `bidirectional` encoder's
    final states, and features, go through a Bridge. `attention` is a score of Attention, or None.
    `dropout` acts on both embeddings, between layers and in front of the last product,
    `attention_dropout` on the weights of the attention.

    - `logits = model(source, target, lengths=None, target_lengths=None)`: source (N, S), target
      (N, U), logits (N, U + 1, V), of which `wanted(target, target_lengths)` are the classes; with
      batch_first=False N comes second. Teacher forcing: y_t sees the true ids before.
    - `logits, pullback = model.vjp(...)`; `dsource = pullback(dlogits)`, None for ids. With
      `scheduled_sampling` = p (Bengio et al. 2015), which may be changed at any time, each id that
      the decoder reads is, with probability p, its own most probable one, taken as a constant.
    - `ids, scores = model.generate(source, lengths)`: greedily, by beam search or sampling.
    - `Trainer(model, CrossEntropy(), ...).fit((sources, targets))` takes lists of ids.

    Examples
    --------
    >>> model = pyrnn.Seq2Seq(20, 20, 8, 16, attention="additive", bos=1, eos=2, seed=0)
    >>> sources, targets = [[5, 6, 7], [8, 9]], [[7, 6, 5], [9, 8]]
    >>> trainer = pyrnn.Trainer(model, pyrnn.losses.CrossEntropy(), pyrnn.optim.Adam(0.05))
    >>> history = trainer.fit((sources, targets), epochs=30, progress=False)
    >>> ids, scores = model.generate(sources)
    >>> ids
    [[7, 6, 5], [9, 8]]
    """

    time_aware: ClassVar[bool] = True
    random: ClassVar[bool] = True
    training_options = frozenset({"dropout", "attention_dropout"})
    takes_target: ClassVar[bool] = True

    parts_from_config = True

    attention_dropout: float = 0.0  # of what was pickled before there was some

    def __init__(
        self,
        source_vocabulary: int | None,
        target_vocabulary: int,
        embedding_size: int,
        hidden_size: int,
        *,
        feature_size: int | None = None,
        cell: str = "gru",
        num_layers: int = 1,
        bidirectional: bool = True,
        attention: str | None = "additive",
        attention_size: int | None = None,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        bos: int = 1,
        eos: int = 2,
        scheduled_sampling: float = 0.0,
        batch_first: bool | None = None,
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
    ) -> None:
        self.target_vocabulary = V = check_size("Seq2Seq", "target_vocabulary", target_vocabulary)
        self.embedding_size = E = check_size("Seq2Seq", "embedding_size", embedding_size)
        self.hidden_size = H = check_size("Seq2Seq", "hidden_size", hidden_size)
        self.cell = check_choice("Seq2Seq", "cell", cell, tuple(cells()))
        self.num_layers = check_size("Seq2Seq", "num_layers", num_layers)
        self.bidirectional = check_flag("Seq2Seq", "bidirectional", bidirectional)
        self.dropout = check_probability("Seq2Seq", "dropout", dropout)
        self.attention_dropout = _attention_dropout(attention, attention_dropout)
        self.bos = check_size("Seq2Seq", "bos", bos, minimum=0, maximum=V - 1)
        self.eos = check_size("Seq2Seq", "eos", eos, minimum=0, maximum=V - 1)
        self.scheduled_sampling = scheduled_sampling
        self.source_vocabulary = _optional_size("source_vocabulary", source_vocabulary)
        self.feature_size = _optional_size("feature_size", feature_size)
        self.attention_size = _optional_size("attention_size", attention_size)
        self.attention = attention
        _check_sides(self.source_vocabulary, self.feature_size, attention, attention_size)
        seeds = [int(s) for s in generator("Seq2Seq", seed).integers(2**63, size=7)]
        options: dict[str, Any] = {"batch_first": batch_first, "dtype": dtype}
        L, both = self.num_layers, self.bidirectional
        source = self.source_vocabulary, self.feature_size
        sizes = EncoderSizes(*source, E, H, self.cell, L, both, self.dropout)
        self.batch_first = batch_first
        self.encoder = Encoder(sizes, seed=seeds[0], **options)
        self.dtype = self.encoder.dtype
        self.target = Embedding(V, E, dtype=dtype, seed=seeds[1])
        self.drop_target = Dropout(dropout, batch_first=batch_first, seed=seeds[2])
        options |= {"num_layers": num_layers, "seed": seeds[3]}
        options |= {"dropout": dropout} if num_layers > 1 else {}
        self.decoder: AttentionDecoder | Recurrent[Any]
        if attention is None:
            self.decoder = cells()[cell](E, H, **options)
        else:
            options |= {"cell": cell, "score": attention, "attention_size": attention_size}
            options |= {"attention_dropout": self.attention_dropout}
            self.decoder = AttentionDecoder(E, H, self.encoder.num_features, **options)
        self.drop_output = Dropout(dropout, batch_first=batch_first, seed=seeds[4])
        self.output = Linear(self.decoder.num_features, V, dtype=dtype, seed=seeds[5])
        self._draws = Draws(seeds[6])

    def __call__(
        self, source: Any, target: Any = None, lengths: Any = None, target_lengths: Any = None
    ) -> Array:
        """The logits under teacher forcing: inference."""
        encoded = self.encoder(source, lengths)
        tokens, ends = self._targets.inputs(target, target_lengths, encoded.rows)
        x = self.target(tokens)
        y, _ = self._decoder(x, encoded.memory, encoded.state, ends, encoded.lengths)
        return self.output(y)

    def vjp(
        self,
        source: Any,
        target: Any = None,
        lengths: Any = None,
        target_lengths: Any = None,
        *,
        need_dx: bool = True,
        rng: int | None = None,
    ) -> tuple[Array, Pullback]:
        """(logits, pullback): training; `rng` numbers all that is random."""
        encoded, encoder_back = self.encoder.vjp(source, lengths, need_dx=need_dx, rng=rng)
        tokens, ends = self._targets.inputs(target, target_lengths, encoded.rows)
        if self.scheduled_sampling:
            tokens = self._mixed(source, lengths, tokens, rng)
        x, target_back = self.target.vjp(tokens)
        x, drop_back = self.drop_target.vjp(x, rng=rng)
        given = encoded.memory, encoded.state, ends, encoded.lengths
        (y, _), decoder_back = self._decoder.vjp(x, *given, rng=rng)
        y, drop_output_back = self.drop_output.vjp(y, rng=rng)
        logits, output_back = self.output.vjp(y)

        def backward(dlogits: Any) -> tuple[Any, Additions]:
            dy, additions = compute(output_back, dlogits)
            dy, _ = compute(drop_output_back, dy)
            (dx, dmemory, dstate), more = compute(decoder_back, dy)
            dx, _ = compute(drop_back, dx)
            _, of_target = compute(target_back, dx)
            dsource, last = compute(encoder_back, dmemory, dstate)
            return dsource, [*additions, *more, *of_target, *last]

        return logits, Pullback(self, backward, self.parameters())

    def forward_path(self) -> Iterator[Module]:
        return self.encoder.forward_path()

    def wanted(self, target: Any, target_lengths: Any = None) -> tuple[Array, Array]:
        """The ids (N, U + 1) that the logits are for, eos after each target, and their lengths."""
        return self._targets.wanted(target, target_lengths)

    def generate(
        self,
        source: Any,
        lengths: Any = None,
        *,
        max_length: int = 100,
        method: str = "greedy",
        beam_width: int = 5,
        length_penalty: float = 0.0,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        suppress: Any = None,
        seed: int | None = None,
    ) -> Decoded:
        """(ids, scores): for each row a list of at most `max_length` ids, without eos.

        The source is as in a call, or a list of arrays of ids. `method` is

        - "greedy": always the most probable id.
        - "beam": the best of `beam_width` beams. A sequence of n ids, eos included, has the score
          log p / ((5 + n) / 6)**length_penalty (Wu et al. 2016); one beam is greedy.
        - "sample": each id is drawn, with `temperature`, `top_k`, `top_p` and `seed` as in
          `pyrnn.generate`. A row depends on the seed and its place, not on its neighbours.

        `suppress` is an id, or several, that are never written, such as that of unknown words.
        `scores` (B,) are the log-probabilities of the ids and eos under the model, or the beam's. A
        row that finds no eos in time is cut off. ValueError for beam_width < 1, length_penalty
        outside 0..10, `suppress` with all ids or with an unknown one.
        """
        method = check_choice("Seq2Seq", "method", method, ("greedy", "beam", "sample"))
        beam_width = check_size("Seq2Seq", "beam_width", beam_width)
        max_length = check_size("Seq2Seq", "max_length", max_length, minimum=0)
        length_penalty = check_number("Seq2Seq", "length_penalty", length_penalty)
        if not 0 <= length_penalty <= 10:  # far above what is of use, and no power overflows
            raise ValueError(f"Seq2Seq: length_penalty is {length_penalty}, expected 0..10")
        suppressed = read_ids("Seq2Seq", "suppress", suppress)
        check_suppressed("Seq2Seq", suppressed, self.target_vocabulary)
        encoded = self.encoder(*self.encoder.read_list(source, lengths))
        frame = Frame(encoded.rows, self.bos, self.eos, max_length, suppressed)
        # The arguments of all methods are checked, whichever is taken.
        choose = Sampling.of("Seq2Seq", encoded.rows, temperature, top_k, top_p, seed)
        if method == "beam":
            steps = self._steps(encoded.repeated(beam_width, self.batch_first))
            return beam_search(steps, frame, beam_width, length_penalty)
        if method == "greedy":
            choose = replace(choose, temperature=0.0)
        return follow(self._steps(encoded), choose, frame)

    @property
    def scheduled_sampling(self) -> float:
        """The probability that the decoder reads an id of its own in training."""
        return self._scheduled_sampling

    @scheduled_sampling.setter
    def scheduled_sampling(self, p: float) -> None:
        self._scheduled_sampling = check_probability("Seq2Seq", "scheduled_sampling", p)

    def extra_state(self) -> dict[str, Any]:
        """Seed and count of scheduled sampling."""
        return self._draws.state()

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Takes back seed and count."""
        super().load_extra_state(state)
        self._draws.load(self, state)

    def _steps(self, encoded: Encoded) -> Seq2SeqSteps:
        steps = self._decoder.steps(encoded.memory, encoded.state, encoded.lengths)
        return Seq2SeqSteps(self.target, steps, self.output)

    @property
    def _decoder(self) -> AttentionDecoder | PlainDecoder:
        """The decoder as one that is given a memory."""
        if self.attention is None:
            return PlainDecoder(cast(Recurrent[Any], self.decoder))
        return cast(AttentionDecoder, self.decoder)

    def _mixed(self, source: Any, lengths: Any, tokens: Array, rng: int | None) -> Array:
        """The decoder's inputs under scheduled sampling, in their layout."""
        seed, number, first_row = self._draws.key(self, rng)
        draw = np.random.default_rng([seed, number, *([first_row] if first_row else [])])
        by_step = turned(tokens, self.batch_first, 2)
        replaced = draw.random(by_step.shape) < self.scheduled_sampling
        mixed = mixed_inputs(self._steps(self.encoder(source, lengths)), by_step, replaced)
        return turned(mixed, self.batch_first, 2)

    @property
    def _targets(self) -> TargetIds:
        return TargetIds(self.target_vocabulary, self.bos, self.eos, self.batch_first)


def _optional_size(name: str, value: Any) -> int | None:
    """A size, or None."""
    return None if value is None else check_size("Seq2Seq", name, value)


def _check_sides(vocabulary: Any, features: Any, attention: Any, attention_size: Any) -> None:
    """ValueError unless the source is ids or features, and attention has steps."""
    if (vocabulary is None) == (features is None):
        raise ValueError(
            f"Seq2Seq: source_vocabulary is {vocabulary} and feature_size is {features}, "
            "expected one of them"
        )
    if attention is not None:
        check_choice("Seq2Seq", "attention", attention, SCORES)
        if features is not None:
            raise ValueError(f"Seq2Seq: attention is {attention!r}, expected None")
    elif attention_size is not None:
        raise ValueError(
            f"Seq2Seq: attention_size is {describe(attention_size)}, expected None as attention is"
        )


def _attention_dropout(attention: Any, value: Any) -> float:
    """A probability; ValueError if there is no attention whose weights could be dropped."""
    p = check_probability("Seq2Seq", "attention_dropout", value)
    if p and attention is None:
        raise ValueError(f"Seq2Seq: attention_dropout is {p}, expected 0 as attention is None")
    return p
