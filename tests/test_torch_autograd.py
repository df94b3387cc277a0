"""Promise: what torch does around a layer, it does with pyrnn's: autograd, compile, utilities.

Each way of computing is a function of a module; with pyrnn's it gives what it gives with torch's.
"""

import shutil

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")
pt = pytest.importorskip("pyrnn.torch")
nn, autograd = torch.nn, torch.autograd
prune = pytest.importorskip("torch.nn.utils.prune")
swa = pytest.importorskip("torch.optim.swa_utils")
checkpoint = pytest.importorskip("torch.utils.checkpoint").checkpoint

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),  # of torch's own imports
    pytest.mark.filterwarnings("ignore:.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Anomaly Detection:UserWarning"),
    pytest.mark.filterwarnings("ignore:Error detected in:UserWarning"),  # its report
]
CLOSE = {"rtol": 1e-10, "atol": 1e-12}
T, B, F, H = 6, 3, 5, 7
MODULES = {
    "RNN": lambda lib: lib.RNN(F, H, nonlinearity="relu"),
    "LSTM": lambda lib: lib.LSTM(F, H, 2, bidirectional=True, proj_size=3),
    "GRU": lambda lib: lib.GRU(F, H, 2),
    "LSTMCell": lambda lib: lib.LSTMCell(F, H),
    "GRUCell": lambda lib: lib.GRUCell(F, H),
}


def make(name, lib):
    torch.manual_seed(0)
    return MODULES[name](lib).double()


def data(module, steps=T, rows=B):
    """An input that requires a gradient."""
    shape = (steps, rows, F) if isinstance(module, nn.RNNBase) else (rows, F)
    generator = torch.Generator().manual_seed(steps)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def leaves(result):
    """The tensors of a module's result."""
    if isinstance(result, torch.Tensor):
        return [result]
    return [tensor for part in result for tensor in leaves(part)]


def loss_of(result):
    return sum((part.sin() * (n + 1)).sum() for n, part in enumerate(leaves(result)))


def parameters(module):
    return dict(sorted(module.named_parameters())).values()


def gradients(module, x, loss):
    """The loss and all gradients, by one backward pass."""
    module.zero_grad()
    x.grad = None
    loss.backward()
    return [loss.detach(), x.grad, *(p.grad.clone() for p in parameters(module))]


def checkpointed(use_reentrant):
    def run(module):
        x = data(module)
        first = checkpoint(lambda x: leaves(module(x))[0], x, use_reentrant=use_reentrant)
        return gradients(module, x, loss_of(first))

    return run


def saved_on_cpu(module):
    x = data(module)
    with autograd.graph.save_on_cpu():
        loss = loss_of(module(x))
    return gradients(module, x, loss)


def saved_as_lists(module):
    """Hooks that keep what is saved as Python's numbers, and see it only once."""

    def pack(tensor):
        return tensor.dtype, tensor.shape, tensor.reshape(-1).tolist()

    def unpack(packed):
        dtype, shape, values = packed
        return torch.tensor(values, dtype=dtype).reshape(shape)

    x = data(module)
    with autograd.graph.saved_tensors_hooks(pack, unpack):
        loss = loss_of(module(x))
    return gradients(module, x, loss)


def in_anomaly_mode(module):
    x = data(module)
    with autograd.detect_anomaly():
        found = gradients(module, x, loss_of(module(x)))
        with torch.no_grad():
            x[0, 0] = torch.nan
        with pytest.raises(RuntimeError, match="returned nan values"):
            leaves(module(x))[0].sum().backward()
    return found


def backward_twice(module):
    """Of one graph that is kept, with other gradients; then of another graph on top."""
    x = data(module)
    first, *others = leaves(module(x))
    module.zero_grad()
    first.backward(first.detach().cos(), retain_graph=True)
    loss_of(others or first).backward(retain_graph=True)
    first.backward(first.detach())
    loss_of(module(x)).backward()
    return [x.grad, *(p.grad for p in parameters(module))]


def with_hooks(module):
    """Hooks that change gradients, and an optimizer that steps inside of the backward pass."""
    x, seen = data(module), []
    handles = [p.register_hook(lambda gradient: gradient * 2) for p in parameters(module)]
    handles += [
        p.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.clone()))
        for p in parameters(module)
    ]
    handles.append(module.register_full_backward_hook(lambda _, dx, dy: (dx[0].abs(),)))
    handles.append(module.register_forward_hook(lambda _, given, result: result))
    tensors = leaves(module(x))
    tensors[0].register_hook(lambda gradient: gradient.clamp(-0.5, 0.5))
    tensors[0].retain_grad()
    found = gradients(module, x, loss_of(tensors))
    for handle in handles:
        handle.remove()
    assert len(seen) == len(parameters(module))
    return [*found, tensors[0].grad]


