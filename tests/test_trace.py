"""Promise: a trace shows what the layers compute, to the bit, and the gradients of their states."""

from fractions import Fraction

import numpy as np
import pytest

import pyrnn

T, F, H = 7, 3, 5
LAYERS = {
    "rnn": lambda **o: pyrnn.RNN(F, H, seed=0, **o),
    "rnn relu": lambda **o: pyrnn.RNN(F, H, nonlinearity="relu", seed=0, **o),
    "lstm": lambda **o: pyrnn.LSTM(F, H, seed=0, **o),
    "gru": lambda **o: pyrnn.GRU(F, H, seed=0, **o),
    "gru before": lambda **o: pyrnn.GRU(F, H, reset_after=False, seed=0, **o),
}
OPTIONS = {
    "peephole": lambda **o: pyrnn.LSTM(F, H, peephole=True, seed=0, **o),
    "coupled": lambda **o: pyrnn.LSTM(F, H, coupled_gates=True, peephole=True, seed=0, **o),
    "clip": lambda **o: pyrnn.LSTM(F, H, cell_clip=0.1, seed=0, **o),
    "projection": lambda **o: pyrnn.LSTM(F, H, proj_size=2, seed=0, **o),
    "lstm norm": lambda **o: pyrnn.LSTM(F, H, layer_norm=True, peephole=True, seed=0, **o),
    "gru norm": lambda **o: pyrnn.GRU(F, H, layer_norm=True, seed=0, **o),
    "single bias": lambda **o: pyrnn.LSTM(F, H, bias="single", seed=0, **o),
    "no bias": lambda **o: pyrnn.GRU(F, H, bias=False, seed=0, **o),
}
SHAPES = {
    "one": {},
    "two layers": {"num_layers": 2},
    "two directions": {"num_layers": 2, "bidirectional": True},
    "reverse": {"direction": "reverse"},
    "mul": {"bidirectional": True, "merge": "mul"},
    "average": {"bidirectional": True, "merge": "average"},
    "sum": {"bidirectional": True, "merge": "sum"},
}


def sequence(dtype=np.float32):
    return np.random.default_rng(1).standard_normal((1, T, F)).astype(dtype)


def start_of(layer):
    """A state that is not zero."""
    rng = np.random.default_rng(2)
    rows = layer.num_layers * layer.num_directions
    state = [rng.standard_normal((rows, 1, layer.output_size)).astype(layer.dtype)]
    if len(layer.state_names) == 2:
        state.append(rng.standard_normal((rows, 1, H)).astype(layer.dtype))
        return tuple(state)
    return state[0]


def arrays_of(state):
    return state if isinstance(state, tuple) else (state,)


def top(trace, layer):
    """The outputs of the last layer, its directions merged."""
    hs = [one["h"] for one in trace.layers[-layer.num_directions :]]
    if len(hs) == 1 or layer.merge == "concat":
        return np.concatenate(hs, axis=1)
    return {"mul": hs[0] * hs[1], "sum": hs[0] + hs[1], "average": (hs[0] + hs[1]) / 2}[layer.merge]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", LAYERS | OPTIONS)
def test_states_are_the_layers_own(kind, shape):
    """h, c and y have the bits of a call, whatever the layer's shape and options."""
    layer = (LAYERS | OPTIONS)[kind](**SHAPES[shape])
    x, state = sequence(), start_of(layer)
    y, ends = layer(x, state)
    trace = pyrnn.trace(layer, x, state)
    assert np.array_equal(trace.y, y)
    assert np.array_equal(top(trace, layer), y[0])
    for name, end in zip("hc", arrays_of(ends), strict=False):
        for one, last in zip(trace.layers, end[:, 0], strict=True):
            assert np.array_equal(one[name][0 if one.reads_backwards else -1], last)


def once(a, b, c):
    """a * b + c of float32, rounded once."""
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    near = np.float32(float(exact))  # may have been rounded twice: compare with its neighbours
    around = [near, np.nextafter(near, np.float32(-9)), np.nextafter(near, np.float32(9))]
    return min(around, key=lambda v: (abs(Fraction(float(v)) - exact), v.view(np.int32) & 1))


fused = np.vectorize(once, otypes=[np.float32])


