"""Promise: Parameter, Module and the parts without recurrence keep their contract."""

import copy
import pickle

import numpy as np
import pytest

import pyrnn
from compare import assert_same_bits


class TestParameter:
    def test_data_is_a_read_only_view_of_a_private_copy(self):
        source = np.ones((2, 3), np.float32)
        p = pyrnn.Parameter(source)
        source[...] = 7
        assert (p.data == 1).all() and (p.shape, p.size, p.ndim) == ((2, 3), 6, 2)
        with pytest.raises(ValueError, match="read-only"):
            p.data[0, 0] = 5
        view = p.data
        p[...] = 2
        assert (view == 2).all() and np.asarray(p) is not None and len(p) == 2

    def test_outside_of_a_forward_it_is_an_array_to_numpy(self):
        p, a = pyrnn.Parameter(np.array([1.0, 2.0])), np.array([1.0, 3.0])
        for found, wanted in (
            (a == p, [True, False]),
            (np.exp(p), np.exp([1.0, 2.0])),
            (a + p, [2.0, 5.0]),
            (p * 2.0, [2.0, 4.0]),
            (p.sum(), 3.0),
            (np.add.reduce(p), 3.0),
            (np.concatenate([p, a]), [1.0, 2.0, 1.0, 3.0]),
        ):
            np.testing.assert_array_equal(found, wanted)
        a += p
        assert a.tolist() == [2.0, 5.0] and p.data.tolist() == [1.0, 2.0]
        with pytest.raises(TypeError, match="Parameter: numpy does not write it"):
            np.add(a, a, out=p)

    def test_every_write_raises_the_version(self):
        p = pyrnn.Parameter(np.zeros((2, 3)))
        seen = [p.version]
        p[...] = 1
        seen.append(p.version)
        p[0, 1:] = np.float32(2)
        seen.append(p.version)
        with p.writing() as array:
            array += 1
        seen.append(p.version)
        assert seen == sorted(set(seen))
        assert_same_bits(p.data, np.array([[2.0, 3.0, 3.0], [2.0, 2.0, 2.0]]))

    @pytest.mark.parametrize("value", [1j, "x", None, np.ma.ones(3), [[1.0, 2.0], [3.0]]])
    def test_bad_values_change_nothing(self, value):
        p = pyrnn.Parameter(np.zeros((2, 3), np.float32))
        with pytest.raises((TypeError, ValueError)):
            p[...] = value
        assert not p.data.any()

    def test_shapes_broadcast_and_are_checked(self):
        p = pyrnn.Parameter(np.zeros((2, 3), np.float32))
        p[...] = [1, 2, 3]
        assert (p.data == [[1, 2, 3]] * 2).all()
        with pytest.raises(ValueError, match=r"\(2, 3\)"):
            p[...] = np.zeros((3, 2), np.float32)

    def test_grad(self):
        p = pyrnn.Parameter(np.zeros((2, 3), np.float32))
        assert not p.grad.any() and p.grad.dtype == np.float32
        p.grad += 1
        p.zero_grad()
        assert not p.grad.any()
        p.grad = np.ones((2, 3), np.float32)
        with pytest.raises(ValueError, match=r"\(3, 2\)"):
            p.grad = np.ones((3, 2), np.float32)
        with pytest.raises(TypeError, match="float64"):
            p.grad = np.ones((2, 3))

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
    def test_copies_are_independent(self, copied):
        p = pyrnn.Parameter(np.ones((2, 3), np.float32))
        q = copied(p)
        p[...] = 5
        assert (q.data == 1).all() and q.dtype == np.float32

    @pytest.mark.parametrize("array", [np.zeros(3, int), np.zeros(3, "f2"), "x", None, [1j]])
    def test_only_floats(self, array):
        with pytest.raises(TypeError):
            pyrnn.Parameter(array)


