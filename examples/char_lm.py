"""Trains a character-level LSTM language model on the Python language reference.

The text is `pydoc_data.topics`, which comes with every CPython. The model has to beat an
interpolated trigram model on characters that neither has seen; if it does not, the script fails.

About a minute on two cores; `--quick` takes seconds, only to show that everything works.
"""

import argparse
import math
import sys
from pydoc_data.topics import topics

import numpy as np

import pyrnn

BITS = 1 / math.log(2)  # bits per nat
LENGTH, TEST_LENGTH, BATCH, LEARNING_RATE = 64, 1000, 32, 4e-3


def windows(ids, length, start=0):
    """Inputs and targets (N, length): the text cut up, and the same one character later."""
    count = (len(ids) - start - 1) // length
    stop = start + count * length
    return ids[start:stop].reshape(count, length), ids[start + 1 : stop + 1].reshape(count, length)


def trigram_bits(train, validation, test, num_chars, rounds=100):
    """Bits per character of the test text under a mixture of trigram, bigram, unigram and uniform:
    counts from the training text, weights from the validation text by EM (Jelinek & Mercer 1980).
    """
    triples = np.zeros((num_chars,) * 3)
    np.add.at(triples, (train[:-2], train[1:-1], train[2:]), 1)
    pairs = triples.sum(axis=0)
    singles = np.bincount(train, minlength=num_chars)

    def components(ids):
        a, b, c = ids[:-2], ids[1:-1], ids[2:]
        trigram = triples[a, b, c] / np.maximum(triples.sum(axis=2)[a, b], 1)
        bigram = pairs[b, c] / np.maximum(pairs.sum(axis=1)[b], 1)
        return np.stack([trigram, bigram, singles[c] / len(train), np.full(len(c), 1 / num_chars)])

    known, weights = components(validation), np.full(4, 0.25)
    for _ in range(rounds):
        shares = weights[:, None] * known
        weights = (shares / shares.sum(axis=0)).mean(axis=1)
    return -np.log2(weights @ components(test)).mean()


def sample(model, prompt, chars, count, args):
    """The prompt, continued by `count` characters that the model draws one by one."""
    ids = [chars.index(char) for char in prompt]
    drawn = pyrnn.generate(model, ids, count, temperature=args.temperature, seed=args.seed)
    return prompt + "".join(chars[i] for i in drawn)


def train(model, text, held_out, args, rng):
    """Trains over freshly cut windows of the text; returns the trainer."""
    loss, optimizer = pyrnn.losses.CrossEntropy(), pyrnn.optim.Adam(LEARNING_RATE)
    trainer = pyrnn.Trainer(model, loss, optimizer, clip_norm=1.0, seed=args.seed)
    for epoch in range(args.epochs):
        optimizer.lr = LEARNING_RATE * math.cos(math.pi / 2 * epoch / args.epochs) ** 2
        cut = windows(text, LENGTH, start=int(rng.integers(LENGTH)))
        history = trainer.fit(cut, held_out, epochs=1, batch_size=BATCH)
        print(f"  held out: {history.val_loss[-1] * BITS:.3f} bits per character", flush=True)
    return trainer


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--hidden", type=int, default=256, help="units of the LSTM")
    parser.add_argument("--temperature", type=float, default=0.7, help="of the sample; 0: greedy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", default="char_lm.png", help="file for the loss curve")
    parser.add_argument("--quick", action="store_true", help="tiny: 2 epochs, 32 units, no verdict")
    args = parser.parse_args()
    if args.quick:
        args.epochs, args.hidden = 2, 32
    return args


def main():
    args = parse_arguments()
    text = "".join(topics[name] for name in sorted(topics))[: 60_000 if args.quick else None]
    chars = sorted(set(text))
    ids = np.array([chars.index(char) for char in text])
    parts = training, validation, test = np.split(ids, [len(ids) * 8 // 10, len(ids) * 9 // 10])
    lstm = pyrnn.LSTM(64, args.hidden, seed=args.seed)
    pyrnn.init.forget_gate_bias(lstm)
    model = pyrnn.Sequential(
        pyrnn.Embedding(len(chars), 64, seed=args.seed),
        lstm,
        pyrnn.Dropout(0.3, seed=args.seed),
        pyrnn.Linear(args.hidden, len(chars), seed=args.seed),
    )
    print(
        f"{len(text):,} characters, {len(chars)} different; {model.num_parameters():,} parameters"
    )
    rng = np.random.default_rng(args.seed)
    trainer = train(model, training, windows(validation, TEST_LENGTH), args, rng)
    print("\n" + sample(model, "The ", chars, 400, args) + "\n")
    lstm_bits = trainer.evaluate(windows(test, TEST_LENGTH))["loss"] * BITS
    baseline = trigram_bits(*parts, len(chars))
    lines = {"trigram, test": baseline}
    trainer.history.plot(args.plot, label="bits per character", scale=BITS, lines=lines)
    speed = np.median(trainer.history.tokens_per_second)
    print(f"{speed:,.0f} characters per second in training; the loss curve is in {args.plot}")
    print(f"test text: LSTM {lstm_bits:.3f}, trigram {baseline:.3f} bits per character")
    beaten = lstm_bits < baseline
    print("The LSTM beats the trigram." if beaten else "The LSTM does not beat the trigram.")
    return 0 if beaten or args.quick else 1


if __name__ == "__main__":
    sys.exit(main())