def truncated(module):
    """Backpropagation through two steps at a time."""
    module.zero_grad()
    state, x, losses = None, data(module, 8), []
    for part in x.detach().split(2) if x.dim() == 3 else [x.detach()] * 3:
        result = module(part, state)
        state = result if x.dim() == 2 else result[1]
        loss = loss_of(result)
        loss.backward()
        losses.append(loss.detach())
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
    return [*losses, *(p.grad for p in parameters(module))]


def of_some(module):
    """autograd.grad of single outputs, and of inputs that play no part."""
    x, other = data(module), data(module)
    found = []
    for tensor in leaves(module(x)):
        inputs = [x, other, *parameters(module)]
        of = tensor.sin().sum()
        dx, none, *rest = autograd.grad(of, inputs, retain_graph=True, allow_unused=True)
        assert none is None
        found += [dx, *(torch.zeros(()) if d is None else d for d in rest)]
        with pytest.raises(RuntimeError, match="not have been used"):
            autograd.grad(of, inputs, retain_graph=True)
    return found


def jacobian(module):
    x = data(module, 2, 2)
    pieces = autograd.functional.jacobian(lambda x: tuple(leaves(module(x))), x)
    value, product = autograd.functional.vjp(lambda x: leaves(module(x))[0].sum(), x)
    return [*pieces, value, product]


def without_gradients(module):
    x = data(module)
    with torch.no_grad():
        found = leaves(module(x))
    assert not any(tensor.requires_grad for tensor in found)
    with torch.inference_mode():
        inferred = leaves(module(x))
    assert all(tensor.is_inference() for tensor in inferred)
    with torch.set_grad_enabled(False):
        found += leaves(module.requires_grad_(False)(x))
    loss = loss_of(module.requires_grad_()(x))
    return [*found, *(tensor.clone() for tensor in inferred), *gradients(module, x, loss)]


def averaged(module):
    """An average of the weights that follows training, and computes itself."""
    x = data(module)
    ema = swa.AveragedModel(module, multi_avg_fn=swa.get_ema_multi_avg_fn(0.9))
    mean = swa.AveragedModel(module)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    found = []
    for _ in range(3):
        found += gradients(module, x, loss_of(module(x)))
        optimizer.step()
        ema.update_parameters(module)
        mean.update_parameters(module)
        with torch.no_grad():
            found += leaves(ema(x)) + leaves(mean(x))
    return found


def pruned(module):
    """A pruned weight is trained, looked at, and made a plain one again."""
    name = next(name for name in module._parameters if name.startswith("weight_hh"))
    prune.l1_unstructured(module, name, amount=0.4)
    optimizer, x, found = torch.optim.SGD(module.parameters(), lr=0.1), data(module), []
    for _ in range(2):
        found += gradients(module, x, loss_of(module(x)))
        optimizer.step()
    prune.remove(module, name)
    assert (getattr(module, name) == 0).sum() >= H
    return [*found, *leaves(module(x))]


def spectral_norm(module):
    name = next(name for name in module._parameters if name.startswith("weight_hh"))
    nn.utils.parametrizations.spectral_norm(module, name)
    x, found = data(module), []
    for training in (True, False, True):  # training takes a step of the power method
        module.train(training)
        with nn.utils.parametrize.cached():  # without, torch's layers take two steps in a call
            loss = loss_of(module(x))
        found += gradients(module, x, loss)
    return found


WAYS = {
    "checkpoint": checkpointed(False),
    "checkpoint, reentrant": checkpointed(True),
    "save_on_cpu": saved_on_cpu,
    "saved_tensors_hooks": saved_as_lists,
    "detect_anomaly": in_anomaly_mode,
    "two backward passes": backward_twice,
    "hooks": with_hooks,
    "truncated": truncated,
    "allow_unused": of_some,
    "jacobian": jacobian,
    "no_grad, inference_mode": without_gradients,
    "AveragedModel": averaged,
    "pruning": pruned,
    "spectral_norm": spectral_norm,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODULES)
def test_a_way_of_computing(name, way):
    theirs, ours = make(name, nn), make(name, pt)
    ours.load_state_dict(theirs.state_dict())
    found = []
    for module in (ours, theirs):
        torch.manual_seed(1)
        found.append(WAYS[way](module))
    torch.testing.assert_close(*found, **CLOSE)


