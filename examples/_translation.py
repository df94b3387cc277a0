"""What the examples that write text share: a Seq2Seq with the vocabularies of both sides."""

import numpy as np

import pyrnn
from _common import Vocabulary


def fit(model, training, validation, epochs, *, seed, rate=3e-3, callbacks=()):
    """Trains a Seq2Seq with a rate that falls like a cosine; returns the trainer."""
    loss, optimizer = pyrnn.losses.CrossEntropy(), pyrnn.optim.Adam(rate)
    schedule = pyrnn.optim.Cosine(optimizer, epochs, per="epoch")
    trainer = pyrnn.Trainer(model, loss, optimizer, clip_norm=1.0, schedule=schedule, seed=seed)
    trainer.fit(training, validation, epochs, 64, callbacks=callbacks, progress=False)
    return trainer


class Translator:
    """A Seq2Seq with additive attention from texts to texts, which are lists of symbols.

    The last two ids of the target side, behind those of its vocabulary, are begin and end.
    """

    def __init__(self, sources, targets, size, *, least=1, dropout=0.0, seed=0):
        self.source, self.target = Vocabulary(sources, least), Vocabulary(targets, least)
        begin, options = len(self.target), {"dropout": dropout, "seed": seed}
        options |= {"bos": begin, "eos": begin + 1}
        self.model = pyrnn.Seq2Seq(len(self.source), begin + 2, size // 2, size, **options)
        self._seed = seed

    def fit(self, training, validation, epochs, **options):
        """Trains on (sources, targets) and returns the trainer; the options are those of `fit`."""
        data = self.ids(training), self.ids(validation)
        return fit(self.model, *data, epochs, seed=self._seed, **options)

    def ids(self, pairs):
        """(sources, targets) as lists of arrays."""
        sources, targets = pairs
        return [self.source(text) for text in sources], [self.target(text) for text in targets]

    def __call__(self, sources, **options):
        """What the model writes for each source; the options are those of `generate`."""
        ids, _ = self.model.generate([self.source(text) for text in sources], **options)
        return [[self.target.words[i] for i in row] for row in ids]

    def exact(self, pairs):
        """Of how many sources, in %, the greedy translation is right from end to end."""
        sources, targets = pairs
        written = self(sources, max_length=2 * max(map(len, targets)))
        return 100 * np.mean([a == list(b) for a, b in zip(written, targets, strict=True)])

    def attention(self, source):
        """The translation of one source, and the weights (its symbols, the source's) behind it."""
        (written,), model = self([source]), self.model
        encoded = model.encoder(self.source(source)[:, None])
        y = model.target(np.array([[model.bos], *([i] for i in self.target(written)[:-1])]))
        given = encoded.memory, encoded.state
        return written, model.decoder(y, *given, return_weights=True)[-1][:, 0]


def draw(source, written, weights, path):
    """Saves a heat map of the attention."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.5 + 0.25 * len(source), 1 + 0.3 * len(written)))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    axes.set_xticks(range(len(source)), source)
    axes.set_yticks(range(len(written)), written)
    axes.set(xlabel="source", ylabel="written")
    figure.colorbar(axes.imshow(weights, cmap="viridis", vmin=0, vmax=1), label="attention")
    figure.savefig(path, dpi=120)
