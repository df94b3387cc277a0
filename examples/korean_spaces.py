"""Puts the spaces back into Korean text (many-to-many, in step).

"선택한볼륨삭제" becomes "선택한 볼륨 삭제". Any text gives its own labels: the spaces are
removed, and each character is labelled by whether a space followed it. The texts are
the Korean interface messages of Django, horizon and wagtail; no test message is in
another set. A bidirectional LSTM reads the characters. The baseline decides as the
training texts most often do between the same characters: as many as were seen there,
up to three on each side.
"""

from functools import partial

import numpy as np

import pyrnn
from _common import options, report, split
from _messages import korean_font, pairs
from _spaces import by_grams, f1, spaced, unspaced


def train(vocabulary, training, validation, epochs, seed):
    """The trainer of a model with the weights that were best on the validation data."""
    model = pyrnn.Sequential(
        pyrnn.Embedding(len(vocabulary), 48, seed=seed),
        pyrnn.Dropout(0.3, seed=seed),
        pyrnn.LSTM(48, 96, bidirectional=True, seed=seed),
        pyrnn.Dropout(0.5, seed=seed),
        pyrnn.Linear(192, 2, seed=seed),
    )
    optimizer = pyrnn.optim.AdamW(4e-3, weight_decay=0.02)
    trainer = pyrnn.Trainer(model, "cross_entropy", optimizer, clip_norm=1.0, seed=seed)
    stop = pyrnn.EarlyStopping(patience=3)
    trainer.fit(training, validation=validation, epochs=epochs, callbacks=[stop], progress=False)
    return trainer


def draw(text, logits, spaces, path):
    """Saves the probability of a space after each character, dark where there is one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.4), layout="constrained")
    axes = figure.subplots()
    shares = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    axes.bar(range(len(text)), shares, color=np.where(spaces, "#2f3f9e", "#a8b0d8"))
    axes.set_xticks(range(len(text)), text)
    axes.set(ylim=(0, 1), ylabel="probability", title="Does a space follow? Dark: the text has one")
    figure.savefig(path, dpi=90)


def main():
    args = options(__doc__, plot="korean_spaces.png").parse_args()
    messages = dict.fromkeys(m for m in pairs().values() if " " in m)
    rows = [unspaced(m) for m in list(messages)[: 300 if args.quick else None]]
    texts, labels = map(list, zip(*rows, strict=True))
    parts = split(len(texts), 0.1, 0.2)
    known, near, test = (([texts[i] for i in part], [labels[i] for i in part]) for part in parts)
    vocabulary = pyrnn.Vocabulary.build(known[0], min_count=2)
    encode = partial(map, vocabulary.encode)
    training, validation = ((list(encode(x)), y) for x, y in (known, near))
    print(f"{len(texts):,} messages, {sum(map(len, texts)):,} characters; {len(vocabulary)} differ")
    results = []
    for seed in range(args.seeds):
        trainer = train(vocabulary, training, validation, 2 if args.quick else 25, seed)
        logits = trainer.predict(list(encode(test[0])))
        told = [y.argmax(axis=-1) for y in logits]
        results.append(f1(told, test[1]))
        print(f"  seed {seed}: F1 {results[-1]:.2f} %", flush=True)
    longest = sorted(range(len(test[0])), key=lambda i: -len(test[0][i]))
    plain = [i for i in longest if len(test[0][i]) <= 30 and min(test[0][i][:-1]) >= "가"]
    shown = (plain or longest)[0]
    with korean_font():
        draw(test[0][shown], logits[shown], test[1][shown], args.plot)
    for i in longest[len(longest) // 4 :][:4]:
        right = spaced(test[0][i], test[1][i])
        print(f"  {spaced(test[0][i], told[i])}\n    (the catalogue: {right})")
    report(
        args,
        task="spaces in Korean messages",
        model="bidirectional LSTM, 96 units",
        metric="F1 of spaces in %",
        results=results,
        baseline=("by the characters around", f1(by_grams(*known, test[0]), test[1])),
        others=[("a space everywhere", f1([np.ones_like(y) for y in test[1]], test[1]))],
    )


if __name__ == "__main__":
    main()