def test_gates_have_the_bits_that_make_the_states():
    """The states follow from the gates without the last bit's difference."""
    x = sequence()
    lstm = pyrnn.trace(pyrnn.LSTM(F, H, seed=0), x)[0]
    assert np.array_equal(lstm["c"], fused(lstm["f"], lstm["c_before"], lstm["i"] * lstm["g"]))
    assert np.array_equal(lstm["h"], lstm["o"] * pyrnn.Tanh()(lstm["c"]))
    gru = pyrnn.trace(pyrnn.GRU(F, H, seed=0), x)[0]
    z, n, before = gru["z"], gru["n"], gru["h_before"]
    assert np.array_equal(gru["h"], fused(z, before - n, n))
    assert np.array_equal(gru["a_n"], fused(gru["r"], gru["h_n"], gru["x_n"]))
    before = pyrnn.trace(pyrnn.GRU(F, H, reset_after=False, seed=0), x)[0]
    z, n = before["z"], before["n"]
    assert np.array_equal(before["h"], fused(z, before["h_before"] - n, n))
    rnn = pyrnn.trace(pyrnn.RNN(F, H, seed=0), x)[0]
    assert np.array_equal(rnn["h"], pyrnn.Tanh()(rnn["a"]))


@pytest.mark.parametrize("kind", [*LAYERS, "peephole", "coupled", "clip", "lstm norm", "gru norm"])
def test_equations_give_the_states(kind):
    """Also with options: each line's own equation, in float64, gives the layer's h and c."""
    layer = (LAYERS | OPTIONS)[kind](dtype=np.float64)
    trace = pyrnn.trace(layer, sequence(np.float64), start_of(layer))
    (one,) = trace.layers
    for line in one._direction.equations:
        if line.name in ("h", "c"):
            known = {name: one[name] for name in one.names}
            assert np.allclose(line.compute(known), one[line.name], rtol=0, atol=1e-14), line.name


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", LAYERS | OPTIONS)
def test_gradients_are_those_of_the_layer(kind, shape):
    """Step by step comes out what the backward pass of the whole sequence gives."""
    layer = (LAYERS | OPTIONS)[kind](dtype=np.float64, **SHAPES[shape])
    x, state = sequence(np.float64), start_of(layer)
    rng = np.random.default_rng(3)
    (y, ends), pullback = layer.vjp(x, state)
    dy = rng.standard_normal(y.shape)
    dends = tuple(rng.standard_normal(e.shape) for e in arrays_of(ends))
    dx, dstart = pullback(dy, dends if len(dends) > 1 else dends[0])
    inside = layer._inside(layer, x[0], tuple(s[:, 0] for s in arrays_of(state)))
    own_dx, own_dstart, _ = inside.backward(dy[0], tuple(d[:, 0] for d in dends))
    assert np.allclose(own_dx, dx[0], rtol=0, atol=1e-12)
    for own, expected in zip(own_dstart, arrays_of(dstart), strict=True):
        assert np.allclose(own, expected[:, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_gradient_of_a_state_in_the_middle(kind):
    """dL/dh_t is what a run from step t on sends back to its initial state, and what y_t adds."""
    layer = LAYERS[kind](dtype=np.float64)
    x, target = sequence(np.float64), np.zeros((1, T, H))
    trace = pyrnn.trace(layer, x, loss=("mse", target))
    dy = pyrnn.losses.MSE().vjp(trace.y, target)[1]()
    for t in range(T - 1):
        state = trace[0]["h"][t][None, None]
        if kind == "lstm":
            state = state, trace[0]["c"][t][None, None]
        _, pullback = layer.vjp(x[:, t + 1 :], state)
        _, dstate = pullback(dy[:, t + 1 :])
        dh = arrays_of(dstate)[0][0, 0] + dy[0, t]
        assert np.allclose(trace[0].dh[t], dh, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", ["lstm", "peephole", "lstm norm", "single bias"])
def test_gradient_of_c_is_all_that_comes_back_to_it(kind):
    """A change of c_t alone, seen by o * tanh(c_t) as well as by the next step, changes L so."""
    layer = (LAYERS | OPTIONS)[kind](dtype=np.float64)
    x, state = sequence(np.float64), start_of(layer)
    trace = pyrnn.trace(layer, x, state)
    (y, _), pullback = layer.vjp(x, state)
    dy = np.zeros_like(y)
    dy[:, -1] = 1
    _, (_, dc0) = pullback(dy)
    f, dc = trace[0]["f"][0], trace[0].dc[0]
    if layer.peephole:  # c_0 also reaches the gates, so that the path through c_1 is a part
        assert not np.allclose(f * dc, dc0[0, 0])
    else:
        assert np.allclose(f * dc, dc0[0, 0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("options", [{"zoneout": 0.3}, {"zoneout": 0.2, "zoneout_cell": 0.4}])
def test_zoneout_goes_back_as_inference_goes_forward(options):
    """Training draws masks; a trace has the derivative of what a call gives."""
    layer = pyrnn.LSTM(F, H, dtype=np.float64, seed=0, **options)
    x, step = sequence(np.float64), 1e-6
    inside = layer._inside(layer, x[0], ())
    dy = np.zeros((T, H))
    dy[-1] = 1
    dx = inside.backward(dy)[0]
    for place in ((0, 0), (2, 1), (T - 1, 2)):
        moved = [x.copy(), x.copy()]
        moved[0][0][place] += step
        moved[1][0][place] -= step
        ends = [layer(m)[0][0, -1].sum() for m in moved]
        assert abs((ends[0] - ends[1]) / (2 * step) - dx[place]) < 1e-8
    with pytest.raises(ValueError, match="without zoneout"):
        pyrnn.trace(layer, x).influence()


@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"bidirectional": True}])
def test_influence_is_the_derivative(options):
    layer = pyrnn.GRU(F, H, dtype=np.float64, seed=0, **options)
    x, step = sequence(np.float64), 1e-6
    matrix = pyrnn.trace(layer, x).influence()
    for s in range(T):
        squares = np.zeros(T)
        for k in range(F):
            moved = [x.copy(), x.copy()]
            moved[0][0, s, k] += step
            moved[1][0, s, k] -= step
            up, down = (layer(m)[0][0] for m in moved)
            squares += (((up - down) / (2 * step)) ** 2).sum(axis=1)
        assert np.allclose(np.sqrt(squares), matrix[:, s], rtol=0, atol=1e-8)


def test_a_model():
    """Parts, output, softmax and gradients through a whole model, which stays as it is."""
    model = pyrnn.Sequential(
        words=pyrnn.Embedding(9, F, seed=0),
        drop=pyrnn.Dropout(0.5, seed=1),
        rnn=pyrnn.LSTM(F, H, num_layers=2, dropout=0.5, seed=2),
        last=pyrnn.LastStep(),
        head=pyrnn.Linear(H, 4, seed=3),
    )
    ids = np.array([3, 1, 4, 1, 5, 9 - 1, 2])
    trace = pyrnn.trace(model, ids, loss=("cross_entropy", [2]), classes=list("abcd"))
    assert [layer.name for layer in trace.layers] == ["rnn layer 0", "rnn layer 1"]
    assert set(trace.parts) == {"words", "drop", "last", "head"}
    assert trace.tokens == ("3", "1", "4", "1", "5", "8", "2")
    assert np.array_equal(trace.y, model(ids[None]))
    assert np.array_equal(trace.probabilities, pyrnn.Softmax()(trace.y))
    assert trace.loss == pyrnn.losses.CrossEntropy()(trace.y, np.array([2]))
    assert all(not parameter.grad.any() for parameter in model.parameters())
    _, dlogits = pyrnn.losses.CrossEntropy().vjp(trace.y, np.array([2]))
    expected = dlogits()[0] @ model.head.weight.data
    assert np.allclose(trace["rnn layer 1"].dh[-1], expected, rtol=0, atol=1e-6)
    assert trace["rnn layer 0"].dc.shape == (T, H)
    with pytest.raises(ValueError, match="y has no steps"):
        trace.back_from(2)


def test_only_what_draws_is_switched_off():
    """A number that a part of one's own calls p is no dropout."""

    class Power(pyrnn.Module):
        def __init__(self, p):
            self.p = p

        def forward(self, x):
            return x**self.p

    rnn = pyrnn.GRU(F, H, dtype=np.float64, seed=0)
    x = np.random.default_rng(0).standard_normal((T, F))
    trace = pyrnn.trace(pyrnn.Sequential(rnn, pyrnn.Dropout(0.5, seed=1), Power(3.0)), x)
    assert np.allclose(trace.layers[0].dh[-1], 3 * rnn(x[None])[0][0, -1] ** 2, rtol=1e-9)


def test_a_forward_of_ones_own():
    class Twice(pyrnn.Module):
        def __init__(self):
            self.rnn = pyrnn.GRU(F, F, seed=0)
            self.attention = pyrnn.Attention(F, F, seed=1)

        def forward(self, x):
            y, _ = self.rnn(x)
            y, _ = self.rnn(y)
            context, _ = self.attention(y, y)
            return context

    trace = pyrnn.trace(Twice(), sequence())
    assert [layer.name for layer in trace.layers] == ["rnn", "rnn"]
    assert trace.attention["attention"].shape == (1, T, T)
    assert np.array_equal(trace.layers[0]["h"], trace.layers[1].x)
    assert np.isfinite(trace.layers[0].dh).all() and trace.layers[0].dh.any()


def test_back_from_any_step():
    """Nothing comes back to later steps; from the last step it is what the trace has anyway."""
    layer = pyrnn.LSTM(F, H, seed=0)
    trace = pyrnn.trace(layer, sequence())
    norms = trace.back_from(3)["LSTM"]
    assert (norms["h"][4:] == 0).all() and (norms["h"][:4] > 0).all()
    assert np.array_equal(trace.back_from(-1)["LSTM"]["c"], trace[0].gradient_norms["c"])


@pytest.mark.parametrize("batch_first", [True, False])
def test_layouts(batch_first):
    model = pyrnn.Sequential(pyrnn.GRU(F, H), pyrnn.Linear(H, 2), batch_first=batch_first)
    x = sequence() if batch_first else sequence().swapaxes(0, 1)
    whole, single = pyrnn.trace(model, x), pyrnn.trace(model, sequence()[0])
    assert np.array_equal(whole[0]["z"], single[0]["z"])
    assert np.array_equal(whole[0].dh, single[0].dh)
    assert whole.table().rows == single.table().rows


def test_explain_puts_the_numbers_in(capsys):
    layer = pyrnn.LSTM(2, 1, seed=0)
    for parameter in layer.parameters():
        parameter[...] = 1
    pyrnn.trace(layer, np.array([[1, 0], [0, -2]], np.float32), tokens=["A", "B"]).explain(1)
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "LSTM, step 1 'B', unit 0, x = [0, -2]"
    assert out[1:3] == ["h_before = 0.7038", "c_before = 0.9479"]
    a = "a_i = b + W_x x + W_h h_before = 2 + 1*0 + 1*(-2) + 1*0.7038 = 0.7038"
    assert out[3:5] == [a, "i = sigmoid(a_i) = sigmoid(0.7038) = 0.669"]
    assert "c = f * c_before + i * g = 0.669 * 0.9479 + 0.669 * 0.6068 = 1.04" in out
    assert out[-1] == "h = o * tanh(c) = 0.669 * tanh(1.04) = 0.5204"


def test_plot(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    trace = pyrnn.trace(pyrnn.LSTM(F, H, bidirectional=True, seed=0), sequence())
    figure = trace.plot(tmp_path / "trace.png")
    titles = [axes.get_title() for axes in figure.axes]
    assert "LSTM: f" in titles and "LSTM reverse: c" in titles
    assert (tmp_path / "trace.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pyrnn.trace(3, sequence()), TypeError, "model is 3, expected a Module"),
        (lambda: pyrnn.trace(pyrnn.Linear(F, 2), sequence()), ValueError, "no recurrent layer"),
        (
            lambda: pyrnn.trace(pyrnn.GRU(F, H), np.zeros((2, T, F))),
            ValueError,
            r"x has shape \(2, 7, 3\), expected one sequence",
        ),
        (lambda: pyrnn.trace(pyrnn.GRU(F, H), sequence(), tokens=["a"]), ValueError, "expected 7"),
        (lambda: pyrnn.trace(pyrnn.GRU(F, H), sequence(), loss="mse"), TypeError, "a pair"),
        (
            lambda: pyrnn.trace(pyrnn.quantize(pyrnn.GRU(F, H), "bf16"), sequence()),
            ValueError,
            "bf16",
        ),
        (lambda: pyrnn.trace(pyrnn.GRU(F, H), sequence())["lstm"], KeyError, "expected one of GRU"),
        (lambda: pyrnn.trace(pyrnn.GRU(F, H), sequence())[0]["f"], KeyError, "expected one of a_r"),
        (lambda: pyrnn.trace(pyrnn.GRU(F, H), sequence()).explain(7), ValueError, "t is 7"),
        (
            lambda: pyrnn.trace(pyrnn.GRU(F, H), np.zeros((201, F))).influence(),
            ValueError,
            "expected at most 200",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
