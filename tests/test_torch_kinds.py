"""Promise: tensors that are no plain memory give torch's own numbers, or are refused in words."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")
pt = pytest.importorskip("pyrnn.torch")

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),  # of torch's own imports
    pytest.mark.filterwarnings("ignore:.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*:UserWarning"),
]
T, B, F, H = 5, 3, 4, 6
KINDS = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture(params=KINDS)
def pair(request):
    """torch's layer and pyrnn's, of the same weights in float64."""
    theirs = KINDS[request.param](F, H, dtype=torch.float64)
    ours = torch.nn.ModuleList([copy.deepcopy(theirs)])
    pt.replace_rnns(ours)
    return theirs, ours[0]


def negated(tensor):
    """The same numbers in a tensor with the negative bit."""
    found = torch.complex(torch.zeros_like(tensor), -tensor).conj().imag
    assert found.is_neg() and torch.equal(found, tensor)
    return found


def state_of(layer, tensor):
    return (tensor, tensor) if isinstance(layer, torch.nn.LSTM) else tensor


def results(layer, x, state=None, dy=None):
    """y, the last state, and the gradients of the weights."""
    layer.zero_grad()
    y, last = layer(x, state)
    y.backward(torch.ones_like(y) if dy is None else dy)
    last = last if isinstance(last, tuple) else (last,)
    return [y, *last, *(parameter.grad for parameter in layer.parameters())]


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_the_negative_bit(pair):
    x, h, dy = (
        torch.randn(*shape, dtype=torch.float64) for shape in ((T, B, F), (1, B, H), (T, B, H))
    )
    for layer in pair:
        given = negated(x), state_of(layer, negated(h)), negated(dy)
        assert_same(results(layer, *given), results(layer, x, state_of(layer, h), dy))
    with torch.no_grad():
        assert torch.equal(pair[1](negated(x))[0], pair[1](x)[0])


def test_weights_with_the_negative_bit(pair):
    x = torch.randn(T, B, F, dtype=torch.float64)
    expected = results(pair[0], x)
    for name, parameter in list(pair[1].named_parameters()):
        setattr(pair[1], name, torch.nn.Parameter(negated(parameter.detach())))
    assert_same(results(pair[1], x), expected)


class Doubled(torch.Tensor):
    """A tensor that stands for twice the numbers in its memory."""

    @staticmethod
    def __new__(cls, data, requires_grad=False):
        return torch.Tensor._make_wrapper_subclass(
            cls, data.shape, dtype=data.dtype, strides=data.stride(), requires_grad=requires_grad
        )

    def __init__(self, data, requires_grad=False):
        self.data_ = data

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        def plain(value):
            return value.data_ * 2 if isinstance(value, Doubled) else value

        given = torch.utils._pytree.tree_map(plain, (args, kwargs or {}))
        return function(*given[0], **given[1])


def test_subclasses_are_asked(pair):
    """Where they stand: as x, as a state, as dy and as weights."""
    x, h, dy = (
        torch.randn(*shape, dtype=torch.float64) for shape in ((T, B, F), (1, B, H), (T, B, H))
    )
    _, ours = pair
    given = Doubled(x / 2), state_of(ours, Doubled(h / 2)), Doubled(dy / 2)
    expected = results(ours, x, state_of(ours, h), dy)
    assert_same(results(ours, *given), expected)
    weights = [Doubled(w.detach() / 2) for w in ours.parameters()]
    names = [name for name, _ in ours.named_parameters()]
    with torch.no_grad():
        called = torch.func.functional_call(ours, dict(zip(names, weights, strict=True)), (x,))
        assert torch.equal(called[0], ours(x)[0])


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # of the checks of shapes
def test_a_trace_computes(pair):
    """torch.jit.trace records the operator, not its result."""
    _, ours = pair
    ours.requires_grad_(False)
    x = torch.randn(T, B, F, dtype=torch.float64)
    traced = torch.jit.trace(ours, x, check_trace=False)
    assert "pyrnn::recurrent" in str(traced.inlined_graph)
    assert torch.equal(traced(2 * x)[0], ours(2 * x)[0])


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("grad", [False, True])
def test_a_trace_has_gradients(pair, grad):
    """Wherever it was made; torch's own check of a trace passes."""
    _, ours = pair
    x = torch.randn(T, B, F, dtype=torch.float64)
    expected = results(ours, 2 * x)
    with torch.set_grad_enabled(grad):
        traced = torch.jit.trace(ours, x)
    ours.zero_grad()
    y, _ = traced(2 * x)
    y.sum().backward()
    found = [y, *(parameter.grad for parameter in ours.parameters())]
    assert_same(found, [expected[0], *expected[-len(list(ours.parameters())) :]])


