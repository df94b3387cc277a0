"""Cases of layers, streams, attention and decoders."""

import pyrnn

from .setting import (
    BOTH,
    CALL,
    DTYPES,
    TIME_MAJOR,
    B,
    H,
    I,
    T,
    TimeMajor,
    gradients,
    infer,
    passes,
    takes,
    ten_steps,
)

CELLS = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu"}),
    ("RNN", {"nonlinearity": "sigmoid", "bias": "single"}),
    ("RNN", {"nonlinearity": "identity"}),
    ("LSTM", {}),
    ("GRU", {}),
    ("GRU", {"reset_after": False}),
]
OPTIONS = [  # each cell gets those that it has
    {},
    {"bias": False},
    {"num_layers": 2, "dropout": 0.3},
    *({"bidirectional": True, "merge": merge} for merge in ("concat", "sum", "mul", "average")),
    {"direction": "reverse"},
    {"recompute_every": 17},
    {"recompute_every": "sqrt"},
    {"zoneout": 0.2},
    {"recurrent_dropout": 0.2},
    {"layer_norm": True},
    {"proj_size": 4},
    {"peephole": True},
    {"coupled_gates": True},
    {"cell_clip": 0.3},
    {"zoneout_cell": 0.2},
]
ALL = {o: v for options in OPTIONS for o, v in options.items()} | {"bias": True, "merge": "sum"}
ALL["direction"] = "forward"
STREAMS = [(5, 8, 6, 1), (33, 70, 6, 3)]  # I, H, T, B
SHARED_STEP = (400, 640, 2, 1)  # a step long enough for two threads
PARTS = [
    ("Linear", (I, 5), {}),
    ("Linear", (I, 5), {"bias": False}),
    ("LayerNorm", (I,), {}),
    ("LayerNorm", (I,), {"eps": 0.01, "bias": False}),
    ("LayerNorm", (I,), {"elementwise_affine": False}),
    *((name, (), {}) for name in ("Tanh", "ReLU", "Sigmoid", "Softmax", "Identity")),
]
TIMED_PARTS = [
    ("Dropout", (0.3,), {}),
    ("LastStep", (), {}),
    ("LastStep", (), {"bidirectional": True}),
    ("LastStep", (), {"direction": "reverse"}),
    *((name, (), {}) for name in ("MaxPool", "MeanPool", "SumPool")),
]
BRANCHES = "Concat", "Add", "Residual", "Parallel", "TimeDistributed"
ATTENTIONS = [
    {},
    {"attention_size": 5},
    {"score": "multiplicative"},
    {"score": "multiplicative", "scale": True},
    {"score": "dot"},
]
DECODERS = [
    *ATTENTIONS,
    {"attention_dropout": 0.3},
    {"cell": "rnn_tanh"},
    {"cell": "lstm"},
    {"cell": "lstm", "num_layers": 3, "dropout": 0.2},
]


def with_options(name, form):
    """Each option that the layer takes alone, then all of them at once."""
    unknown = {o for o in ALL if not takes(getattr(pyrnn, name), o)}
    unknown |= {"layer_norm"} if form.get("reset_after") is False else set()
    known = [form | options for options in OPTIONS if not unknown & set(options)]
    return [*known, form | {o: v for o, v in ALL.items() if o not in unknown}]


def recurrent(at, name, options):
    layer = at.alone(name, I, H, **options)
    x, lengths = at.normal(T, B, I), at.lengths()
    state = at.like(infer(layer, *at.turn("s", x))[1])
    results = [
        passes(at, layer, CALL, x, state),
        passes(at, layer, CALL, x, None, lengths),
        passes(at, layer, CALL, x, state, None, at.mask()),
        passes(at, layer, CALL, x[:, :1]),
        passes(at, layer, ("n", "nn", "nn"), x[:, 0]),
    ]
    if name == "LSTM":
        kinds = ("snn", "sns", "sn")
        results += [passes(at, layer, kinds, x, state, lengths, return_cells=True)]
    at, loss = at.one_order(), TimeMajor(pyrnn.losses.MSE)
    model = at.model(at.part(name, I, H, **options), at.part("Linear", layer.num_features, 2))
    given = x, at.normal(T, B, 2), lengths
    return results, ten_steps(at, model, loss, pyrnn.optim.SGD(0.1), *given)


