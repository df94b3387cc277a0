"""Promise: a call that is checked in C has the bits of the general way, or is left to it."""

import copy
import gc
import pickle

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")
pt = pytest.importorskip("pyrnn.torch")
from pyrnn.torch._arrays import LIBRARY  # noqa: E402

pytestmark = pytest.mark.skipif(
    not LIBRARY.offers_views, reason="this torch has no exchange API: every call is a general one"
)
T, B, F, H = 4, 3, 5, 7
LAYERS = {
    "RNN": lambda: pt.RNN(F, H),
    "RNN, relu, one column": lambda: pt.RNN(1, H, nonlinearity="relu", bias=False),
    "LSTM": lambda: pt.LSTM(F, H),
    "LSTM, batch_first": lambda: pt.LSTM(F, H, batch_first=True),
    "LSTM, two of two": lambda: pt.LSTM(F, H, 2, bidirectional=True),
    "LSTM, projection": lambda: pt.LSTM(F, H, 2, proj_size=3, batch_first=True),
    "LSTM, options": lambda: pt.LSTM(F, H, layer_norm=True, peephole=True, zoneout=0.1),
    "LSTM, dropout": lambda: pt.LSTM(F, H, 2, dropout=0.5),
    "GRU, float64": lambda: pt.GRU(F, H, dtype=torch.float64),
    "GRU, reverse": lambda: pt.GRU(F, H, direction="reverse", reset_after=False, bias="single"),
    "GRU, merged": lambda: pt.GRU(F, H, bidirectional=True, merge="sum"),
}
CELLS = {
    "RNNCell": lambda: pt.RNNCell(F, H),
    "LSTMCell": lambda: pt.LSTMCell(F, H, layer_norm=True),
    "GRUCell": lambda: pt.GRUCell(F, H, dtype=torch.float64),
}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def make(name):
    return (LAYERS | CELLS)[name]().eval()


def input_of(layer, rows=B, steps=T):
    shape = [rows, layer.input_size]
    if isinstance(layer, torch.nn.RNNBase):
        shape.insert(layer.batch_first, steps)
    return torch.randn(*shape, dtype=next(layer.parameters()).dtype)


def parts(result):
    """The tensors of a result."""
    return [result] if torch.is_tensor(result) else [t for part in result for t in parts(part)]


def generally(layer, *args):
    """The same call without the one C function."""
    layer.__dict__["_at_once"] = lambda *_: None
    try:
        return layer(*args)
    finally:
        del layer.__dict__["_at_once"]


def assert_same_bits(found, expected):
    found, expected = parts(found), parts(expected)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype and a.stride() == b.stride() and not a.requires_grad
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
@torch.no_grad()
def test_bits_of_the_general_way(name):
    """Without a state and with one, also for inputs that are parts and transposed."""
    layer = make(name)
    x, state = input_of(layer), None
    for _ in range(3):
        found = layer._at_once(x, state)
        assert found is not None
        assert_same_bits(found, generally(layer, x, state))
        state = found if name in CELLS else found[1]
    for odd in (input_of(layer, 1), input_of(layer, 2 * B)[..., ::2, :], input_of(layer, 1, 1)):
        assert_same_bits(layer._at_once(odd, None), generally(layer, odd, None))
    rows = torch.randn(*x.shape[:-1], 2 * layer.input_size, dtype=x.dtype)[..., : layer.input_size]
    assert_same_bits(layer._at_once(rows, None), generally(layer, rows, None))


def gradients(run, layer, x, state):
    """The outputs, and the gradients of all that has some."""
    given = [x, *(() if state is None else parts(state))]
    wanted = [t.detach().clone().requires_grad_() for t in given]
    x, state = wanted[0], (None if state is None else wanted[1:])
    if state is not None and len(state) == 1:
        state = state[0]
    found = parts(run(layer, x, state))
    loss = sum((part.sin() * (n + 1)).sum() for n, part in enumerate(found))
    wanted = [*wanted, *layer.parameters()]
    return [part.detach() for part in found], torch.autograd.grad(loss, wanted)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_the_general_way(name):
    layer = make(name)
    x, state = input_of(layer), None
    for _ in range(2):
        found = gradients(lambda layer, *args: layer._at_once(*args), layer, x, state)
        expected = gradients(generally, layer, x, state)
        for a, b in zip(found, expected, strict=True):
            assert_same_bits(a, b)
        with torch.no_grad():
            state = layer(x)[1]


@pytest.mark.parametrize("name", CELLS)
def test_cells_have_gradients_by_the_general_way(name):
    layer = make(name)
    assert layer._at_once(input_of(layer), None) is None
    assert parts(layer(input_of(layer)))[0].requires_grad


@torch.no_grad()
def test_a_list_is_a_state_too():
    layer = make("LSTM")
    x = input_of(layer)
    _, state = layer(x)
    assert_same_bits(layer._at_once(x, list(state)), generally(layer, x, state))


