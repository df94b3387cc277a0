"""Promise: a call computes with what the weights are at that moment, whatever changed them.

Each way of changing weights acts on a layer of torch's and on one of pyrnn's with the same weights;
then both give the same, in inference and in training.
"""

import copy
import gc
import importlib

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")
pt = pytest.importorskip("pyrnn.torch")
nn, functional_call = torch.nn, torch.func.functional_call

DTYPE = torch.float64
OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "foreach": True}),
    ("SGD", {"lr": 0.1, "fused": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "foreach": False}),
    ("Adam", {"lr": 0.1, "foreach": True}),
    ("Adam", {"lr": 0.1, "fused": True}),
    ("AdamW", {"lr": 0.1, "amsgrad": True}),
    ("RMSprop", {"lr": 0.1}),
]
MODULES = {
    "RNN": lambda lib: lib.RNN(3, 5, dtype=DTYPE),
    "LSTM": lambda lib: lib.LSTM(3, 5, 2, bidirectional=True, dtype=DTYPE),
    "GRU": lambda lib: lib.GRU(3, 5, dtype=DTYPE),
    "LSTMCell": lambda lib: lib.LSTMCell(3, 5, dtype=DTYPE),
}


@pytest.fixture(params=MODULES)
def pair(request):
    """A module of torch's and one of pyrnn's with the same weights."""
    return make_pair(request.param)


def make_pair(name):
    theirs, ours = MODULES[name](nn), MODULES[name](pt)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def first(result):
    """A tensor of a module's result."""
    return result if isinstance(result, torch.Tensor) else first(result[0])


def value_of(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=DTYPE)


def arguments(module):
    """An input and a state, of the module's dtype."""
    states = module.num_layers * (1 + module.bidirectional) if isinstance(module, nn.RNNBase) else 0
    rows, of_state = ((6, 4), (states, 4)) if states else ((4,), (4,))
    dtype = next(module.parameters()).dtype
    x = value_of((*rows, 3), 0).to(dtype).requires_grad_()
    h = value_of((*of_state, 5), 1).to(dtype)
    return x, (h, h.cos()) if isinstance(module, nn.LSTM | nn.LSTMCell) else h


def results(module):
    """Outputs in inference, then outputs and gradients of training, twice each."""
    x, hx = arguments(module)
    found = []
    for _ in range(2):  # the second from what was kept
        with torch.no_grad():
            found.append(first(module(x, hx)))
        y = first(module(x, hx))
        module.zero_grad()
        x.grad = None
        y.sin().sum().backward()
        found += [y.detach(), x.grad.clone()]
        found += [p.grad.clone() for p in module.parameters() if p.grad is not None]
    return found


def assert_same(pair):
    theirs, ours = pair
    single = next(ours.parameters()).dtype == torch.float32
    close = {"rtol": 2e-4, "atol": 2e-5} if single else {"rtol": 1e-9, "atol": 1e-11}
    torch.testing.assert_close(results(ours), results(theirs), **close)


def assert_follows(pair, change):
    """Both layers change alike, and the output with them, several times over."""
    assert_same(pair)
    for _ in range(3):
        before = results(pair[0])[0]
        for module in pair:
            change(module)
        assert_same(pair)
        assert not torch.equal(results(pair[0])[0], before)


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_optimizers(pair, name, options):
    steppers = {
        module: getattr(torch.optim, name)(module.parameters(), **options) for module in pair
    }
    assert_follows(pair, lambda module: steppers[module].step())


def others(module):
    """Other weights, the same for modules of the same weights."""
    return {name: p.detach().flip(0) * -1.1 for name, p in module.named_parameters()}


def of_each(change):
    """A way that changes each parameter by itself."""

    def run(module):
        for name, value in others(module).items():
            change(getattr(module, name), value)

    return run


def set_data(parameter, value):
    parameter.data = value


def set_numpy(parameter, value):
    parameter.data.numpy()[:] = value.numpy()


def set_storage(parameter, value):
    parameter.untyped_storage().copy_(value.contiguous().untyped_storage())


@torch.no_grad()
def set_no_grad(parameter, value):
    parameter.copy_(value)


