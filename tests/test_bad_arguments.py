"""Promise: a bad value of any argument of any public callable is a TypeError or ValueError that
names the callable and the argument, in a short message without control characters."""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest

import pyrnn
from bad_values import complaints
from pyrnn import init, losses, metrics, optim

X, IDS = np.zeros((2, 5, 4), np.float32), np.zeros((2, 5), np.int64)
LOGITS, TAGS = np.zeros((2, 5, 3), np.float32), np.ones((2, 5), np.int64)


def tagger():
    return pyrnn.Sequential(pyrnn.GRU(4, 3, seed=0), pyrnn.Linear(3, 3, seed=0))


def language_model():
    parts = pyrnn.GRU(4, 3, seed=0), pyrnn.Linear(3, 3, seed=0)
    return pyrnn.Sequential(pyrnn.Embedding(3, 4, seed=0), *parts)


def trainer():
    return pyrnn.Trainer(tagger(), losses.CrossEntropy(), optim.SGD(0.1), seed=0)


def translator():
    return pyrnn.Seq2Seq(5, 5, 4, 3, seed=0)


def matrix():
    return pyrnn.Parameter(np.zeros((3, 3)))


REQUIRED = {  # of constructors and functions
    "RNN": (4, 3),
    "LSTM": (4, 3),
    "GRU": (4, 3),
    "Linear": (4, 3),
    "Embedding": (4, 3),
    "LayerNorm": (4,),
    "Parameter": (np.zeros(3),),
    "CRF": (3,),
    **dict.fromkeys(("EntityF1", "EntityPrecision", "EntityRecall"), (["O", "B-A"],)),
    **dict.fromkeys(
        ("entity_f1", "entity_precision", "entity_recall"), ([["O"], ["B-A"]], [["O"], ["O"]])
    ),
    "flat": (lambda: max,),
    "Attention": (3, 4),
    "AttentionDecoder": (3, 4, 3),
    "Seq2Seq": (5, 5, 4, 3),
    "SequenceDataset": (X,),
    "StoredDataset": (X,),
    "bio_constraints": (["O", "B-a"],),
    "ctc_greedy": (LOGITS,),
    "ctc_beam": (LOGITS,),
    "generate": (language_model, IDS[0], 2),
    "load": ("none",),
    "export_c": (tagger, "model.c"),
    "quantize": (tagger, "bf16"),
    "concat": ([X, X],),
    "stack": ([X, X],),
    "where": (X > 0, X, X),
    "broadcast_to": (X, X.shape),
    **dict.fromkeys(("exp", "log", "tanh", "sigmoid", "stop_gradient"), (X,)),
    "set_num_threads": (1,),
    "trace": (tagger, X[:1]),
    "ModelCheckpoint": ("best",),
    "PruningCallback": (lambda: SimpleNamespace(report=print, should_prune=bool),),
    "threads": (1,),
    "set_workspace_limit": (2**28,),
    "Trainer": (tagger, losses.CrossEntropy, optim.SGD),
    "Step": (optim.SGD, 2),
    "Cosine": (optim.SGD, 2),
    "OneCycle": (optim.SGD, 2),
    "Lambda": (optim.SGD, lambda: lambda count: 1.0),
    "MultiStep": (optim.SGD, [2]),
    "Exponential": (optim.SGD, 0.5),
    "Polynomial": (optim.SGD, 2),
    "Cyclic": (optim.SGD, 2),
    "WarmRestarts": (optim.SGD, 2),
    "Chain": (lambda: [optim.Step(o := optim.SGD(), 2), optim.Exponential(o, 0.5)], [2]),
    "OnPlateau": (optim.SGD,),
    "Warmup": (optim.SGD, 2),
    "EMA": (tagger,),
    "clip_grad_norm": (tagger, 1.0),
    "clip_grad_value": (tagger, 1.0),
    "zeros": (matrix,),
    "ones": (matrix,),
    "uniform": (matrix, 0.1),
    "normal": (matrix,),
    "glorot_uniform": (matrix,),
    "glorot_normal": (matrix,),
    "orthogonal": (matrix,),
    "forget_gate_bias": (lambda: pyrnn.LSTM(2, 2),),
}
OPTIONAL = {
    "ctc_beam": {"beam_width": 2},
    "Trainer.fit": {"epochs": 1, "progress": False},
}
METHODS = [
    *((lambda cls=cls: cls(4, 3), "__call__", (X,)) for cls in (pyrnn.RNN, pyrnn.LSTM)),
    *((lambda cls=cls: cls(4, 3), "vjp", (X,)) for cls in (pyrnn.GRU, pyrnn.LSTM)),
    (lambda: pyrnn.LSTM(4, 3), "stream", ()),
    (lambda: pyrnn.LSTM(4, 3).stream(2), "step", (X[:, 0],)),
    (lambda: pyrnn.LSTM(4, 3).stream(2), "run", (X,)),
    (lambda: pyrnn.LSTM(4, 3), "load_state_dict", ({},)),
    (lambda: pyrnn.LSTM(4, 3), "load_extra_state", ({},)),
    (lambda: pyrnn.LSTM(4, 3), "save", ("",)),
    (lambda: pyrnn.LSTM(4, 3), "summary", ()),
    (lambda: pyrnn.Linear(4, 3), "__call__", (X,)),
    (lambda: pyrnn.Linear(4, 3), "vjp", (X,)),
    (lambda: pyrnn.Embedding(4, 3), "__call__", (IDS,)),
    (lambda: pyrnn.Embedding(4, 3), "vjp", (IDS,)),
    (lambda: pyrnn.Embedding(4, 3), "check_ids", (IDS,)),
    (lambda: pyrnn.LayerNorm(4), "__call__", (X,)),
    (lambda: pyrnn.LayerNorm(4), "vjp", (X,)),
    (lambda: pyrnn.Dropout(), "__call__", (X,)),
    (lambda: pyrnn.Dropout(), "vjp", (X,)),
    *(
        (cls, name, (X,))
        for cls in (pyrnn.Tanh, pyrnn.ReLU, pyrnn.Sigmoid, pyrnn.Softmax)
        for name in ("__call__", "vjp")
    ),
    *(
        (lambda cls=cls: cls(), name, (X,))
        for cls in (pyrnn.LastStep, pyrnn.MaxPool, pyrnn.MeanPool, pyrnn.SumPool)
        for name in ("__call__", "vjp")
    ),
    (tagger, "__call__", (X,)),
    (tagger, "vjp", (X,)),
    (tagger, "stream", ()),
    (lambda: tagger().stream(2), "step", (X[:, 0],)),
    (lambda: tagger().stream(2), "run", (X,)),
    (lambda: pyrnn.Attention(3, 4), "__call__", (X[..., :3], X)),
    (lambda: pyrnn.Attention(3, 4), "vjp", (X[..., :3], X)),
    (lambda: pyrnn.AttentionDecoder(4, 3, 4), "__call__", (X, X)),
    (lambda: pyrnn.AttentionDecoder(4, 3, 4), "vjp", (X, X)),
    (translator, "__call__", (IDS, IDS + 3)),
    (translator, "vjp", (IDS, IDS + 3)),
    (translator, "generate", (IDS,)),
    *((lambda cls=cls: cls(), "__call__", (X, X)) for cls in (losses.MSE, losses.MAE)),
    *(
        (lambda cls=cls: cls(), name, (X, X))
        for cls in (losses.Huber, losses.BCEWithLogits)
        for name in ("__call__", "vjp")
    ),
    (lambda: losses.CrossEntropy(), "__call__", (LOGITS, TAGS)),
    (lambda: losses.CTC(), "__call__", (LOGITS, [[1], [1]])),
    (lambda: losses.Quantile(), "__call__", (np.zeros((2, 5, 6), np.float32), X[..., :2])),
    (lambda: losses.GaussianNLL(), "__call__", (X, X[..., :2])),
    (lambda: losses.StudentTNLL(), "__call__", (np.zeros((2, 5, 6), np.float32), X[..., :2])),
    (lambda: losses.NegativeBinomialNLL(), "vjp", (X, np.abs(X[..., :2]))),
    (lambda: losses.PoissonNLL(), "__call__", (X, np.abs(X))),
    (lambda: losses.MSE(), "count", ((2, 5, 4), X)),
    (lambda: pyrnn.CRF(3), "__call__", (LOGITS, TAGS)),
    (lambda: pyrnn.CRF(3), "decode", (LOGITS,)),
    (lambda: pyrnn.CRF(3), "marginals", (LOGITS,)),
    (lambda: metrics.Accuracy(), "update", (LOGITS, TAGS)),
    (lambda: metrics.F1("macro"), "update", (LOGITS, TAGS)),
    (lambda: metrics.Perplexity(), "update", (LOGITS, TAGS)),
    *((lambda cls=cls: cls(), "update", (X, X)) for cls in (metrics.MAE, metrics.RMSE)),
    (lambda: metrics.MASE(), "update", (X, X)),
    (lambda: optim.SGD(), "step", (tagger,)),
    (lambda: optim.SGD(), "load_state_dict", ({},)),
    (lambda: optim.OnPlateau(optim.SGD()), "step", (1.0,)),
    (lambda: optim.OnPlateau(optim.SGD()), "load_state_dict", ({},)),
    (lambda: optim.Cosine(optim.SGD(), 3), "load_state_dict", ({},)),
    (lambda: optim.EMA(tagger()), "load_state_dict", ({},)),
    (trainer, "fit", (X, TAGS)),
    (trainer, "evaluate", (X, TAGS)),
    (trainer, "predict", (X,)),
    *((lambda: pyrnn.trace(tagger(), X[:1]), name, (1,)) for name in ("explain", "back_from")),
    (lambda: pyrnn.trace(tagger(), X[:1]), "influence", ()),
    (lambda: pyrnn.trace(tagger(), X[:1]), "html", ("page.html",)),
    (lambda: pyrnn.Vocabulary(["a"]), "id", ("a",)),
    (lambda: pyrnn.Vocabulary(["a"]), "encode", (["a"],)),
    (lambda: pyrnn.Vocabulary(["a"]), "decode", ([1],)),
    (pyrnn.Vocabulary, "build", ([["a"]],)),
]