@pytest.mark.parametrize("requires_grad", [False, True])
def test_forward_mode_is_refused(pair, requires_grad):
    forward_ad, (_, ours) = torch.autograd.forward_ad, pair
    ours.requires_grad_(requires_grad)
    x = torch.randn(T, B, F, dtype=torch.float64)
    with forward_ad.dual_level():
        with pytest.raises(NotImplementedError, match="forward-mode AD"):
            ours(forward_ad.make_dual(x, torch.ones_like(x)))
        with pytest.raises(NotImplementedError, match="forward-mode AD"):
            ours(
                x, state_of(ours, forward_ad.make_dual(x[:1, :, :1], x[:1, :, :1]).expand(1, B, H))
            )
        ours(x)  # nothing has a tangent


def test_a_batch_of_gradients_is_refused(pair):
    _, ours = pair
    x = torch.randn(T, B, F, dtype=torch.float64, requires_grad=True)
    y, _ = ours(x)
    with pytest.raises(NotImplementedError, match="a batch of gradients"):
        torch.autograd.grad(y, x, torch.ones(2, *y.shape, dtype=y.dtype), is_grads_batched=True)
    with pytest.raises(NotImplementedError, match="restore_rnns"):
        torch.autograd.functional.jacobian(lambda x: ours(x)[0], x.detach(), vectorize=True)


