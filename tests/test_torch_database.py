"""Promise: the samples by which torch tests its recurrent layers and cells hold for pyrnn's.

They are those of torch's module database: forward passes, gradients, contiguity, errors. Left out
of what torch does with them: second derivatives, which pyrnn.torch refuses; other devices and
half precision, as well; memory formats, which are of images. The database has PackedSequences for
RNN and GRU alone: LSTM takes those of GRU. The texts of errors are pyrnn's own, so that only types
are compared.
"""

import copy
import warnings

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")
pt = pytest.importorskip("pyrnn.torch")
pytest.importorskip("expecttest", reason="expecttest, of torch's tests, is not installed")
rnn = torch.nn.utils.rnn

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")  # torch's
NAMES = ["RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"]
DTYPES = [torch.float32, torch.float64]
CLOSE = {
    torch.float32: {"rtol": 2e-4, "atol": 2e-5},
    torch.float64: {"rtol": 1e-10, "atol": 1e-12},
}


@pytest.fixture(scope="module")
def database():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own imports
        from torch.testing._internal import common_modules
    return common_modules


def asked(database, kind, name, dtype, training=True, **options):
    """One of the lists of a module's samples."""
    torch.manual_seed(0)
    (info,) = [i for i in database.module_db if i.module_cls is getattr(torch.nn, name)]
    given = {"device": "cpu", "dtype": dtype, "requires_grad": True, "training": training}
    return list(getattr(info, kind)(info, **given, **options))


def samples(database, name, dtype, training=True):
    """All samples, with those of PackedSequences."""
    found = asked(database, "module_inputs_func", name, dtype, training)
    if not name.endswith("Cell"):
        of = "GRU" if name == "LSTM" else name
        packed = {"with_packed_sequence": True}
        more = asked(database, "module_inputs_func", of, dtype, training, **packed)
        found += [s for s in more if is_packed(s)]
    return found


def is_packed(sample):
    return isinstance(sample.forward_input.args[0], rnn.PackedSequence)


def build(lib, name, sample, dtype, training=True):
    torch.manual_seed(1)
    given = sample.constructor_input
    return getattr(lib, name)(*given.args, **given.kwargs, dtype=dtype).train(training)


def leaves(value):
    """The tensors in arguments or results."""
    if isinstance(value, rnn.PackedSequence):
        return [value.data]
    if isinstance(value, torch.Tensor):
        return [value]
    return [tensor for part in value for tensor in leaves(part)]


def computed(module, arguments):
    """Results, and the gradients of all arguments and parameters."""
    result = leaves(module(*arguments))
    inputs = [t for t in leaves(arguments) if t.requires_grad] + list(module.parameters())
    loss = sum((part * (n + 1)).sin().sum() for n, part in enumerate(result))
    return [*result, *torch.autograd.grad(loss, inputs)]


def without_order(tensor):
    """The same numbers at other strides."""
    other = torch.empty(*tensor.shape, 2, dtype=tensor.dtype)[..., 1]
    return other.copy_(tensor.detach()).requires_grad_()


def strided(value):
    """Arguments at other strides, as torch's own test of contiguity makes them."""
    if isinstance(value, rnn.PackedSequence):
        return rnn.PackedSequence(without_order(value.data), *value[1:])
    return without_order(value) if isinstance(value, torch.Tensor) else tuple(map(strided, value))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients(database, name, dtype, training):
    found = samples(database, name, dtype, training)
    packed = sum(map(is_packed, found))
    expected = {"RNN": (64, 32), "GRU": (32, 16), "LSTM": (48, 16), "RNNCell": (3, 0)}
    assert (len(found), packed) >= expected.get(name, (2, 0))
    for sample in found:
        theirs, ours = (build(lib, name, sample, dtype, training) for lib in (torch.nn, pt))
        for of_theirs, of_ours in zip(theirs.parameters(), ours.parameters(), strict=True):
            assert torch.equal(of_theirs, of_ours)
        arguments = sample.forward_input.args
        wanted = computed(theirs, arguments)
        torch.testing.assert_close(computed(ours, arguments), wanted, **CLOSE[dtype])
        torch.testing.assert_close(computed(ours, strided(arguments)), wanted, **CLOSE[dtype])
        if sample.reference_fn is not None and not is_packed(sample):
            with torch.no_grad():
                reference = sample.reference_fn(ours, *arguments)
            assert all(map(torch.equal, leaves(ours(*arguments)), leaves(reference)))


@pytest.mark.parametrize("name", NAMES)
def test_gradients_by_differences(database, name):
    for sample in samples(database, name, torch.float64):
        module = build(pt, name, sample, torch.float64)
        arguments = sample.forward_input.args
        names = [name for name, _ in module.named_parameters()]
        inputs = leaves(arguments)

        def output(*tensors, module=module, names=names, arguments=arguments, inputs=inputs):
            given = iter(tensors[: len(inputs)])
            weights = dict(zip(names, tensors[len(inputs) :], strict=True))
            call = [filled(argument, given) for argument in arguments]
            return tuple(leaves(torch.func.functional_call(module, weights, tuple(call))))

        assert torch.autograd.gradcheck(output, (*inputs, *module.parameters()))


def filled(value, tensors):
    """Arguments with other tensors in their place."""
    if isinstance(value, rnn.PackedSequence):
        return rnn.PackedSequence(next(tensors), *value[1:])
    if isinstance(value, torch.Tensor):
        return next(tensors)
    return tuple(filled(part, tensors) for part in value)


@pytest.mark.parametrize("name", NAMES)
def test_a_module_as_an_object(database, name):
    """What torch tests of the object: repr, copies, state_dict, dtype, gradients set to zero."""
    for sample in samples(database, name, torch.float32):
        theirs, ours = (build(lib, name, sample, torch.float32) for lib in (torch.nn, pt))
        assert repr(ours) == repr(theirs)
        arguments = sample.forward_input.args
        expected = leaves(ours(*arguments))
        copied = copy.deepcopy(ours)
        assert all(map(torch.equal, leaves(copied(*arguments)), expected))
        empty = build(pt, name, sample, torch.float32).to_empty(device="cpu")
        empty.load_state_dict(theirs.state_dict())
        assert all(map(torch.equal, leaves(empty(*arguments)), expected))
        ours.double().float()
        assert all(map(torch.equal, leaves(ours(*arguments)), expected))
        sum(part.sum() for part in leaves(ours(*arguments))).backward()
        ours.zero_grad()
        assert all(parameter.grad is None for parameter in ours.parameters())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_types_of_errors(database, name, dtype):
    found = asked(database, "module_error_inputs_func", name, dtype)
    assert len(found) >= (4 if name.endswith("Cell") else 14)
    for error in found:
        sample = error.module_error_input
        given = sample.constructor_input
        for lib in (torch.nn, pt):
            at_call = error.error_on == database.ModuleErrorEnum.FORWARD_ERROR
            with pytest.raises(error.error_type) as caught:
                module = getattr(lib, name)(*given.args, **given.kwargs)
                at_call = at_call and bool(module.to(dtype))
                module(*sample.forward_input.args)
            assert type(caught.value) is error.error_type