@torch.no_grad()
def set_whole(parameter, value):
    parameter.set_(value)


def one_number(module):
    """The least change: one number of the last weight, unseen by autograd."""
    [*module.parameters()][-1].data.view(-1)[-1] += 1.0


def two_numbers(module):
    """The same numbers in another order."""
    weight = module.get_parameter(next(iter(others(module)))).detach().numpy()
    weight[0, 0] += 1
    weight[[0, 1]] = weight[[1, 0]]


def new_parameters(module):
    for name, value in others(module).items():
        setattr(module, name, nn.Parameter(value))


def swap_tensors(module):
    module._flat_weight_refs = []  # torch swaps no tensor that has weak references
    for name, value in others(module).items():
        torch.utils.swap_tensors(module.get_parameter(name), nn.Parameter(value))
    if isinstance(module, nn.RNNBase):
        module._init_flat_weights()


def to_empty(module):
    values = others(module)
    module.to_empty(device="cpu")
    module.load_state_dict(values)


def through_meta(module):
    values = others(module)
    module.to("meta")
    module.load_state_dict(values, assign=True)


def as_vector(module):
    vector = nn.utils.parameters_to_vector(module.parameters()).detach()
    nn.utils.vector_to_parameters(-1.1 * vector.flip(0), module.parameters())


def moved(module):
    """To float32 and, with other weights, back."""
    module.float()
    set_and_compute = of_each(set_no_grad)
    set_and_compute(module)
    results(module)
    module.double()


@torch.inference_mode()
def in_inference_mode(module):
    of_each(set_no_grad)(module)


def by_init(module):
    for name, parameter in module.named_parameters():
        torch.manual_seed(len(name) + int(1e6 * parameter.mean().abs()))
        nn.init.normal_(parameter, std=0.5)


def reset(module):
    torch.manual_seed(int(1e6 * next(module.parameters()).mean().abs()))
    module.reset_parameters()


WAYS = {
    "load_state_dict": lambda m: m.load_state_dict(others(m)),
    "load_state_dict, assign": lambda m: m.load_state_dict(others(m), assign=True),
    "copy_ in no_grad": of_each(set_no_grad),
    "copy_ in inference_mode": in_inference_mode,
    "data.copy_": of_each(lambda p, value: p.data.copy_(value)),
    "data.lerp_": of_each(lambda p, value: p.data.lerp_(value, 0.3)),
    "data = ": of_each(set_data),
    "data.numpy()": of_each(set_numpy),
    "untyped_storage": of_each(set_storage),
    "set_": of_each(set_whole),
    "one number": one_number,
    "two numbers": two_numbers,
    "new parameters": new_parameters,
    "swap_tensors": swap_tensors,
    "to_empty": to_empty,
    "to meta": through_meta,
    "float, double": moved,
    "vector_to_parameters": as_vector,
    "nn.init": by_init,
    "reset_parameters": reset,
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_of_setting_weights(pair, way):
    assert_follows(pair, WAYS[way])


def test_weights_in_float32(pair):
    for module in pair:
        module.float()
    assert_follows(pair, of_each(set_numpy))


def orthogonal(module):
    return nn.utils.parametrizations.orthogonal(module, weight_of(module))


def new_weight_norm(module):
    return nn.utils.parametrizations.weight_norm(module, weight_of(module))


def old_weight_norm(module):
    return nn.utils.weight_norm(module, weight_of(module))


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("late", [False, True])  # is the layer given to pyrnn after that?
@pytest.mark.parametrize("norm", [orthogonal, new_weight_norm, old_weight_norm])
@pytest.mark.parametrize("name", MODULES)
def test_computed_weights(name, norm, late):
    theirs, ours = make_pair(name)
    if late:
        ours = copy.deepcopy(theirs)
    for module in (theirs, ours):
        torch.manual_seed(1)
        norm(module)
    if late:
        assert len(pt.replace_rnns(ours).replaced) == 1
    pair = theirs, ours
    assert isinstance(ours, getattr(pt, name))
    steppers = {m: torch.optim.SGD(m.parameters(), lr=0.1) for m in pair}
    assert_follows(pair, lambda module: steppers[module].step())
    if norm is not orthogonal:  # its parameters are not free
        assert_follows(pair, lambda m: [p.data.mul_(1.1).add_(0.1) for p in m.parameters()])
    if norm is not old_weight_norm:
        for module in pair:
            nn.utils.parametrize.remove_parametrizations(module, weight_of(module))
        assert_follows(pair, one_number)
        assert type(ours) is getattr(pt, name)
        pt.restore_rnns(ours)
        assert type(ours) is type(theirs)


def weight_of(module):
    return "weight_hh" if isinstance(module, nn.RNNCellBase) else "weight_hh_l0"


def test_functional_call(pair):
    """With the module's weights, others, and the module's again."""
    for change in (dict, others, dict):
        found = []
        for module in pair:
            weights = dict(module.named_parameters())
            if change is others:
                weights = {k: v.requires_grad_() for k, v in others(module).items()}
            y = first(functional_call(module, weights, arguments(module)))
            found.append([y, *torch.autograd.grad(y.sin().sum(), [*weights.values()])])
        torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-11)