def test_fake_weights_give_no_numbers(pair):
    """torch mixes real and fake tensors only where it is told to."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    _, ours = pair
    mode = FakeTensorMode()
    fake = {name: mode.from_tensor(w.detach()) for name, w in ours.named_parameters()}
    x = torch.randn(T, B, F, dtype=torch.float64)
    with pytest.raises(Exception, match=r"[Ff]ake"), torch.no_grad():
        torch.func.functional_call(ours, fake, (x,))
    with mode, torch.no_grad():
        y, _ = torch.func.functional_call(ours, fake, (mode.from_tensor(x),))
    assert y.shape == (T, B, H) and isinstance(y, torch._subclasses.fake_tensor.FakeTensor)


def test_weights_and_inputs_in_different_places(pair):
    _, ours = pair
    x = torch.randn(T, B, F, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="input is on meta, expected cpu"):
        ours(x.to("meta"))
    ours.weight_hh_l0 = torch.nn.Parameter(ours.weight_hh_l0.to("meta"))
    with pytest.raises(RuntimeError, match="weight_hh_l0 is on meta, expected cpu"):
        ours(x)
    ours.to_empty(device="meta")
    with pytest.raises(RuntimeError, match="input is on cpu, expected meta"):
        ours(x)
    assert ours(x.to("meta"))[0].shape == (T, B, H)


def test_weights_of_two_dtypes(pair):
    _, ours = pair
    ours.bias_ih_l0 = torch.nn.Parameter(ours.bias_ih_l0.float())
    with pytest.raises(ValueError, match=r"bias_ih_l0 has dtype torch.float32, expected .*64"):
        ours(torch.randn(T, B, F, dtype=torch.float64))


def test_memory_that_was_freed(pair):
    _, ours = pair
    x = torch.randn(T, B, F, dtype=torch.float64)
    freed = x.clone()
    freed.untyped_storage().resize_(0)
    with pytest.raises((ValueError, RuntimeError), match=r"memory|storage"):
        ours(freed)
    ours.weight_hh_l0.untyped_storage().resize_(0)
    with pytest.raises((ValueError, RuntimeError), match=r"memory|storage"):
        ours(x)


@pytest.mark.parametrize("convert", ["to_sparse", "to_mkldnn"])
def test_other_layouts_are_refused(pair, convert):
    _, ours = pair
    with pytest.raises(RuntimeError, match=r"input has layout .*to_dense\(\) converts it"):
        ours.float()(getattr(torch.randn(T, B, F), convert)())


def test_saved_tensors_that_come_back_elsewhere(pair):
    """A hook may unpack what is saved at any address."""

    def unaligned(tensor):
        memory = torch.empty(tensor.numel() + 1, dtype=tensor.dtype)[1:]
        return memory.view(tensor.shape).copy_(tensor)

    x = torch.randn(T, B, F, dtype=torch.float64)
    with torch.autograd.graph.saved_tensors_hooks(unaligned, lambda tensor: tensor):
        found = results(pair[1], x)
    assert_same(found, results(pair[0], x))


def test_saved_tensors_that_a_hook_keeps(pair):
    """Backward does not write to what somebody else may have."""
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        y, _ = pair[1](torch.randn(T, B, F, dtype=torch.float64))
    before = [tensor.clone() for tensor in kept]
    y.sum().backward()
    assert all(torch.equal(a, b) for a, b in zip(kept, before, strict=True))


@pytest.mark.parametrize("shape", [(0, B, F), (0, F)])
def test_no_steps_with_resets(pair, shape):
    y, _ = pair[1](torch.empty(shape, dtype=torch.float64), resets=torch.zeros(shape[:-1]).bool())
    assert y.shape == (*shape[:-1], H)


def test_a_default_device_without_memory():
    """Only new modules are made there; masks and lengths are read on the CPU."""
    layer = pt.LSTM(F, H, num_layers=2, dropout=0.5)
    x, resets = torch.randn(T, B, F), np.zeros((T, B), bool)
    with torch.device("meta"):
        y, _ = layer(x, lengths=[5, 3, 1], resets=resets)
    assert y.device.type == "cpu"


@pytest.mark.parametrize("name", ["lengths", "resets"])
def test_arrays_that_are_used_again(pair, name):
    """What a rollout's buffer holds at the backward pass does not matter."""
    given = {"lengths": np.array([5, 2, 4]), "resets": np.arange(T * B).reshape(T, B) % 4 == 0}[
        name
    ]
    x = torch.randn(T, B, F, dtype=torch.float64)
    found = []
    for later in (given.copy(), np.zeros_like(given) + 1):
        for written in (given.copy(), torch.from_numpy(given.copy())):
            pair[1].zero_grad()
            y, _ = pair[1](x, **{name: written})
            written[:] = written.new_tensor(later) if torch.is_tensor(written) else later
            y.sum().backward()
            found.append([parameter.grad for parameter in pair[1].parameters()])
    for gradients in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(gradients, found[0], strict=True))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"resets": torch.zeros(T, B)}, TypeError, r"expected torch.bool: resets.bool\(\)"),
        ({"resets": torch.zeros(B, T).bool()}, ValueError, r"\(3, 5\), expected \(5, 3\)"),
        ({"resets": "yes"}, TypeError, "resets is .*expected a tensor or an array of booleans"),
        (
            {"resets": [None] * T},
            TypeError,
            "resets is .*expected a tensor or an array of booleans",
        ),
        ({"lengths": "abc"}, TypeError, "lengths is .*expected a tensor or an array of integers"),
    ],
)
def test_bad_rows(arguments, error, text):
    with pytest.raises(error, match=text):
        pt.GRU(F, H)(torch.randn(T, B, F), **arguments)


def test_an_array_is_no_tensor():
    with pytest.raises(TypeError, match=r"input is .*torch.as_tensor converts"):
        pt.GRU(F, H)(np.zeros((T, B, F), np.float32))
