"""Predicts the next word: a vocabulary of 100 words, 20 time steps, an embedding, 10 units.

The text is the Python language reference, which comes with CPython; words outside the vocabulary
are one word of their own. Training goes through 32 places of the text at once, 20 words at a time,
and carries the state on (truncated BPTT). The baseline is an interpolated trigram model. The ten
units beat it only with a hidden layer after them: ten numbers are few to choose of 100 words by.
"""

import re

import numpy as np

import pyrnn
from _common import options, report, split
from _language import EDITION, paragraphs, trigram_bits, windows

NUM_WORDS, STEPS, UNITS, PLACES = 100, 20, 10, 32


def load(count):
    """Words for training, validation and test: different paragraphs, each once, in their order."""
    texts = paragraphs()[:count]
    words = [re.findall(r"[a-z]+|\d+|[^\sa-z\d]", text.lower()) for text in texts]
    parts = split(len(words), 0.1, 0.1)
    return [[word for i in sorted(part) for word in words[i]] for part in parts]


def train(num_words, training, validation, epochs, seed):
    """The trainer of a language model."""
    model = pyrnn.Sequential(
        pyrnn.Embedding(num_words, 64, seed=seed),
        pyrnn.LSTM(64, UNITS, seed=seed),
        pyrnn.Linear(UNITS, 64, seed=seed),
        pyrnn.Tanh(),
        pyrnn.Linear(64, num_words, seed=seed),
    )
    if seed == 0:
        print(model.summary())
    optimizer = pyrnn.optim.Adam(5e-3)
    trainer = pyrnn.Trainer(
        model,
        pyrnn.losses.CrossEntropy(),
        optimizer,
        clip_norm=1.0,
        schedule=pyrnn.optim.Cosine(optimizer, epochs, per="epoch"),
        seed=seed,
    )
    trainer.fit(
        training,
        validation=validation,
        epochs=epochs,
        batch_size=PLACES,
        tbptt=STEPS,
        progress=False,
    )
    return trainer


def main():
    args = options(__doc__).parse_args()
    texts = load(200 if args.quick else None)
    vocabulary = pyrnn.Vocabulary.build(texts[:1], max_size=1 + NUM_WORDS)  # and the padding
    parts = [vocabulary.encode(text) for text in texts]
    places = [windows(ids, (len(ids) - 1) // PLACES) for ids in parts]  # (32, T) of each part
    unknown = np.mean(parts[0] == vocabulary.unknown)
    print(f"{len(parts[0]):,} words to learn from, {unknown:.0%} outside the vocabulary")
    perplexities = []
    for seed in range(args.seeds):
        trainer = train(len(vocabulary), *places[:2], 2 if args.quick else 100, seed)
        perplexities.append(np.exp(trainer.evaluate(places[2])["loss"]))
        print(f"  seed {seed}: perplexity {perplexities[-1]:.3f}", flush=True)
    report(
        args,
        task="next word, 100-word vocabulary",
        model="LSTM, 10 units",
        metric="perplexity",
        results=perplexities,
        baseline=("interpolated trigram", 2 ** trigram_bits(*parts, len(vocabulary))),
        remark=EDITION,
        better="lower",
    )


if __name__ == "__main__":
    main()
