"""Promise: pyrnn.torch's layers and cells are torch's in all but the computation.

Outputs, states and all gradients equal torch's to 1e-10 in float64, in every form of input.
"""

import doctest
import itertools

import numpy as np
import pytest

import pyrnn

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")
pt = pytest.importorskip("pyrnn.torch")
nn, rnn = torch.nn, torch.nn.utils.rnn

CLOSE = {"rtol": 1e-10, "atol": 1e-12}
FORMS = ["padded", "packed", "unbatched"]
OPTIONS = {
    "LSTM": [
        {"layer_norm": True, "peephole": True, "zoneout": 0.1, "recurrent_dropout": 0.1},
        {"coupled_gates": True, "bias": "single", "cell_clip": 0.3},
        {"bidirectional": True, "merge": "sum", "num_layers": 2, "dropout": 0.5},
        {"direction": "reverse", "zoneout_cell": 0.2, "proj_size": 3},
    ],
    "GRU": [{"layer_norm": True, "zoneout": 0.2}, {"reset_after": False}],
    "RNN": [{"nonlinearity": "relu", "recurrent_dropout": 0.3}, {"bias": False}],
}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def with_gradients(layer, form, x, hx):
    """Outputs, states and every gradient of one training step."""
    layer.zero_grad()
    x = x.clone().requires_grad_()
    hx = [part.clone().requires_grad_() for part in hx]
    given = x
    if form == "packed":
        given = rnn.pack_padded_sequence(
            x, [6, 2, 5, 1], batch_first=layer.batch_first, enforce_sorted=False
        )
    y, state = layer(given, tuple(hx) if len(hx) > 1 else hx[0])
    if form == "packed":
        assert isinstance(y, rnn.PackedSequence)
        y = y.data
    (y.sin().sum() + sum((part * part).sum() for part in parts(state))).backward()
    gradients = [x.grad, *(part.grad for part in hx), *(p.grad for p in layer.parameters())]
    return [y, *parts(state), *gradients]


def data(layer, form):
    """An input and a state for a layer."""
    shape = {"padded": (4, 6, 5), "packed": (4, 6, 5), "unbatched": (6, 5)}[form]
    x = torch.randn(shape, dtype=torch.float64)
    if form != "unbatched" and not layer.batch_first:
        x = x.transpose(0, 1).contiguous()
    states = layer.num_layers * (1 + layer.bidirectional)
    rows = () if form == "unbatched" else (4,)
    widths = [layer.proj_size or layer.hidden_size, layer.hidden_size]
    return x, [torch.randn(states, *rows, width, dtype=torch.float64) for width in widths]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_layer_is_torchs(name, bidirectional, form):
    choices = itertools.product((1, 2), (False, True), (True, False), (0, 3))
    for layers, batch_first, bias, proj_size in choices:
        if proj_size and name != "LSTM":
            continue
        options = {"num_layers": layers, "batch_first": batch_first, "bias": bias}
        options |= {"bidirectional": bidirectional, "dtype": torch.float64}
        options |= {"proj_size": proj_size} if proj_size else {}
        theirs = getattr(nn, name)(5, 7, **options)
        ours = getattr(pt, name)(5, 7, **options)
        assert isinstance(ours, getattr(nn, name))
        ours.load_state_dict(theirs.state_dict())
        x, hx = data(theirs, form)
        hx = hx if name == "LSTM" else hx[:1]
        expected = with_gradients(theirs, form, x, hx)
        for got, wanted in zip(with_gradients(ours, form, x, hx), expected, strict=True):
            assert got.shape == wanted.shape
            torch.testing.assert_close(got, wanted, **CLOSE)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [(4,), ()])