def wide(at, name, options):
    """Sizes of several blocks, with enough work for two threads; the options of one vjp."""
    steps, rows, inputs, hidden = 19, 35, 70, 97
    layer = at.alone(name, inputs, hidden, num_layers=2, bidirectional=True, **options)
    x, lengths = at.normal(steps, rows, inputs), at.lengths(steps, rows)
    results = passes(at, layer, CALL, x, None, lengths)
    outputs, pullback = layer.vjp(*at.turn("s", x), need_dx=False, rng=3, recompute_every=5)
    outputs = at.turn("sn", *outputs)
    pullback(*at.turn("sn", *at.like(outputs)))
    return results, outputs, gradients(layer)


def episodes(at, name, options):
    """Rows that begin anew inside sequences."""
    layer = at.alone(name, I, H, **options)
    x, lengths, resets = at.normal(T, B, I), at.lengths(), at.rng.random((T, B)) < 0.1
    state = at.like(infer(layer, *at.turn("s", x))[1])
    options = {"resets": resets.T if at.batch_first else resets}
    return (
        passes(at, layer, CALL, x, state, **options),
        passes(at, layer, CALL, x, state, lengths, reset_to="state", **options),
    )


def streamed(at, name, options, sizes):
    """The stream of a layer, and of a model with that layer: steps, then a chunk."""
    inputs, hidden, steps, rows = sizes
    layer, models = at.alone(name, inputs, hidden, **options), at.one_order()
    model = models.model(at.part("Linear", inputs, inputs), at.part(name, inputs, hidden))
    results, x = [], at.normal(steps, rows, inputs)
    for order, module in ((at, layer), (models, model)):
        stream = module.stream(rows)
        results += [[stream.step(x_t) for x_t in x]]
        results += [order.turn("s", stream.run(*order.turn("s", x))), stream.state]
    return results


def served(at, name, options):
    """Streams of a layer and of a model, of which some rows are idle or begin anew in a step."""
    layer, x, ids = at.alone(name, I, H, **options), at.normal(T, B, I), at.ids(9, T, B)
    ends = at.part("LayerNorm", H), at.part("Linear", H, 9), at.part("Softmax")
    model = at.model(at.part("Embedding", 9, I), at.part(name, I, H, **options), *ends)
    results, active, resets = [], at.mask(), at.normal(T, B) > 1
    for module, given in ((layer, x), (model, ids)):
        stream = module.stream(B)
        steps = zip(given, resets, active, strict=True)
        results += [[stream.step(x_t, resets=new, active=on) for x_t, new, on in steps]]
        results += [stream.run(given, resets), stream.state]
    return results


def part(at, name, args, options):
    """A part without an order of axes."""
    module = at.part(name, *args, **options)
    return [passes(at, module, "nnn", at.normal(*shape, I)) for shape in ((T, B), (B,), ())]


def timed_part(at, name, args, options):
    """A part that knows the time axis, by itself and in a model."""
    module, x = at.alone(name, *args, **options), at.normal(T, B, 2 * I)
    out, lengths = ("s", []) if name == "Dropout" else ("n", [at.lengths()])
    alone = (
        passes(at, module, ("sn", out, "s"), x),
        passes(at, module, ("sn", out, "s"), x, *lengths),
    )
    at, options = at.one_order(), {"bidirectional": True} if options else {}
    model = at.model(at.part("GRU", 2 * I, H, **options), at.part(name, *args, **options))
    return alone, passes(at, model, ("snns", out + "n", "sn"), x, None, None, at.mask())


