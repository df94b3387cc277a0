"""Promise: layers, losses and optimizers give torch's numbers, where torch is installed.

200 random settings of the recurrent layers, all outputs and gradients: float64 within 1e-10 of the
largest entry, float32 within 3e-5. relu's float32 gradients are compared by norm, since single
entries flip where rounding crosses the kink.
"""

import numpy as np
import pytest

import pyrnn
from cases import Case

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")

TORCH_LAYERS = {
    "rnn_tanh": (torch.nn.RNN, {"nonlinearity": "tanh"}),
    "rnn_relu": (torch.nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (torch.nn.LSTM, {}),
    "gru": (torch.nn.GRU, {}),
}
DTYPES = ("float64", "float32")

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")


def random_case(seed, dtype):
    rng = np.random.default_rng([seed, 11])
    cell, hidden_size = str(rng.choice(list(TORCH_LAYERS))), int(rng.integers(2, 70))
    projected = cell == "lstm" and rng.random() < 0.4
    return Case(
        cell,
        input_size=int(rng.integers(1, 70)),
        hidden_size=hidden_size,
        num_layers=int(rng.integers(1, 4)),
        bidirectional=bool(rng.integers(2)),
        bias=bool(rng.integers(2)),
        proj_size=int(rng.integers(1, hidden_size)) if projected else 0,
        batch_first=bool(rng.integers(2)),
        dtype=dtype,
        T=int(rng.integers(1, 25)),
        B=int(rng.integers(1, 20)),
        lengths=str(rng.choice(["none", "ragged"])),
        state=bool(rng.integers(2)),
        seed=seed,
    )


def torch_layer(problem):
    case, (cls, options) = problem.case, TORCH_LAYERS[problem.case.cell]
    names = ("num_layers", "bias", "bidirectional", "batch_first")
    options = {**options, **{name: getattr(case, name) for name in names}}
    if case.proj_size:
        options["proj_size"] = case.proj_size
    dtype = getattr(torch, case.dtype)
    layer = cls(case.input_size, case.hidden_size, dtype=dtype, **options)
    layer.load_state_dict({k: torch.tensor(p.data) for k, p in problem.layer.named_parameters()})
    return layer


def from_torch(problem):
    """Outputs and gradients of torch's layer, in the names and layout of Problem.training()."""
    layer, case = torch_layer(problem), problem.case
    inputs = {"x": problem.x, "h0": problem.h0, "c0": problem.c0}
    inputs = {k: torch.tensor(a, requires_grad=True) for k, a in inputs.items() if a is not None}
    x = inputs["x"].transpose(0, 1) if case.batch_first else inputs["x"]
    state = (inputs["h0"], inputs["c0"]) if "c0" in inputs else inputs.get("h0")
    if problem.lengths is None:
        y, state = layer(x, state)
    else:
        rnn = torch.nn.utils.rnn
        options = {"batch_first": case.batch_first}
        lengths = torch.tensor(problem.lengths)
        packed = rnn.pack_padded_sequence(x, lengths, enforce_sorted=False, **options)
        y, state = layer(packed, state)
        y, _ = rnn.pad_packed_sequence(y, total_length=case.T, **options)
    y = y.transpose(0, 1) if case.batch_first else y
    states = dict(zip(("hn", "cn"), state if problem.has_c else (state,), strict=False))
    sent = [problem.d_y, problem.d_hn, problem.d_cn][: 1 + len(states)]
    torch.autograd.backward([y, *states.values()], [torch.tensor(a) for a in sent])
    outputs = {k: v.detach().numpy() for k, v in {"y": y, **states}.items()}
    gradients = {f"d_{k}": v.grad.numpy() for k, v in inputs.items()}
    return outputs, gradients | {k: p.grad.numpy() for k, p in layer.named_parameters()}


def assert_within(actual, expected, bound, by_norm=False):
    largest = max(np.abs(e).max(initial=0) for e in expected.values())
    for name, e in expected.items():
        difference = actual[name].astype(np.float64) - e
        if by_norm:
            norm = np.linalg.norm(e)
            assert np.linalg.norm(difference) <= bound * max(norm, bound * largest), name
        else:
            assert np.abs(difference).max(initial=0) <= bound * largest, name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(200))