@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
def test_a_cell_is_torchs(name, rows, bias):
    theirs = getattr(nn, name)(5, 7, bias=bias, dtype=torch.float64)
    ours = getattr(pt, name)(5, 7, bias=bias, dtype=torch.float64)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(*rows, 5, dtype=torch.float64, requires_grad=True)
    h = torch.randn(*rows, 7, dtype=torch.float64)
    for hx in (None, (h, h.cos()) if name == "LSTMCell" else h):
        found = []
        for cell in (ours, theirs):
            state = parts(cell(x, hx))
            loss = sum(part.sin().sum() for part in state)
            found.append([*state, *torch.autograd.grad(loss, [x, *cell.parameters()])])
        for got, wanted in zip(*found, strict=True):
            assert got.shape == wanted.shape
            torch.testing.assert_close(got, wanted, **CLOSE)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("number", range(4))
def test_gradients_of_pyrnns_own_options(name, number):
    if number >= len(OPTIONS[name]):
        pytest.skip("there are fewer")
    layer = getattr(pt, name)(5, 4, dtype=torch.float64, **OPTIONS[name][number])
    names = [name for name, _ in layer.named_parameters()]

    def output(x, *weights):
        torch.manual_seed(3)  # the same masks each time
        y, state = torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x,))
        return y, *parts(state)

    x = torch.randn(3, 2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(output, (x, *layer.parameters()))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_that_of_pyrnns_layer(name, training):
    """Inference has the bits of pyrnn's own layer with the same weights."""
    for options in OPTIONS[name]:
        layer = getattr(pt, name)(5, 7, **options).train(training)
        own = {k: v for k, v in options.items() if k not in ("dropout",)}
        twin = getattr(pyrnn, name)(5, 7, batch_first=False, **own)
        twin.load_state_dict({k: v.detach().numpy() for k, v in layer.named_parameters()})
        x = torch.randn(6, 3, 5)
        y, expected = layer.eval()(x)[0], twin(x.numpy())[0]
        assert y.detach().numpy().tobytes() == np.ascontiguousarray(expected).tobytes()


@pytest.mark.parametrize("batch_first", [True, False])
def test_lengths_and_resets_are_pyrnns(batch_first):
    layer = pt.LSTM(5, 7, batch_first=batch_first, dtype=torch.float64)
    twin = pyrnn.LSTM(5, 7, batch_first=batch_first, dtype=np.float64)
    twin.load_state_dict({k: v.detach().numpy() for k, v in layer.named_parameters()})
    x = torch.randn(4, 6, 5, dtype=torch.float64)
    resets = torch.rand(4, 6) < 0.3
    if not batch_first:
        x, resets = x.transpose(0, 1), resets.T
    state = torch.randn(1, 4, 7, dtype=torch.float64), torch.randn(1, 4, 7, dtype=torch.float64)
    for reset_to in ("zero", "state"):
        given = {"lengths": [6, 2, 0, 5], "reset_to": reset_to}
        y, _ = layer(x, state, resets=resets, **given)
        layer.zero_grad()
        y.sin().sum().backward()
        (wanted, _), pullback = twin.vjp(
            x.numpy(), tuple(part.numpy() for part in state), resets=resets.numpy(), **given
        )
        twin.zero_grad()
        pullback(np.cos(wanted))
        assert np.array_equal(y.detach().numpy(), wanted)
        for name, parameter in layer.named_parameters():
            expected = dict(twin.named_parameters())[name].grad
            np.testing.assert_allclose(parameter.grad.numpy(), expected, rtol=1e-12, atol=1e-14)


def test_a_graph_that_is_kept_can_be_used_again():
    layer = pt.GRU(5, 7)
    x = torch.randn(6, 3, 5, requires_grad=True)
    y, _ = layer(x)
    first = torch.autograd.grad(y.sum(), x, retain_graph=True)[0]
    again = torch.autograd.grad(y.sum(), x)[0]
    assert torch.equal(first, again)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(y.sum(), x)


def test_frozen_weights_and_inputs_get_no_gradient():
    layer = pt.GRU(5, 7)
    for name, parameter in layer.named_parameters():
        parameter.requires_grad = name == "bias_hh_l0"
    layer(torch.randn(6, 3, 5))[0].sum().backward()
    assert [n for n, p in layer.named_parameters() if p.grad is not None] == ["bias_hh_l0"]
    for parameter in layer.parameters():
        parameter.requires_grad = False
    x = torch.randn(6, 3, 5, requires_grad=True)
    layer(x)[0].sum().backward()
    assert x.grad.abs().sum() > 0


def test_autocast_computes_in_the_dtype_of_the_weights():
    layer, x = pt.GRU(5, 7), torch.randn(6, 3, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, _ = layer(x.bfloat16())
    assert y.dtype == torch.float32
    assert torch.equal(y, layer(x.bfloat16().float())[0])


def test_dropout_follows_torchs_generator():
    layer, x = pt.LSTM(5, 7, 2, dropout=0.5), torch.randn(6, 3, 5)
    torch.manual_seed(1)
    first, other = layer(x)[0], layer(x)[0]
    torch.manual_seed(1)
    assert torch.equal(layer(x)[0], first) and not torch.equal(first, other)
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])