class TestModule:
    def model(self):
        return pyrnn.Sequential(
            pyrnn.Embedding(5, 3, seed=0), pyrnn.GRU(3, 4, seed=1), pyrnn.Linear(4, 2, seed=2)
        )

    def test_names_are_dotted_and_ordered(self):
        names = [n for n, _ in self.model().named_parameters()]
        gru = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
        assert names == ["0.weight", *(f"1.{n}" for n in gru), "2.weight", "2.bias"]

    def test_shared_parameters_are_one(self):
        model = self.model()
        model2 = pyrnn.Sequential(pyrnn.Embedding(5, 3, seed=0), pyrnn.Linear(3, 5, bias=False))
        parts = list(model2.modules())
        tied = next(m for m in parts if isinstance(m, pyrnn.Linear))
        tied.weight = next(m for m in parts if isinstance(m, pyrnn.Embedding)).weight
        assert len(model2.parameters()) == 1 and len(model.parameters()) == 7
        y, pullback = model2.vjp(np.array([[1]]))[0][0], model2.vjp(np.array([[1]]))[1]
        pullback(np.ones_like(y))
        one, table = np.zeros((5, 3), np.float32), tied.weight.data
        one[1] += table.sum(axis=0)  # through the lookup
        one += table[1]  # through the product
        np.testing.assert_allclose(tied.weight.grad, one, rtol=1e-5)

    def test_state_dict_round_trip(self):
        model, other = self.model(), self.model()
        for p in other.parameters():
            p[...] = 0
        state = model.state_dict()
        other.load_state_dict(state)
        assert_same_bits(other.state_dict(), state)
        state["0.weight"][...] = 9  # a copy
        assert not (model.state_dict()["0.weight"] == 9).any()

    def test_load_lists_every_problem_and_changes_nothing(self):
        model = self.model()
        before, state = model.state_dict(), model.state_dict()
        del state["0.weight"]
        state["extra"] = np.zeros(1, np.float32)
        state["2.bias"] = np.zeros(3, np.float32)
        state["2.weight"] = state["2.weight"] + 1
        with pytest.raises(ValueError) as error:
            model.load_state_dict(state)
        for word in ("missing '0.weight'", "unexpected 'extra'", "'2.bias'", "(3,)", "(2,)"):
            assert word in str(error.value)
        assert_same_bits(model.state_dict(), before)

    @pytest.mark.parametrize(
        "lay_out", [np.asfortranarray, lambda a: np.repeat(a, 2, -1)[..., ::2]]
    )
    def test_load_takes_any_strides(self, lay_out):
        model, other = self.model(), self.model()
        for p in other.parameters():
            p[...] = 0
        other.load_state_dict({k: lay_out(v) for k, v in model.state_dict().items()})
        assert_same_bits(other.state_dict(), model.state_dict())

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
    def test_copies_compute_the_same_and_are_independent(self, copied):
        model, ids = self.model(), np.array([[1, 2], [3, 4]])
        expected, twin = model(ids), copied(model)
        for p in model.parameters():
            p[...] = 0
        assert_same_bits(twin(ids), expected)
        (y, _), pullback = twin.vjp(ids)
        pullback(y)
        assert all(p.grad.any() for p in twin.parameters())

    def test_seed_decides_the_weights(self):
        def weights(seed):
            return pyrnn.LSTM(3, 4, seed=seed).state_dict()

        assert_same_bits(weights(5), weights(5))
        assert not np.array_equal(weights(5)["weight_ih_l0"], weights(6)["weight_ih_l0"])
        assert not np.array_equal(weights(None)["weight_ih_l0"], weights(None)["weight_ih_l0"])

    def test_default_weights_are_torchs_uniform(self):
        for p in pyrnn.GRU(50, 100, seed=0).parameters():
            assert np.abs(p.data).max() <= 0.1 and np.abs(p.data).max() > 0.09
            assert abs(p.data.std() - 0.1 / np.sqrt(3)) < 0.01

    def test_config_builds_the_same_module(self):
        for module in (*self.model().modules(), pyrnn.LSTM(3, 4, num_layers=2, proj_size=2)):
            if not isinstance(module, pyrnn.Sequential):
                twin = type(module)(**module.config())
                assert repr(twin) == repr(module) and twin.config() == module.config()

    def test_num_parameters(self):
        assert pyrnn.LSTM(10, 20, seed=0).num_parameters() == 4 * 20 * (10 + 20 + 2)
        assert pyrnn.RNN(1, 3, bias=False, seed=0).num_parameters() == 3 + 9

    def test_a_module_of_ones_own(self):
        """Attributes that are Parameters or Modules are parts, in the order of assignment."""

        class Scaled(pyrnn.Module):
            def __init__(self):
                self.scale = pyrnn.Parameter(np.ones(1, np.float32))
                self.inner = pyrnn.Linear(2, 2, seed=0)
                self.words = ["not", "a", "part"]

        module = Scaled()
        names = [n for n, _ in module.named_parameters()]
        assert names == ["scale", "inner.weight", "inner.bias"]
        assert list(module.modules()) == [module, module.inner]


