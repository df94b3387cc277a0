"""Answers what it is told (many-to-many, of its own length).

The dialogues are the English ones of the package chatterbot-corpus, without those that are program
code and without repetitions: 1079 pairs, very few for a network that is to know what words mean.
What the tests say to it occurs in no other set. The baseline knows how often each word occurs in a
reply; how much is due to what was said, and not to the order of words, tells the same network with
the questions of the test exchanged.
"""

import re
from itertools import pairwise
from pathlib import PurePath

import numpy as np

import fetch
import pyrnn
from _common import options, report, split
from _text import words
from _translation import Translator

TALK = "Hello", "How are you?", "What is AI?", "Are you sentient?", "Do you like books?", "Bye"


def utterances(text):
    """The conversations of a file, a list each; lines go on, quotes are YAML's."""
    _, _, body = text.partition("conversations:\n")
    for conversation in re.split(r"^- - ", body, flags=re.MULTILINE)[1:]:
        lines = re.split(r"^  - ", conversation, flags=re.MULTILINE)
        yield [" ".join(line.split()).strip("'\"") for line in lines]


def load():
    """Different pairs of an utterance and the reply, as texts."""
    files = fetch.read_all("chatterbot-corpus", "*/data/english/*.yml")
    texts = [data.decode() for name, data in files.items() if PurePath(name).stem != "coding"]
    talks = [talk for text in texts for talk in utterances(text)]
    return list(dict.fromkeys(pair for talk in talks for pair in pairwise(talk)))


def parts_of(pairs):
    """(sources, targets), lists of words, for training, validation and test: by what is said."""
    said = list(dict.fromkeys(said.lower() for said, _ in pairs))
    for part in split(len(said), 0.15, 0.2):
        chosen = {said[i] for i in part}
        rows = [(words(a), words(b)) for a, b in pairs if a.lower() in chosen]
        yield tuple(map(list, zip(*rows, strict=True)))


def unigram(training, test, count):
    """The perplexity of replies, ends included, by each word's share of the training's replies."""
    known, new = [np.concatenate([[*ids, count] for ids in part]) for part in (training, test)]
    shares = np.bincount(known, minlength=count + 1) / len(known)
    return np.exp(-np.log(shares[new]).mean())


def answers(chatbot):
    """The replies to some utterances, by beam search and without unknown words."""
    said, unknown = [words(text) for text in TALK], chatbot.target.unknown
    return chatbot(said, max_length=30, method="beam", suppress=unknown)


def train(training, validation, epochs, seed):
    """A translator with the weights best on the validation data, and its trainer."""
    chatbot = Translator(*training, 256, least=2, dropout=0.5, seed=seed)
    stop = pyrnn.EarlyStopping(patience=5)
    return chatbot, chatbot.fit(training, validation, epochs, rate=1e-3, callbacks=[stop])


def main():
    args = options(__doc__).parse_args()
    pairs = load()
    training, validation, test = parts_of(pairs[:100] if args.quick else pairs)
    perplexities, exchanged = [], []
    for seed in range(args.seeds):
        chatbot, trainer = train(training, validation, 1 if args.quick else 40, seed)
        said, replies = chatbot.ids(test)
        others = [said[i] for i in np.random.default_rng(0).permutation(len(said))]
        perplexities.append(np.exp(trainer.evaluate((said, replies))["loss"]))
        exchanged.append(np.exp(trainer.evaluate((others, replies))["loss"]))
        print(f"  seed {seed}: perplexity {perplexities[-1]:.2f}", flush=True)
    unknown = np.mean(np.concatenate(replies) == chatbot.target.unknown)
    print(f"{len(chatbot.target):,} words; {unknown:.0%} of the test's are others, as one")
    for text, reply in zip(TALK, answers(chatbot), strict=True):
        print(f"  > {text}\n    {' '.join(reply)}")
    report(
        args,
        task="reply in a dialogue",
        model="GRU, 256 units, attention",
        metric="perplexity",
        results=perplexities,
        baseline=(
            "how often each word occurs",
            unigram(chatbot.ids(training)[1], replies, len(chatbot.target)),
        ),
        others=[("questions exchanged", np.mean(exchanged))],
        better="lower",
    )


if __name__ == "__main__":
    main()
