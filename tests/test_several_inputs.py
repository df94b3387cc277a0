"""Promise: a forward of several inputs is trained on a dict of them, batched as one input is."""

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits
from pyrnn import losses, optim

N = 30
RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(1, 9, N)
SERIES = [RNG.standard_normal((n, 3)).astype(np.float32) for n in LENGTHS]
STATIC = RNG.standard_normal((N, 2)).astype(np.float32)
LABELS = RNG.integers(0, 2, N)
STEPS = [RNG.integers(0, 2, n) for n in LENGTHS]


def padded(rows, fill=0):
    array = np.full((len(rows), max(map(len, rows)), *rows[0].shape[1:]), fill, rows[0].dtype)
    for to, row in zip(array, rows, strict=True):
        to[: len(row)] = row
    return array


class Described(pyrnn.Module):
    """A sequence and features of the whole of it; one output, or one per step."""

    def __init__(self, per_step=False, batch_first=True):
        self.per_step = per_step
        self.rnn = pyrnn.GRU(3, 4, seed=0, batch_first=batch_first)
        self.head = pyrnn.Linear(6, 2, seed=1)

    def forward(self, static, x, lengths=None):
        y, h = self.rnn(x, lengths=lengths)
        if not self.per_step:
            return self.head(pyrnn.concat([h[-1], static], axis=1))
        static = static[:, None] if self.rnn.batch_first else static[None]
        everywhere = pyrnn.broadcast_to(static, (*y.shape[:2], 2))
        return self.head(pyrnn.concat([y, everywhere], axis=2))


class Packed(Described):
    """The same of one input: the features are in front of each step's."""

    def forward(self, x, lengths=None):
        return super().forward(x[:, 0, :2], x[:, :, 2:], lengths)


def trainer(model, **options):
    return pyrnn.Trainer(model, losses.CrossEntropy(), optim.Adam(0.05), seed=0, **options)


def results(t, *data, held_out=None, **options):
    options = {"epochs": 3, "batch_size": 7, "progress": False} | options
    history = t.fit(*data, validation=held_out, **options)
    return history.loss, history.val_loss, history.metrics, t.model.state_dict()


def assert_same(one, other):
    assert one[:3] == other[:3]
    assert_same_bits(one[3], other[3])


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("form", ["lists", "padded", "lengths inside", "share"])
def test_the_same_as_one_packed_input(per_step, form):
    """Shuffled, bucketed and padded alike: the same bits."""
    pairs = zip(STATIC, SERIES, strict=True)
    packed = [np.concatenate([np.tile(s, (len(x), 1)), x], axis=1) for s, x in pairs]
    target = STEPS if per_step else LABELS
    expected = results(trainer(Packed(per_step), metrics=["accuracy"]), packed, target,
                       held_out=0.2 if form == "share" else (packed, target))  # fmt: skip
    x, t = {"x": SERIES, "static": STATIC}, trainer(Described(per_step), metrics=["accuracy"])
    if form == "lists":
        found = results(t, x, target, held_out=(x, target))
    elif form == "share":
        found = results(t, (x, target), held_out=0.2)
    else:
        x, options = {"x": padded(SERIES, np.nan), "static": STATIC}, {"lengths": LENGTHS}
        target = padded(STEPS, 99) if per_step else target
        held_out = (x, target, LENGTHS)
        if form == "lengths inside":
            x, options = x | {"lengths": LENGTHS}, {}
            held_out = (x, target)
        found = results(t, x, target, held_out=held_out, **options)
        assert t.evaluate(x, target, **options)["loss"] == pytest.approx(found[1][-1])
        for row, n, alone in zip(
            t.predict(x, options.get("lengths")),
            LENGTHS,
            t.predict({"x": SERIES, "static": STATIC}),
            strict=True,
        ):
            assert_same_bits(row[:n] if per_step else row, alone)
    assert_same(found, expected)
    for i, row in enumerate(t.predict({"x": SERIES, "static": STATIC})):
        assert_same_bits(row, t.model(STATIC[i : i + 1], SERIES[i][None])[0])


@pytest.mark.parametrize("per_step", [False, True])
def test_time_major_models(per_step):
    x, target = {"x": SERIES, "static": STATIC}, STEPS if per_step else LABELS
    found = [
        results(trainer(Described(per_step, batch_first=first)), x, target)
        for first in (True, False)
    ]
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)