X = torch.zeros(6, 3, 5)
BAD = [
    (ValueError, "expected 2-D or 3-D", lambda m: m(torch.zeros(5))),
    (ValueError, "has dtype torch.float64", lambda m: m(X.double())),
    (ValueError, "has dtype torch.int64", lambda m: m(X.long())),
    (ValueError, "has dtype torch.complex64", lambda m: m(X.to(torch.complex64))),
    (RuntimeError, "input_size columns", lambda m: m(torch.zeros(6, 3, 4))),
    (TypeError, "expected a torch.Tensor", lambda m: m(np.zeros((6, 3, 5), np.float32))),
    (TypeError, r"expected a tuple \(h, c\)", lambda m: m(X, torch.zeros(1, 3, 7))),
    (RuntimeError, r"hx\[0\] has shape", lambda m: m(X, (torch.zeros(1, 2, 7),) * 2)),
    (RuntimeError, r"hx\[1\] has shape", lambda m: m(X, (X.new_zeros(1, 3, 7), X))),
    (ValueError, "lengths has shape", lambda m: m(X, lengths=[1, 2])),
    (ValueError, "expected 0 to T", lambda m: m(X, lengths=[1, 2, 9])),
    (TypeError, "expected integers", lambda m: m(X, lengths=[1.0, 2, 3])),
    (TypeError, "expected torch.bool", lambda m: m(X, resets=X[..., 0])),
    (ValueError, "resets has shape", lambda m: m(X, resets=torch.ones(3, 6, dtype=torch.bool))),
    (ValueError, "expected resets with it", lambda m: m(X, reset_to="state")),
    (ValueError, "model.float", lambda m: m.half()(X.half())),
    (ValueError, "model.float", lambda m: m.bfloat16()(X.bfloat16())),
]


@pytest.mark.parametrize(("error", "text", "call"), BAD)
def test_bad_arguments(error, text, call):
    with pytest.raises(error, match=text):
        call(pt.LSTM(5, 7))


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's own imports
def test_what_autograd_cannot_do():
    layer, x = pt.GRU(5, 7), torch.randn(6, 3, 5, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x)[0].sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="double backward"):
        (gradient.square().sum() + x.square().sum()).backward()
    assert x.grad is None
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x.detach(), torch.ones_like(x))
        with pytest.raises(NotImplementedError, match="forward-mode"):
            layer(dual)
    with pytest.raises(NotImplementedError, match=r"pyrnn\.torch"):
        torch.func.vmap(lambda row: layer(row)[0])(torch.randn(2, 6, 3, 5))
    with pytest.raises(NotImplementedError, match=r"pyrnn\.torch"):
        torch.func.grad(lambda row: layer(row)[0].sum())(x.detach())


@pytest.mark.parametrize("name", [n for n in vars(pt) if n[0] != "_"])
def test_examples(name):
    finder = doctest.DocTestFinder(recurse=False)
    (test,) = finder.find(getattr(pt, name), name, globs={"pyrnn": pyrnn}, module=False)
    assert test.examples, f"{name} has no example"
    assert doctest.DocTestRunner().run(test).failed == 0