BASES = {"Module", "Pullback", "Loss", "LossPullback", "Metric", "Optimizer", "Schedule"}
# Users make none.
MADE_BY_OTHERS = {"Stream", "SequentialStream", "History", "Summary", "LearningRateCurve"}
MADE_BY_OTHERS |= {"LayerTrace", "Trace", "TraceTable"}
ALIASES = {  # what messages call an argument, or that of the part that is given it
    "state": "state|h0|c0",
    "dropout": "dropout|p",
    "x_t": "x|x_t",
    "modules": "module",
    "named": "module",
    "memory_lengths": "memory_lengths|lengths",
    "memory_mask": "memory_mask|mask",
    "resume": "resume|checkpoint",  # which it needs
    "y": "y|logits|target",  # which has to fit y
    "y_shape": "y_shape|y",
    "checkpoint_every": "checkpoint_every|checkpoint",
    "args": ".*",
}


def public(namespace):
    """The callables that a namespace offers."""
    named = {n: o for n, o in vars(namespace).items() if n[0] != "_" and callable(o)}
    return {n: o for n, o in named.items() if n in getattr(namespace, "__all__", named)}


def cases():
    """(name, what gives the callable, its parameters, values of the first of them)."""
    for namespace in (pyrnn, losses, metrics, optim, init):
        for name, made in public(namespace).items():
            source = made.__init__ if isinstance(made, type) else made
            if name in BASES | MADE_BY_OTHERS or source is object.__init__:
                continue
            try:
                signature = inspect.signature(source)
            except ValueError:  # a function of the core without arguments
                continue
            parameters = [p for p in signature.parameters.values() if p.name != "self"]
            yield name, lambda made=made: made, parameters, REQUIRED.get(name, ())
    for make, method, given in METHODS:
        parameters = list(inspect.signature(getattr(make(), method)).parameters.values())
        owner = make if isinstance(make, type) else type(make())
        yield (
            f"{owner.__name__}.{method}",
            lambda m=make, n=method: getattr(m(), n),
            parameters,
            given,
        )