class Towers(pyrnn.Module):
    """Two sequences of ids, each of its own length."""

    def __init__(self):
        self.emb = pyrnn.Embedding(9, 3, seed=0)
        self.rnn, self.head = pyrnn.GRU(3, 4, seed=1), pyrnn.Linear(8, 2, seed=2)

    def forward(self, query, document, query_lengths=None, document_lengths=None):
        _, q = self.rnn(self.emb(query), lengths=query_lengths)
        _, d = self.rnn(self.emb(document), lengths=document_lengths)
        return self.head(pyrnn.concat([q[-1], d[-1]], axis=1))


def ids(seed):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 9, n) for n in rng.integers(1, 7, N)]


def test_two_sequences_of_different_lengths():
    query, document = ids(1), ids(2)
    t = trainer(Towers())
    ragged = {"query": query, "document": document}
    found = results(t, ragged, LABELS)
    alone = [t.model(q[None], d[None])[0] for q, d in zip(query, document, strict=True)]
    assert_same_bits(t.predict(ragged), np.stack(alone))
    given = {
        "query": padded(query),
        "document": padded(document),
        "query_lengths": np.array([len(q) for q in query]),
        "document_lengths": [len(d) for d in document],
    }
    assert_same_bits(t.predict(given), np.stack(alone))
    assert found[0][-1] < found[0][0]


def test_lengths_that_a_forward_requires_come_in_every_batch():
    class Required(Towers):
        def forward(self, query, document, query_lengths, document_lengths):
            return super().forward(query, document, query_lengths, document_lengths)

    query, document = ids(1), ids(2)
    held = N // 4  # samples that are equally long
    query[-held:] = [q[:1] for q in query[-held:]]
    document[-held:] = [np.resize(d, 4) for d in document[-held:]]
    ragged = {"query": query, "document": document}
    t = trainer(Required())
    found = results(t, ragged, LABELS, held_out=held / N)
    assert found[1] == results(trainer(Towers()), ragged, LABELS, held_out=held / N)[1]
    equal = {key: np.stack(column[-held:]) for key, column in ragged.items()}
    widths = {"query_lengths": np.full(held, 1), "document_lengths": np.full(held, 4)}
    assert_same_bits(t.predict(equal), t.model(**equal, **widths))
    assert_same_bits(t.predict(equal | widths), t.predict(equal))
    shorter = {"document_lengths": np.full(held, 2)}  # what is given is not replaced
    assert_same_bits(t.predict(equal | shorter), t.model(**equal, **(widths | shorter)))


def test_sequences_of_the_same_lengths_and_masks():
    class Tagger(pyrnn.Module):
        def __init__(self):
            self.words, self.shapes = pyrnn.Embedding(9, 3, seed=0), pyrnn.Embedding(9, 2, seed=1)
            self.rnn, self.head = pyrnn.GRU(5, 4, seed=2), pyrnn.Linear(4, 2, seed=3)

        def forward(self, words, shapes, mask=None):
            both = pyrnn.concat([self.words(words), self.shapes(shapes)], axis=2)
            return self.head(self.rnn(both, mask=mask)[0])

    words = ids(1)
    shapes, tags = [w[::-1].copy() for w in words], [w % 2 for w in words]
    lists, lengths = trainer(Tagger()), np.array([len(w) for w in words])
    found = results(lists, {"shapes": shapes, "words": words}, tags)
    arrays = {"words": padded(words), "shapes": padded(shapes)}
    other = results(trainer(Tagger()), arrays, padded(tags), lengths=lengths)
    assert_same(found, other)
    mask = np.arange(arrays["words"].shape[1]) < lengths[:, None]
    y = lists.predict(arrays | {"mask": mask})
    for row, length, ragged in zip(
        y, lengths, lists.predict({"words": words, "shapes": shapes}), strict=True
    ):
        np.testing.assert_allclose(row[:length], ragged, rtol=1e-6, atol=1e-7)


def test_resumed_to_the_bit_and_compared(tmp_path):
    x, path = {"x": SERIES, "static": STATIC}, tmp_path / "checkpoint"
    whole = results(trainer(Described()), x, LABELS)
    results(trainer(Described()), x, LABELS, epochs=1, checkpoint=path)
    resumed = results(trainer(Described()), x, LABELS, checkpoint=path, resume=True)
    assert whole[0] == resumed[0]
    assert_same_bits(whole[3], resumed[3])
    with pytest.raises(ValueError, match="fingerprint"):
        results(trainer(Described()), x | {"static": STATIC + 1}, LABELS, checkpoint=path,
                resume=True, epochs=4)  # fmt: skip