def test_results_are_memory_of_their_own():
    layer = make("LSTM")
    x = [input_of(layer) for _ in range(5)]
    with torch.no_grad():
        found = [parts(layer._at_once(one, None)) for one in x]
        expected = [parts(generally(layer, one, None)) for one in x]
    del layer
    gc.collect()
    for a, b in zip(found, expected, strict=True):
        assert all(torch.equal(p, q) for p, q in zip(a, b, strict=True))
    y, h, c = found[0]
    h.fill_(3)
    assert torch.equal(y, expected[0][0]) and torch.equal(c, expected[0][2])
    assert y.untyped_storage().nbytes() == 4 * y.numel()
    y.add_(1).requires_grad_()
    y.sum().backward()
    assert torch.equal(y.grad, torch.ones_like(y))


def test_without_no_grad_if_nothing_wants_a_gradient():
    layer = make("GRU, float64").requires_grad_(False)
    x = input_of(layer)
    assert layer._at_once(x, None) is not None
    y, _ = layer._at_once(x.requires_grad_(), None)
    assert y.requires_grad
    with torch.inference_mode():
        assert_same_bits(layer._at_once(x, None), generally(layer, x, None))


class Labelled(torch.Tensor):
    pass


NOT_AT_ONCE = {
    "one sequence": lambda layer, x, state: (None, x[:, 0], None),
    "an array": lambda layer, x, state: (None, x.numpy(), state),
    "no tensor": lambda layer, x, state: (None, None, None),
    "other columns": lambda layer, x, state: (None, x[..., 1:], state),
    "columns apart": lambda layer, x, state: (
        None,
        x.transpose(0, 2).contiguous().transpose(0, 2),
        None,
    ),
    "another dtype": lambda layer, x, state: (None, x.double(), state),
    "no rows": lambda layer, x, state: (None, x[:, :0], None),
    "no steps": lambda layer, x, state: (None, x[:0], None),
    "a subclass": lambda layer, x, state: (None, x.as_subclass(Labelled), state),
    "no memory": lambda layer, x, state: (None, x.to("meta"), None),
    "sparse": lambda layer, x, state: (None, x.to_sparse(), None),
    "half a state": lambda layer, x, state: (None, x, state[:1]),
    "h alone": lambda layer, x, state: (None, x, state[0]),
    "a state of other rows": lambda layer, x, state: (None, x[:, 1:], state),
    "a state with gaps": lambda layer, x, state: (
        None,
        x,
        (state[0].mT.contiguous().mT, state[1]),
    ),
    "a packed sequence": lambda layer, x, state: (
        None,
        torch.nn.utils.rnn.pack_padded_sequence(x, [4, 2, 1]),
        state,
    ),
    "forward mode": lambda layer, x, state: (torch.autograd.forward_ad.dual_level(), x, state),
}


@pytest.mark.parametrize("why", NOT_AT_ONCE)
@torch.no_grad()
def test_left_to_the_general_way(why):
    layer = make("LSTM")
    x = input_of(layer)
    _, state = layer(x)
    context, given, hx = NOT_AT_ONCE[why](layer, x, state)
    if context is None:
        assert layer._at_once(given, hx) is None
        return
    assert layer._at_once(given, hx) is not None
    with context:
        assert layer._at_once(given, hx) is None


@torch.no_grad()
def test_masks_are_left_to_the_general_way():
    layer = make("LSTM, dropout")
    x = input_of(layer)
    assert layer._at_once(x, None) is not None
    layer.train()
    assert layer._at_once(x, None) is None
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert layer._at_once(x, None) is not None


@torch.no_grad()
def test_who_watches_is_asked():
    """A mode that sees operations, and a transform, get the operator."""
    from torch.utils._python_dispatch import TorchDispatchMode

    seen = []

    class Watching(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            seen.append(str(function))
            return function(*args, **(kwargs or {}))

    layer = make("LSTM")
    x = input_of(layer)
    layer(x)
    with Watching():
        layer(x)
    assert any("pyrnn.recurrent" in name for name in seen)
    with pytest.raises(NotImplementedError, match="vmap"):
        torch.vmap(lambda one: layer(one)[0])(x.unsqueeze(0))


@torch.no_grad()
def test_attributes_and_dtypes_that_change():
    layer = make("GRU, reverse")
    x = input_of(layer)
    layer(x)
    layer.batch_first = True
    assert_same_bits(layer._at_once(x, None), generally(layer, x, None))
    for dtype in (torch.float64, torch.float32):
        for parameter in layer.parameters():
            parameter.data = parameter.data.to(dtype)
        x = x.to(dtype)
        assert_same_bits(layer(x), generally(layer, x))
        assert layer._at_once(x, None) is not None


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
@pytest.mark.parametrize("name", ["LSTM", "GRUCell"])
@torch.no_grad()
def test_copies(name, copied):
    layer = make(name)
    x = input_of(layer)
    expected = layer(x)
    twin = copied(layer)
    for _ in range(2):
        assert_same_bits(twin(x), expected)
        assert twin._at_once(x, None) is not None


@torch.no_grad()
def test_weights_of_a_wrong_shape_are_refused():
    """Also where memory, version and contents are those that were packed."""
    layer = make("LSTM")
    x = input_of(layer)
    for _ in range(3):
        layer(x)
    weight = layer.weight_ih_l0
    weight.data = weight.data.view(F, 4 * H)
    with pytest.raises(ValueError, match="weights"):
        layer(x)