def branches(at, name):
    """Parts side by side in a model, or one at every step, with lengths and a mask."""
    at = at.one_order()
    parts = at.part("LSTM", I, I), at.part("Linear", I, I)
    parts = {"Residual": parts[:1], "TimeDistributed": parts[1:]}.get(name, parts)
    joined = getattr(pyrnn, name)(*parts)
    model, x = at.model(joined), at.normal(T, B, I)
    out = "n" if name == "Parallel" else "s"  # a tuple
    kinds = "snns", out + "n", "sn"
    return [passes(at, model, kinds, x, *told) for told in ((), (None, at.lengths()))] + [
        passes(at, model, kinds, x, None, None, at.mask())
    ]


def attention(at, options):
    at = at.one_order()
    module = at.alone("Attention", H, H, **options)
    queries, memory = at.normal(5, B, H), at.normal(T, B, H)
    memories = (memory,), (memory, at.lengths()), (memory, None, at.mask())
    return [passes(at, module, ("ssns", "ss", "ss"), queries, *given) for given in memories]


def decoder(at, options):
    at = at.one_order()
    module = at.alone("AttentionDecoder", I, H, H, **options)
    x, memory, kinds = at.normal(6, B, I), at.normal(T, B, H), ("ssnnns", "sn", "ssn")
    weights = at.turn("sns", *module(*at.turn("ss", x, memory), return_weights=True))
    state, ends = at.like(weights[1]), at.lengths()
    steps = module.steps(*at.turn("s", memory), state, ends)
    return (
        passes(at, module, kinds, x, memory, state, at.lengths(6), ends),
        passes(at, module, kinds, x, memory, None, None, None, at.mask()),
        ([steps.step(x_t) for x_t in x], steps.state, weights),
    )


def language_model(at):
    """Ids through nested models; and what is generated."""
    at = at.one_order()
    inner = at.model(at.part("GRU", H, H), at.part("LayerNorm", H), at.part("Dropout", 0.2))
    ends = at.part("Embedding", 11, I, padding_idx=2), at.part("Linear", H, 11)
    model = at.model(ends[0], at.part("LSTM", I, H), inner, ends[1])
    ids, target, prompts = at.ids(11, T, B), at.ids(11, T, B), list(at.ids(11, 3, 4))
    choice = {"temperature": 0.8, "top_k": 8, "top_p": 0.9, "suppress": 1, "seed": 5}
    loss = TimeMajor(pyrnn.losses.CrossEntropy)
    return (
        passes(at, model, CALL, ids),
        passes(at, model, CALL, ids, None, at.lengths()),
        passes(at, model, CALL, ids, None, None, at.mask()),
        passes(at, model, ("n", "nn", "nn"), ids[:, 0]),
        pyrnn.generate(model, [*prompts, prompts[0][:1]], 12, **choice),
        pyrnn.generate(model, prompts[0], 12, temperature=0.0, stop=4),
        ten_steps(at, model, loss, pyrnn.optim.Adam(), ids, target, at.lengths()),
    )


MANY = {"num_layers": 2, "bidirectional": True, "dropout": 0.3, "zoneout": 0.2}
CELL_OPTIONS = [(name, options) for name, form in CELLS for options in with_options(name, form)]
TABLES = [
    (recurrent, CELL_OPTIONS, DTYPES, BOTH),
    (wide, CELLS, DTYPES, BOTH),
    (episodes, [(name, form | more) for name, form in CELLS for more in ({}, MANY)], DTYPES, BOTH),
    (streamed, [(*cell, sizes) for cell in CELLS for sizes in STREAMS], DTYPES, BOTH),
    (served, CELLS, DTYPES, TIME_MAJOR),
    (streamed, [(*cell, SHARED_STEP) for cell in CELLS], DTYPES[:1], TIME_MAJOR),
    (part, PARTS, DTYPES, TIME_MAJOR),
    (timed_part, TIMED_PARTS, DTYPES, BOTH),
    (branches, [(name,) for name in BRANCHES], DTYPES, BOTH),
    (attention, [(options,) for options in [*ATTENTIONS, {"dropout": 0.3}]], DTYPES, BOTH),
    (decoder, [(options,) for options in DECODERS], DTYPES, BOTH),
    (language_model, [()], DTYPES, BOTH),
]