def test_random_settings(seed, dtype):
    case = random_case(seed, dtype)
    problem = case.problem()
    outputs, gradients = from_torch(problem)
    bound = 1e-10 if dtype == "float64" else 3e-5
    assert_within(problem.inference(), outputs, bound)
    actual, actual_gradients = problem.training()
    assert_within(actual, outputs, bound)
    if case.cell == "rnn_relu" and dtype == "float32":
        assert_within(actual_gradients, gradients, 1e-2, by_norm=True)
    else:
        assert_within(actual_gradients, gradients, bound)


def merged_by_torch(problem):
    """Two layers with merged directions: one of torch's per layer, its halves merged."""
    case, weights = problem.case, problem.layer.state_dict()
    x = y = torch.tensor(problem.x, requires_grad=True)
    for k in range(2):
        layer = torch.nn.LSTM(y.shape[2], case.hidden_size, bidirectional=True, dtype=x.dtype)
        names = [name for name, _ in layer.named_parameters()]
        layer.load_state_dict({n: torch.tensor(weights[n.replace("_l0", f"_l{k}")]) for n in names})
        a, b = layer(y)[0].chunk(2, dim=2)
        y = {"sum": a + b, "mul": a * b, "average": (a + b) / 2}[case.merge]
    y.backward(torch.tensor(problem.d_y))
    return {"y": y.detach().numpy(), "d_x": x.grad.numpy()}


@pytest.mark.parametrize("merge", ["sum", "mul", "average"])
def test_merged_directions(merge):
    options = {"num_layers": 2, "bidirectional": True, "state": False, "merge": merge}
    problem = Case("lstm", 7, 20, T=11, B=6, **options).problem()
    outputs, gradients = problem.training(("y",))
    actual = {"y": outputs["y"], "d_x": gradients["d_x"]}
    assert_within(actual, merged_by_torch(problem), 1e-10)


def test_cells_of_every_step():
    """torch.nn.LSTM keeps them to itself, torch.nn.LSTMCell does not."""
    problem = Case("lstm", 7, 20, T=11, B=6, cells=True).problem()
    cell = torch.nn.LSTMCell(7, 20, dtype=torch.float64)
    weights = problem.layer.state_dict()
    cell.load_state_dict({n.removesuffix("_l0"): torch.tensor(w) for n, w in weights.items()})
    x = torch.tensor(problem.x, requires_grad=True)
    state, cells = (torch.tensor(problem.h0[0]), torch.tensor(problem.c0[0])), []
    for x_t in x:
        state = cell(x_t, state)
        cells.append(state[1])
    torch.stack(cells).backward(torch.tensor(problem.d_cells))
    outputs, gradients = problem.training(("cells",))
    expected = {"cells": torch.stack(cells).detach().numpy(), "d_x": x.grad.numpy()}
    actual = {"cells": outputs["cells"], "d_x": gradients["d_x"]}
    assert_within(actual, expected, 1e-10)
    theirs = {f"{n}_l0": p.grad.numpy() for n, p in cell.named_parameters()}
    assert_within({n: gradients[n] for n in theirs}, theirs, 1e-10)


@pytest.mark.parametrize("lengths", [None, (6, 2, 4)])
@pytest.mark.parametrize("name", list(TORCH_LAYERS))
def test_reverse_direction_is_that_of_torchs_bidirectional_layer(name, lengths):
    problem = Case(name, bidirectional=True, batch_first=True, T=6, B=3).any_problem()
    theirs, rnn, options = torch_layer(problem), torch.nn.utils.rnn, TORCH_LAYERS[name][1]
    reverse = type(problem.layer)(5, 6, direction="reverse", dtype=np.float64, **options)
    reverse.load_state_dict(
        {n.removesuffix("_reverse"): p for n, p in theirs.state_dict().items() if "reverse" in n}
    )
    x = torch.tensor(problem.x.swapaxes(0, 1).copy(), requires_grad=True)
    given = x if lengths is None else rnn.pack_padded_sequence(x, lengths, True, False)
    y, _ = theirs(given)
    y = y if lengths is None else rnn.pad_packed_sequence(y, batch_first=True)[0]
    y[..., 6:].square().sum().backward()
    (actual, _), pullback = reverse.vjp(x.detach().numpy(), lengths=lengths)
    dx, _ = pullback(2 * actual)
    expected = {"y": y[..., 6:].detach().numpy(), "dx": x.grad.numpy()}
    assert_within({"y": actual, "dx": dx}, expected, 1e-10)