@pytest.mark.parametrize("name", MODULES)
def test_symbolic_trace_with_layers_as_leaves(name):
    """Its own tracer goes into classes that are not torch's."""

    class Tracer(torch.fx.Tracer):
        def is_leaf_module(self, module, path):
            recurrent = isinstance(module, nn.RNNBase | nn.RNNCellBase)
            return recurrent or super().is_leaf_module(module, path)

    model = nn.Sequential(nn.Linear(F, F), make(name, pt)).double()
    traced, x = torch.fx.GraphModule(model, Tracer().trace(model)), data(model[1])
    found = gradients(traced, x, loss_of(traced(x)))
    torch.testing.assert_close(found, gradients(model, x, loss_of(model(x))), rtol=0, atol=0)
    with pytest.raises(TypeError, match="input is of type Proxy"):
        torch.fx.symbolic_trace(model)


@pytest.fixture
def compiled():
    """torch.compile of a module as a whole, and the number of graphs that were made."""
    dynamo = pytest.importorskip("torch._dynamo")
    testing = pytest.importorskip("torch._dynamo.testing")

    def run(module, backend, dynamic):
        counter = testing.CompileCounterWithBackend(backend)
        return torch.compile(module, backend=counter, dynamic=dynamic, fullgraph=True), counter

    dynamo.reset()
    with dynamo.config.patch(allow_rnn=True):  # without, the graph breaks at a layer
        yield run
    dynamo.reset()


class Between(nn.Module):
    """A layer between others, all of which a graph holds."""

    def __init__(self, layer, scale=1.0):
        super().__init__()
        self.before, self.layer, self.scale = nn.Linear(F, F).double(), layer, scale

    def forward(self, x):
        return [part * self.scale for part in leaves(self.layer(self.before(x)))]


SHAPES = [(6, 3), (4, 3), (9, 2), (5, 8)]


def assert_follows(model, call):
    """A compiled model gives what the model gives, in every shape."""
    for shape in SHAPES + SHAPES[:2]:
        x = data(model.layer, *shape)
        found = gradients(model, x, loss_of(call(x)))
        torch.testing.assert_close(found, gradients(model, x, loss_of(model(x))), **CLOSE)


@pytest.mark.parametrize("dynamic", [True, False, None])
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("name", ["LSTM", "GRU", "GRUCell"])
def test_compile_over_several_shapes(compiled, name, backend, dynamic):
    model = Between(make(name, pt))
    call, counter = compiled(model, backend, dynamic)
    assert_follows(model, call)
    shapes = {data(model.layer, *shape).shape for shape in SHAPES}
    if backend == "eager" and dynamic is not None:  # with symbols, one graph is enough for all
        assert counter.frame_count == (1 if dynamic else len(shapes))


def test_compile_where_sizes_of_modules_are_symbols(compiled):
    with torch._dynamo.config.patch(allow_unspec_int_on_nn_module=True):
        for name in ("LSTM", "GRUCell"):
            model = Between(make(name, pt))
            assert_follows(model, compiled(model, "aot_eager", True)[0])


OPTIONS = [
    {"num_layers": 2, "dropout": 0.3},
    {"zoneout": 0.1, "zoneout_cell": 0.2, "cell_clip": 0.3},
    {"layer_norm": True, "recurrent_dropout": 0.25, "direction": "reverse"},
]


@pytest.mark.parametrize("dynamic", [True, None])
def test_compile_of_layers_that_differ_in_numbers(compiled, dynamic):
    """A number of one layer is not held for that of another, nor for what it was before."""
    models = [Between(pt.LSTM(F, H, **options).double()) for options in OPTIONS]
    calls = [compiled(model, "aot_eager", dynamic)[0] for model in models]
    for change in (None, 0.0, 0.6):
        for model, call in zip(models, calls, strict=True):
            if change is not None and model.layer.num_layers == 2:
                model.layer.dropout = change
            x, found = data(model.layer), []
            for run in (call, model):
                torch.manual_seed(2)  # the same masks
                found.append(gradients(model, x, loss_of(run(x))))
            torch.testing.assert_close(*found, **CLOSE)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs g++")
@pytest.mark.filterwarnings("ignore::UserWarning")  # inductor's own
def test_compile_with_inductor(compiled):
    model = Between(make("GRU", pt))
    assert_follows(model, compiled(model, "inductor", True)[0])
