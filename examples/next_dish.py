"""Predicts the next dish of a canteen that follows a weekly rule (one-to-one).

The canteen serves jajang (짜장), jjamppong (짬뽕), bokkeumbap (볶음밥), and begins again. One dish
goes in as a one-hot vector, [1, 0, 0], and a probability for each dish comes out, by a softmax.
Fed with its own predictions, the network tells the menu of a whole fortnight.
"""

import numpy as np

import pyrnn
from _common import options, report

DISHES = ("jajang", "jjamppong", "bokkeumbap")


def train(menu, epochs, seed):
    """A small RNN that has seen pairs of today's and tomorrow's dish."""
    one_hot = np.eye(3, dtype=np.float32)[menu]
    today, tomorrow = one_hot[:-1, None], menu[1:, None]  # (N, T = 1, 3) and (N, T = 1)
    model = pyrnn.Sequential(rnn=pyrnn.RNN(3, 8, seed=seed), head=pyrnn.Linear(8, 3, seed=seed))
    trainer = pyrnn.Trainer(model, "cross_entropy", pyrnn.optim.Adam(1e-2), seed=seed)
    trainer.fit(today, tomorrow, epochs=epochs, progress=False)
    return model


def predict(model, dish, days):
    """The dishes of the days that follow, each predicted from the prediction before."""
    softmax, dishes = pyrnn.Softmax(), []
    for _ in range(days):
        logits = model(np.eye(3, dtype=np.float32)[[dish]])  # one sequence of one step
        probabilities = softmax(logits)[0]
        dish = int(probabilities.argmax())
        dishes.append((dish, probabilities[dish]))
    return dishes


def main():
    args = options(__doc__).parse_args()
    menu = np.arange(364) % 3  # a year of it
    accuracies = []
    for seed in range(args.seeds):
        model = train(menu, 5 if args.quick else 20, seed)
        right = []
        for first in range(3):
            predicted = [dish for dish, _ in predict(model, first, 14)]
            right.append(predicted == (first + 1 + np.arange(14)) % 3)
        accuracies.append(100 * np.mean(right))
    print(f"after {DISHES[0]}:")
    for dish, probability in predict(model, 0, 7):
        print(f"  {DISHES[dish]} ({probability:.1%})")
    report(
        args,
        task="next dish, a fortnight ahead",
        model="RNN, 8 units",
        metric="accuracy in %",
        results=accuracies,
        baseline=("chance", 100 / 3),
    )


if __name__ == "__main__":
    main()