def every_argument():
    for name, make, parameters, given in cases():
        for place, parameter in enumerate(parameters):
            yield pytest.param(name, make, parameters, given, place, id=f"{name}-{parameter.name}")


def call(name, function, parameters, given, place, bad):
    """Calls with good values of what is needed, and a bad one."""
    needed = {
        **OPTIONAL.get(name, {}),
        **dict(zip([p.name for p in parameters], given, strict=False)),
    }
    values = {n: value() if callable(value) else value for n, value in needed.items()}
    parameter = parameters[place]
    if parameter.kind == parameter.VAR_KEYWORD:
        return function(**values | {parameter.name: bad})
    if parameter.kind == parameter.VAR_POSITIONAL:
        return function(bad)
    if parameters[0].kind == parameter.VAR_POSITIONAL:
        return function(pyrnn.Tanh(), **{parameter.name: bad})
    return function(**values | {parameter.name: bad})


@pytest.mark.parametrize(("name", "make", "parameters", "given", "place"), list(every_argument()))
def test_bad_value(name, make, parameters, given, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argument = parameters[place].name
    loads = argument == "mapping" and name == "LSTM.load_state_dict"
    is_path = loads or "path" in (argument, name) or argument == "checkpoint" or name == "load"
    assert not complaints(
        lambda bad: call(name, make(), parameters, given, place, bad),
        ALIASES.get(argument, argument),
        also=(OSError,) if is_path else (),
    )
