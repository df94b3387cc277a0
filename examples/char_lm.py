"""Trains a character-level LSTM language model on the Python language reference.

The text is `pydoc_data.topics`, which comes with every CPython. The model has to beat an
interpolated trigram model on characters that neither has seen; if it does not, the script fails.

About a minute on two cores; `--quick` takes seconds, only to show that everything works.
"""

import math
import sys

import numpy as np

import pyrnn
from _common import options, report
from _language import EDITION, paragraphs, trigram_bits, windows

BITS = 1 / math.log(2)  # bits per nat
LENGTH, TEST_LENGTH, BATCH, LEARNING_RATE = 64, 1000, 32, 4e-3


def sample(model, prompt, chars, count, temperature):
    """The prompt, continued by `count` characters that the model draws one by one."""
    ids = [chars.index(char) for char in prompt]
    drawn = pyrnn.generate(model, ids, count, temperature=temperature, seed=0)
    return prompt + "".join(chars[i] for i in drawn)


def make_model(num_chars, hidden, seed):
    """Embedding, LSTM and a score for each character."""
    lstm = pyrnn.LSTM(64, hidden, seed=seed)
    pyrnn.init.forget_gate_bias(lstm)
    return pyrnn.Sequential(
        pyrnn.Embedding(num_chars, 64, seed=seed),
        lstm,
        pyrnn.Dropout(0.3, seed=seed),
        pyrnn.Linear(hidden, num_chars, seed=seed),
    )


def train(model, text, held_out, epochs, seed):
    """Trains over freshly cut windows of the text; returns the trainer."""
    rng = np.random.default_rng(seed)
    loss, optimizer = pyrnn.losses.CrossEntropy(), pyrnn.optim.Adam(LEARNING_RATE)
    trainer = pyrnn.Trainer(model, loss, optimizer, clip_norm=1.0, seed=seed)
    for epoch in range(epochs):
        optimizer.lr = LEARNING_RATE * math.cos(math.pi / 2 * epoch / epochs) ** 2
        cut = windows(text, LENGTH, start=int(rng.integers(LENGTH)))
        history = trainer.fit(cut, validation=held_out, epochs=1, batch_size=BATCH)
        print(f"  held out: {history.val_loss[-1] * BITS:.3f} bits per character", flush=True)
    return trainer


def main():
    parser = options(__doc__, seeds=1, plot="char_lm.png")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--hidden", type=int, default=256, help="units of the LSTM")
    parser.add_argument("--temperature", type=float, default=0.7, help="of the sample; 0: greedy")
    args = parser.parse_args()
    if args.quick:
        args.epochs, args.hidden = 2, 32
    text = "\n\n".join(paragraphs())[: 60_000 if args.quick else None]
    chars = sorted(set(text))
    ids = np.array([chars.index(char) for char in text])
    parts = training, validation, test = np.split(ids, [len(ids) * 8 // 10, len(ids) * 9 // 10])
    print(f"{len(text):,} characters, {len(chars)} different")
    bits = []
    for seed in range(args.seeds):
        model = make_model(len(chars), args.hidden, seed)
        trainer = train(model, training, windows(validation, TEST_LENGTH), args.epochs, seed)
        bits.append(trainer.evaluate(windows(test, TEST_LENGTH))["loss"] * BITS)
    print("\n" + sample(model, "The ", chars, 400, args.temperature) + "\n")
    baseline = trigram_bits(*parts, len(chars))
    lines = {"trigram, test": baseline}
    trainer.history.plot(args.plot, label="bits per character", scale=BITS, lines=lines)
    speed = np.median(trainer.history.tokens_per_second)
    print(f"{speed:,.0f} characters per second in training; the loss curve is in {args.plot}")
    beaten = report(
        args,
        task="next character",
        model=f"LSTM, {args.hidden} units",
        metric="bits per character",
        results=bits,
        baseline=("interpolated trigram", baseline),
        remark=EDITION,
        better="lower",
    )
    return 0 if beaten or args.quick else 1


if __name__ == "__main__":
    sys.exit(main())