def test_an_input_that_is_integers_without_an_embedding():
    x = {"x": SERIES, "static": np.arange(2 * N).reshape(N, 2)}
    assert results(trainer(Described()), x, LABELS)[0]


X = {"x": SERIES, "static": STATIC}


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (X | {"statik": STATIC}, ValueError, r"x has 'statik', .*did you mean 'static'"),
        ({"static": STATIC[:9], "x": SERIES}, ValueError, r"'static': 9"),
        ({1: SERIES}, TypeError, "names of inputs"),
        ({}, TypeError, "names of inputs"),
        (X | {"static": np.full((N, 2), np.nan)}, ValueError, r"x\['static'\]\[0, 0\] is nan"),
        (X | {"static": ["a"] * N}, TypeError, r"x\['static'\] has dtype"),
        ({"x": SERIES}, TypeError, "static"),
        ({"x": padded(SERIES), "static": STATIC, "lengths": [1]}, ValueError, "lengths"),
        ({"x": SERIES, "static": SERIES[::-1]}, ValueError, "expected x_lengths among"),
    ],
)
def test_bad_inputs(x, error, words):
    t = trainer(Described())
    before = t.model.state_dict()
    with pytest.raises(error, match=words) as raised:
        t.fit(x, LABELS, progress=False)
    assert str(raised.value).startswith(("Trainer: train", "Described", "forward"))
    assert_same_bits(t.model.state_dict(), before)


def test_what_does_not_take_several_inputs():
    chain = pyrnn.Sequential(pyrnn.GRU(3, 2, seed=0), pyrnn.LastStep())
    with pytest.raises(TypeError, match=r"x is a dict, and Sequential takes one input"):
        trainer(chain).fit({"x": SERIES}, LABELS, progress=False)
    with pytest.raises(ValueError, match="tbptt"):
        trainer(Described(True)).fit(X, STEPS, tbptt=2, progress=False)
    with pytest.raises(ValueError, match="lengths are given twice"):
        trainer(Described()).fit(
            {"x": padded(SERIES), "static": STATIC, "lengths": LENGTHS}, LABELS, lengths=LENGTHS
        )

    class Unaware(pyrnn.Module):
        def forward(self, x, static):
            return static

    with pytest.raises(ValueError, match="expected x_lengths or lengths among"):
        trainer(Unaware()).fit(X, LABELS, progress=False)
    with pytest.raises(ValueError, match="expected a dict of its inputs"):
        Described().predict(padded(SERIES))


class Translated(pyrnn.Module):
    """One output for each step of the second input."""

    def __init__(self):
        self.encoder, self.decoder = pyrnn.GRU(3, 4, seed=0), pyrnn.GRU(7, 2, seed=1)

    def forward(self, source, written, source_lengths=None, written_lengths=None):
        _, h = self.encoder(source, lengths=source_lengths)
        everywhere = pyrnn.broadcast_to(h[-1][:, None], (*written.shape[:2], 4))
        both = pyrnn.concat([everywhere, written], axis=2)
        return self.decoder(both, lengths=written_lengths)[0]


def test_predict_cuts_by_the_lengths_of_the_input_whose_steps_the_output_has():
    model, written = Translated(), SERIES[::-1]
    found = model.predict({"source": SERIES, "written": written}, batch_size=4)
    for source, steps, row in zip(SERIES, written, found, strict=True):
        np.testing.assert_allclose(row, model(source[None], steps[None])[0], rtol=1e-5, atol=1e-6)
    alike = model.predict({"source": SERIES, "written": SERIES})
    assert [len(row) for row in alike] == [*LENGTHS]
    given = {"source": padded(SERIES), "source_lengths": LENGTHS}
    given |= {"written": padded(written), "written_lengths": LENGTHS[::-1]}
    words = r"steps of x\['source'\] or of x\['written'\], whose lengths differ, expected a call"
    with pytest.raises(ValueError, match=words):
        model.predict(given)
    wider = np.pad(given["source"], ((0, 0), (0, 2), (0, 0)))
    for row, ragged in zip(model.predict(given | {"source": wider}), found, strict=True):
        np.testing.assert_allclose(row[: len(ragged)], ragged, rtol=1e-5, atol=1e-6)
        assert not row[len(ragged) :].any()