@pytest.mark.parametrize("name", list(TORCH_LAYERS))
def test_parameters_have_torchs_names_shapes_and_order(name):
    case = Case(name, num_layers=2, bidirectional=True, proj_size=2 * (name == "lstm"))
    problem = case.problem()
    theirs = [(n, tuple(p.shape)) for n, p in torch_layer(problem).named_parameters()]
    assert [(n, p.shape) for n, p in problem.layer.named_parameters()] == theirs


OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01, "betas": (0.8, 0.95), "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.9, "momentum": 0.8, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01}),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=str)
def test_optimizers_step_for_step(name, options, rng):
    shapes = [(3, 7), (33,), (1,)]
    ours = [pyrnn.Parameter(rng.standard_normal(s)) for s in shapes]
    theirs = [torch.tensor(p.data, requires_grad=True) for p in ours]
    optimizer = getattr(pyrnn.optim, name)(**options)
    torch_optimizer = getattr(torch.optim, name)(theirs, **options)
    for step in range(20):
        for p, q in zip(ours, theirs, strict=True):
            p.grad[...] = rng.standard_normal(p.shape)
            q.grad = torch.tensor(p.grad)
        optimizer.step(ours)
        torch_optimizer.step()
        for p, q in zip(ours, theirs, strict=True):
            message = f"step {step}"
            np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-11, err_msg=message)


def test_clipping(rng):
    ours = [pyrnn.Parameter(np.zeros(s)) for s in [(3, 7), (33,)]]
    theirs = [torch.zeros(p.shape, dtype=torch.float64) for p in ours]
    for p, q in zip(ours, theirs, strict=True):
        p.grad[...] = rng.standard_normal(p.shape)
        q.grad = torch.tensor(p.grad)
    norm = pyrnn.optim.clip_grad_norm(ours, 1.5)
    assert norm == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs, 1.5).item(), rel=1e-14)
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-13)


LOSSES = {
    "CrossEntropy": (lambda: pyrnn.losses.CrossEntropy(ignore_index=2), "cross_entropy"),
    "BCEWithLogits": (pyrnn.losses.BCEWithLogits, "binary_cross_entropy_with_logits"),
    "MSE": (pyrnn.losses.MSE, "mse_loss"),
}


@pytest.mark.parametrize("scale", [1, 100])
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, scale, rng):
    make, function = LOSSES[name]
    y = scale * rng.standard_normal((9, 5))
    classes = name == "CrossEntropy"
    target = rng.integers(0, 5, 9) if classes else rng.random(y.shape)
    value, pullback = make().vjp(y, target)
    y_torch = torch.tensor(y, requires_grad=True)
    options = {"ignore_index": 2} if classes else {}
    loss = getattr(torch.nn.functional, function)(y_torch, torch.tensor(target), **options)
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=1e-12)
    assert_within({"d_y": pullback()}, {"d_y": y_torch.grad.numpy()}, 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dense_layers(dtype, rng):
    linear = pyrnn.Linear(17, 33, seed=0, dtype=np.dtype(dtype))
    x, dy = (rng.standard_normal(s).astype(dtype) for s in ((6, 5, 17), (6, 5, 33)))
    y, pullback = linear.vjp(x)
    d_x = pullback(dy)
    theirs = torch.nn.Linear(17, 33, dtype=getattr(torch, dtype))
    theirs.load_state_dict({k: torch.tensor(p.data) for k, p in linear.named_parameters()})
    x_torch = torch.tensor(x, requires_grad=True)
    y_torch = theirs(x_torch)
    y_torch.backward(torch.tensor(dy))
    bound = 1e-10 if dtype == "float64" else 3e-5
    assert_within({"y": y}, {"y": y_torch.detach().numpy()}, bound)
    expected = {k: p.grad.numpy() for k, p in theirs.named_parameters()}
    actual = {k: p.grad for k, p in linear.named_parameters()}
    assert_within(actual | {"d_x": d_x}, expected | {"d_x": x_torch.grad.numpy()}, bound)
