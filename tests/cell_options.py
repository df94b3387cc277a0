"""Options of the cells for the tests: which a cell takes, and settings in which every two meet."""

from covering import pairwise

DRAWN = ("zoneout", "zoneout_cell", "recurrent_dropout")  # training draws masks for them
VALUES = {
    "peephole": True,
    "coupled_gates": True,
    "cell_clip": 0.3,
    "zoneout": 0.3,
    "zoneout_cell": 0.2,
    "recurrent_dropout": 0.4,
    "layer_norm": True,
}
TAKEN = {
    "rnn_tanh": ("zoneout", "recurrent_dropout"),
    "rnn_relu": ("zoneout", "recurrent_dropout"),
    "gru": ("zoneout", "recurrent_dropout", "layer_norm"),
    "gru_reset_before": ("zoneout", "recurrent_dropout"),
    "lstm": tuple(VALUES),
}
# Members hold rows of their own, or share units.
ROWS = {"input_size": 30, "hidden_size": 97, "T": 19, "B": 35}
UNITS = {"input_size": 20, "hidden_size": 600, "T": 3, "B": 2}


def chosen(names):
    """Options of those names, as a Case takes them."""
    return tuple((name, VALUES[name]) for name in names)


def all_of(cell, but=()):
    """Every option that the cell takes, at once."""
    return chosen(name for name in TAKEN[cell] if name not in but)


SINGLE = [(cell, chosen([name])) for cell, names in TAKEN.items() for name in names]
ALONE_AND_ALL = SINGLE + [(cell, all_of(cell)) for cell in TAKEN]


def combinations(cell, **others):
    """Settings of one cell, pairwise over its options, on and off, and over `others`."""
    names = TAKEN[cell]
    for row in pairwise(3, **{name: (False, True) for name in names}, **others):
        yield {
            "options": chosen(name for name in names if row[name]),
            **{key: value for key, value in row.items() if key in others},
        }
