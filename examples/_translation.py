"""What the examples that write text share: a Seq2Seq with the vocabularies of both sides."""

import numpy as np

import pyrnn


def fit(model, training, validation, epochs, *, seed, rate=3e-3, callbacks=()):
    """Trains a Seq2Seq with a rate that falls like a cosine; returns the trainer."""
    loss, optimizer = pyrnn.losses.CrossEntropy(), pyrnn.optim.Adam(rate)
    schedule = pyrnn.optim.Cosine(optimizer, epochs, per="epoch")
    trainer = pyrnn.Trainer(model, loss, optimizer, clip_norm=1.0, schedule=schedule, seed=seed)
    options = {"epochs": epochs, "batch_size": 64, "callbacks": callbacks}
    trainer.fit(training, validation=validation, **options, progress=False)
    return trainer


def target_vocabulary(texts, least=1):
    """The vocabulary of what a Seq2Seq writes, with the ids that begin and end it."""
    return pyrnn.Vocabulary.build(map(list, texts), min_count=least, specials=("<bos>", "<eos>"))


def ends(vocabulary):
    """The options `bos` and `eos` of a Seq2Seq that writes by such a vocabulary."""
    return {"bos": vocabulary.id("<bos>"), "eos": vocabulary.id("<eos>")}


class Translator:
    """A Seq2Seq with additive attention from texts to texts: words in lists, or characters.

    Symbols that occur less than `least` times in the texts are unknown.
    """

    def __init__(self, sources, targets, size, *, least=1, dropout=0.0, seed=0):
        self.source = pyrnn.Vocabulary.build(map(list, sources), min_count=least)
        self.target = target_vocabulary(targets, least)
        options = {"dropout": dropout, "seed": seed} | ends(self.target)
        self.model = pyrnn.Seq2Seq(len(self.source), len(self.target), size // 2, size, **options)
        self._seed = seed

    def fit(self, training, validation, epochs, **options):
        """Trains on (sources, targets) and returns the trainer; the options are those of `fit`."""
        data = self.ids(training), self.ids(validation)
        return fit(self.model, *data, epochs, seed=self._seed, **options)

    def ids(self, pairs):
        """(sources, targets) as lists of arrays."""
        texts = zip((self.source, self.target), pairs, strict=True)
        return [[side.encode(list(text)) for text in given] for side, given in texts]

    def __call__(self, sources, **options):
        """What the model writes for each source; the options are those of `generate`."""
        given = [self.source.encode(list(text)) for text in sources]
        ids, _ = self.model.generate(given, **options)
        return [self.target.decode(row) for row in ids]

    def exact(self, pairs):
        """Of how many sources, in %, the greedy translation is right from end to end."""
        sources, targets = pairs
        written = self(sources, max_length=2 * max(map(len, targets)))
        return 100 * np.mean([a == list(b) for a, b in zip(written, targets, strict=True)])

    def attention(self, source):
        """The translation of one source, and the weights (its symbols, the source's) for it."""
        (written,), model = self([source]), self.model
        encoded = model.encoder(self.source.encode(list(source))[None])
        y = model.target(np.append(model.bos, self.target.encode(written[:-1]))[None])
        given = encoded.memory, encoded.state
        return written, model.decoder(y, *given, return_weights=True)[-1][0]


def draw(source, written, weights, path):
    """Saves a heat map of the attention."""
    from matplotlib.figure import Figure

    long = max(map(len, source)) > 1  # words, not characters
    width = max(3.6, 1.5 + (0.5 if long else 0.25) * len(source))
    figure = Figure(figsize=(width, 1 + 0.3 * len(written) + 0.5 * long))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    axes.set_xticks(range(len(source)), source, rotation=45 if long else 0)
    axes.set_yticks(range(len(written)), written)
    axes.set(xlabel="source", ylabel="written")
    shades = axes.imshow(weights, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    figure.colorbar(shades, label="attention")
    figure.savefig(path, dpi=110)