class Masked(pyrnn.Module):
    def __init__(self):
        self.rnn = pyrnn.GRU(3, 2, seed=0)

    def forward(self, x, mask=None):
        return self.rnn(x, mask=mask)[0]


PADDED, TAGS = padded(SERIES), padded(STEPS, 99)  # 99 is no class: padding is never looked at
MASK = np.arange(PADDED.shape[1]) < LENGTHS[:, None]


@pytest.mark.parametrize("weighted", [False, True])
def test_a_mask_says_which_targets_count(weighted):
    t = trainer(Masked(), metrics=["accuracy"])
    weight = RNG.random(N) if weighted else None
    found = t.evaluate({"x": PADDED, "mask": MASK}, TAGS, sample_weight=weight)
    y = t.model(PADDED, mask=MASK)
    expected = losses.CrossEntropy()(y, TAGS, mask=MASK, sample_weight=weight)
    assert found["loss"] == pytest.approx(expected, rel=1e-6)
    assert found["accuracy"] == np.mean(y.argmax(2)[MASK] == TAGS[MASK])
    t.fit({"x": PADDED, "mask": MASK}, TAGS, progress=False)


@pytest.mark.parametrize(
    ("mask", "loss", "error", "words"),
    [
        (MASK.astype(int), "cross_entropy", TypeError, r"x\['mask'\] is of dtype int64, .* bools"),
        (MASK.astype(float), "cross_entropy", TypeError, r"x\['mask'\] is of dtype float64"),
        (np.zeros_like(MASK), "cross_entropy", ValueError, "no target counts"),
        (
            MASK,
            "crf",
            ValueError,
            "x has a mask, and CRF is a loss of whole sequences, expected le",
        ),
    ],
)
def test_masks_that_do_not_fit(mask, loss, error, words):
    loss = pyrnn.CRF(2) if loss == "crf" else loss
    t = pyrnn.Trainer(Masked(), loss, "adam", seed=0)
    with pytest.raises(error, match=words):
        t.fit({"x": PADDED, "mask": mask}, np.where(MASK, TAGS, 0), progress=False)
    assert t.optimizer.steps == 0


class Pair(pyrnn.Module):
    def __init__(self):
        self.rnn = pyrnn.GRU(3, 2, seed=0)

    def forward(self, a, b, a_lengths=None, b_lengths=None):
        _, first = self.rnn(a, lengths=a_lengths)
        return first[-1] + self.rnn(b, lengths=b_lengths)[1][-1]


def test_lengths_among_the_inputs_are_those_of_lists():
    """NaN in the padding is never looked at."""
    gaps = padded(SERIES, np.nan)
    arrays = {"a": gaps, "a_lengths": LENGTHS, "b": gaps, "b_lengths": [*LENGTHS]}
    expected = results(trainer(Pair()), {"a": SERIES, "b": SERIES}, LABELS)
    assert_same(results(trainer(Pair()), arrays, LABELS), expected)
    parts = [
        results(trainer(Pair()), x, LABELS, held_out=0.2)
        for x in (arrays, {"a": SERIES, "b": SERIES})
    ]
    assert_same(*parts)
    both = {"a": SERIES, "b": SERIES, "a_lengths": LENGTHS, "b_lengths": LENGTHS}
    assert_same(results(trainer(Pair()), both, LABELS), expected)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"b_lengths": [6] * (N - 1) + [9]}, r"x\['b'\]: lengths\[29\] is 9, expected 0 <= length"),
        ({"b_lengths": [6] * (N - 1) + [-1]}, r"x\['b'\]: lengths\[29\] is -1"),
        ({"a_lengths": [6] * (N - 1) + [9]}, r"lengths\[29\] is 9"),
        ({"b_lengths": [6] * (N - 1)}, "29"),
        ({"a_lengths": LENGTHS, "lengths": LENGTHS - 1}, "x\\['a_lengths'\\] are other lengths"),
        ({"a": SERIES, "a_lengths": LENGTHS - 1}, "x\\['a_lengths'\\] are other lengths of x"),
    ],
)
def test_lengths_among_the_inputs_are_checked_first(inputs, words):
    t = trainer(Pair())
    with pytest.raises(ValueError, match=words):
        t.fit({"a": PADDED, "b": PADDED} | inputs, LABELS, progress=False)
    assert t.optimizer.steps == 0