def modules_with_parameters():
    wide = {"seed": 0, "dtype": np.float64}
    x = np.random.default_rng(0).standard_normal((4, 3, 2))
    yield pyrnn.Linear(2, 3, **wide), x
    yield pyrnn.GRU(2, 3, **wide), x
    yield pyrnn.Embedding(4, 3, **wide), np.array([[0, 1], [3, 3]])
    yield pyrnn.Sequential(pyrnn.LSTM(2, 3, **wide), pyrnn.Linear(3, 2, **wide)), x


def ids(value):
    return type(value).__name__ if isinstance(value, pyrnn.Module) else ""


@pytest.mark.parametrize(("module", "x"), list(modules_with_parameters()), ids=ids)
class TestPullback:
    def vjp(self, module, x):
        out, pullback = module.vjp(x)
        y = out[0] if isinstance(out, tuple) else out
        return y, pullback

    def test_works_once(self, module, x):
        y, pullback = self.vjp(module, x)
        pullback(y)
        with pytest.raises(RuntimeError, match=r"used|once|before"):
            pullback(y)

    def test_refuses_after_a_parameter_was_written(self, module, x):
        y, pullback = self.vjp(module, x)
        p = module.parameters()[-1]
        p[...] = p.data
        with pytest.raises(RuntimeError, match="written"):
            pullback(y)

    def test_a_bad_gradient_leaves_everything_and_may_be_corrected(self, module, x):
        module.zero_grad()
        y, pullback = self.vjp(module, x)
        for bad, error in ((y[:1], ValueError), (y.astype("f4"), TypeError), ("x", TypeError)):
            with pytest.raises(error, match=r"dy|y"):
                pullback(bad)
        assert not any(p.grad.any() for p in module.parameters())
        pullback(y)
        assert all(p.grad.any() for p in module.parameters())


class TestPartsOfASequential:
    """model[i] is a part, model[a:b] a Sequential of the same parts."""

    def make(self, batch_first):
        parts = pyrnn.GRU(3, 4, seed=0), pyrnn.Tanh(), pyrnn.Linear(4, 2, seed=1)
        return pyrnn.Sequential(*parts, batch_first=batch_first)

    @pytest.mark.parametrize("batch_first", [True, False])
    def test_slices_one_after_the_other_are_the_model(self, batch_first):
        model, x = self.make(batch_first), np.ones((2, 5, 3), np.float32)
        front, back = model[:2], model[2:]
        assert [*front, *back] == [*model] and front.batch_first is batch_first
        assert_same_bits(back(front(x)), model(x))

    def test_a_slice_shares_the_parameters(self):
        model = self.make(True)
        head = model[-1:]
        head[0].bias[...] = 7.0
        assert (model[2].bias.data == 7.0).all()
        assert head.parameters() == model[-1].parameters()

    def test_a_slice_may_have_a_step(self):
        model = self.make(True)
        assert [*model[::-2]] == [model[2], model[0]]

    @pytest.mark.parametrize(
        ("i", "error", "text"),
        [
            (3, IndexError, "index is 3"),
            (-4, IndexError, "index is -4"),
            (slice(2, 2), IndexError, "none of 3 modules"),
            ("0", TypeError, "index is '0'"),
            (slice("a", None), TypeError, "index is of type slice"),
            (1.0, TypeError, "index is 1.0"),
        ],
    )
    def test_other_indices_are_refused(self, i, error, text):
        with pytest.raises(error, match=text):
            self.make(True)[i]
