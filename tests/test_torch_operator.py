"""Promise: the operator passes torch's checks, torch.compile and torch.export, in flat memory."""

import gc
import resource

import pytest

import pyrnn

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")
pt = pytest.importorskip("pyrnn.torch")
pack = torch.nn.utils.rnn.pack_padded_sequence

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),  # of torch's own imports
    pytest.mark.filterwarnings("ignore:.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*:UserWarning"),
]
T, B, F, H = 6, 3, 5, 7
LAYERS = {
    "RNN": (pt.RNN, {}),
    "LSTM": (pt.LSTM, {"num_layers": 2, "proj_size": 3}),
    "LSTM, options": (pt.LSTM, {"layer_norm": True, "peephole": True, "zoneout": 0.2}),
    "GRU": (pt.GRU, {"bidirectional": True}),
    "GRU, reset before": (pt.GRU, {"reset_after": False}),
}
FORMS = ["padded", "state", "lengths", "packed", "resets", "dropped", "inference"]


@pytest.fixture(autouse=True)
def fresh():
    torch.manual_seed(0)
    yield
    if hasattr(torch, "_dynamo"):
        torch._dynamo.reset()


def arguments(layer, form):
    """The operator's arguments for a call of a layer."""
    x, h0, c0, lengths, batch_sizes, resets, key, rows = torch.randn(T, B, F), *(None,) * 6, B
    if form == "state":
        states, width = layer.num_layers * (1 + layer.bidirectional), layer.proj_size or H
        h0 = torch.randn(states, B, width, requires_grad=True)
        c0 = torch.randn(states, B, H, requires_grad=True) if layer._has_c else None
    elif form == "lengths":
        lengths = torch.tensor([6, 0, 4])
    elif form == "packed":
        x, batch_sizes, *_ = pack(x, torch.tensor([6, 4, 1]))
    elif form == "resets":
        resets = torch.rand(T, B) < 0.3
    elif form == "dropped":
        key = torch.tensor([3, 4])
    x.requires_grad = form != "inference"
    weights = [w.detach().requires_grad_(form != "inference") for w in layer._weights()]
    text = layer._text("float32", 0.0)
    given = (x, h0, c0, weights, lengths, batch_sizes, resets, key, text, rows)
    return (*given, False, form != "inference")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", LAYERS)
def test_torchs_own_checks(name, form):
    make, options = LAYERS[name]
    layer = make(F, H, **options)
    torch.library.opcheck(torch.ops.pyrnn.recurrent.default, arguments(layer, form))


def gradients(layer, call, x):
    """What a call gives, and all gradients."""
    layer.zero_grad()
    y = call(x)
    y = y[0] if isinstance(y, tuple) else y
    y.square().sum().backward()
    return [y.detach(), *(parameter.grad.clone() for parameter in layer.parameters())]


@pytest.mark.parametrize("name", LAYERS)
def test_compile_whole(name):
    """Dynamo takes subclasses of torch's recurrent layers only with allow_rnn."""
    make, options = LAYERS[name]
    layer = make(F, H, **{k: v for k, v in options.items() if k != "zoneout"})
    x = torch.randn(T, B, F)
    with torch._dynamo.config.patch(allow_rnn=True):
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
        found = gradients(layer, compiled, x)
    for a, b in zip(found, gradients(layer, layer, x), strict=True):
        assert torch.equal(a, b)


def test_compile_around_a_layer_and_of_a_cell():
    x = torch.randn(T, B, F)
    layer = torch.nn.Sequential(pt.GRU(F, H))
    broken = torch.compile(layer, backend="aot_eager")  # the graph breaks at the layer
    for a, b in zip(gradients(layer, broken, x), gradients(layer, layer, x), strict=True):
        assert torch.equal(a, b)
    cell = pt.LSTMCell(F, H)
    whole = torch.compile(cell, fullgraph=True, backend="aot_eager")
    for a, b in zip(gradients(cell, whole, x[0]), gradients(cell, cell, x[0]), strict=True):
        assert torch.equal(a, b)


def test_export_with_any_batch_and_length():
    layer = pt.LSTM(F, H, 2)
    dims = {0: torch.export.Dim("time"), 1: torch.export.Dim("batch")}
    program = torch.export.export(layer, (torch.randn(T, B, F),), dynamic_shapes=(dims,))
    for shape in ((T, B, F), (9, 4, F), (2, 11, F)):
        x = torch.randn(shape)
        assert torch.equal(program.module()(x)[0], layer(x)[0])


@pytest.mark.parametrize("backward", [False, True])
def test_memory_stays_flat(backward):
    layer, x = pt.LSTM(32, 64), torch.randn(50, 8, 32)  # 1 MB is saved in a call

    def run(count):
        for _ in range(count):
            y, _ = layer(x)
            if backward:
                layer.zero_grad()
                y.sum().backward()
        del y
        gc.collect()

    run(20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(1000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def test_threads_follow_torch_unless_told(monkeypatch):
    from pyrnn._base import runtime

    monkeypatch.setattr(runtime, "_default_threads", 4)
    monkeypatch.setattr(runtime, "_told", False)
    assert [runtime.num_threads_beside(n) for n in (1, 3, 9)] == [1, 3, 4]
    with pyrnn.threads(2):
        assert runtime.num_threads_beside(1) == 2
    pyrnn.set_num_threads(3)
    assert runtime.num_threads_beside(1) == 3
    monkeypatch.undo()


def test_an_error_in_backward_leaves_gradients_alone():
    layer, x = pt.GRU(F, H), torch.randn(T, B, F)
    layer(x)[0].sum().backward()
    before = [parameter.grad.clone() for parameter in layer.parameters()]
    y, _ = layer(x)
    with torch.no_grad():
        layer.weight_hh_l0.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    for parameter, gradient in zip(layer.parameters(), before, strict=True):
        assert torch.equal(parameter.grad, gradient)