def test_shared_parameters():
    """Two layers share a weight and differ in others: each change is seen by both."""

    def tied(lib):
        torch.manual_seed(0)
        layers = nn.ModuleList([lib.GRU(3, 5, dtype=DTYPE) for _ in range(2)])
        layers[1].weight_ih_l0 = layers[0].weight_ih_l0
        return layers

    pair = tied(nn), tied(pt)
    assert len([*pair[1].parameters()]) == 7

    def check():
        for i in range(2):
            assert_same([layers[i] for layers in pair])

    check()
    for change in (one_number, of_each(set_numpy), of_each(set_data)):
        for layers in pair:
            change(layers[0])
        check()


def test_two_layers_that_share_all_weights():
    pair = make_pair("GRU")
    twin = pt.GRU(3, 5, dtype=DTYPE)
    for name, parameter in pair[1].named_parameters():
        setattr(twin, name, parameter)
    assert_follows(pair, of_each(set_numpy))
    assert_same((pair[0], twin))


def test_weights_that_are_tensors_of_inference_mode():
    """Such tensors have no version."""
    x = value_of((6, 4, 3), 0)
    with torch.inference_mode():
        theirs, ours = make_pair("GRU")
        for change in (of_each(set_numpy), of_each(set_no_grad), one_number):
            torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=1e-9, atol=1e-11)
            change(theirs)
            change(ours)
        torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=1e-9, atol=1e-11)


def test_weights_in_an_array():
    """A parameter over numpy's memory, which is then written."""
    pair = make_pair("GRU")
    array = pair[0].weight_hh_l0.detach().numpy().copy()
    for module in pair:
        module.weight_hh_l0 = nn.Parameter(torch.from_numpy(array))
    for _ in range(3):
        assert_same(pair)
        array[:] = array[::-1] * 1.1
    assert_same(pair)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_weights_that_another_process_writes(pair):
    theirs, ours = pair
    ours.share_memory()
    assert_same(pair)
    writer = torch.multiprocessing.get_context("fork").Process(target=one_number, args=(ours,))
    writer.start()
    writer.join(60)
    assert writer.exitcode == 0
    one_number(theirs)
    assert_same(pair)


def test_what_was_kept_goes_with_the_weights():
    kept = importlib.import_module("pyrnn.torch._weights").CACHE
    gc.collect()  # what other tests left
    layers = [pt.GRU(3, 5, dtype=DTYPE) for _ in range(2)]
    before = len(kept)
    for layer in layers:
        results(layer)
    assert len(kept) == before + 2
    of_each(set_data)(layers[0])
    assert len(kept) == before + 1
    del layers, layer
    gc.collect()
    assert len(kept) == before


def test_weights_that_change_before_the_backward_pass(pair):
    """torch's own error: the gradient would be that of other weights."""
    for module in pair:
        y = first(module(*arguments(module)))
        of_each(set_no_grad)(module)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()
        assert all(p.grad is None for p in module.parameters())
