"""Promise: what pyrnn.onnx.export writes is the model, in ONNX Runtime too."""

import numpy as np
import pytest

WHY = "not installed: `make test-peers` does it"
onnx = pytest.importorskip("onnx", reason=f"onnx is {WHY}")
pytest.importorskip("onnxruntime", reason=f"onnxruntime is {WHY}")

import pyrnn  # noqa: E402
import pyrnn.onnx  # noqa: E402
from onnx_graphs import Draw, states  # noqa: E402
from onnx_models import answers  # noqa: E402


def checked(path):
    """A file after the package's own checks, all of them."""
    onnx.checker.check_model(path, full_check=True)
    onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True, data_prop=True)
    return str(path)


def draw_inputs(model, features, rng, *, lengths, state, dtype=np.float32):
    """x, the lengths and the states, None where there are none."""
    N, T = rng.integers(1, 6), rng.integers(1, 9)
    shape = (N, T) if model.batch_first else (T, N)
    ids = features is None
    x = rng.integers(11, size=shape) if ids else rng.standard_normal((*shape, features))
    x = x if ids else x.astype(dtype)
    ends = rng.integers(0, T + 1, N) if lengths else None
    entries = []
    for _, layer in states(model) if state else ():
        size = layer.num_layers * layer.num_directions, N, layer.hidden_size
        drawn = [rng.standard_normal(size).astype(dtype) for _ in layer.state_names]
        entries.append(tuple(drawn) if len(drawn) > 1 else drawn[0])
    return x, ends, entries


def by_name(model, entries, names):
    """A state's arrays by their names in the graph."""
    found = {}
    for (prefix, _), entry in zip(states(model) if entries else (), entries, strict=True):
        arrays = entry if isinstance(entry, tuple) else (entry,)
        found |= {f"{prefix}{n}": a for n, a in zip(names, arrays, strict=False)}
    return found


def expected(model, x, ends, entries):
    """pyrnn's outputs by their names in the graph."""
    if not entries:
        y = model(x) if ends is None else model(x, lengths=ends)
        return {"y": y if model.made_of_parts or not model.stateful else y[0]}
    if model.made_of_parts:
        y, state = model.run(x, tuple(entries), lengths=ends)
    else:
        y, entry = model(x, entries[0], lengths=ends)
        state = (entry,)
    return {"y": y, **by_name(model, state, ("hn", "cn"))}


def assert_equal(model, path, x, ends, entries, atol=1e-5):
    """The file's outputs are the model's."""
    inputs = {"x": x, **by_name(model, entries, ("h0", "c0"))}
    inputs |= {} if ends is None else {"lengths": ends}
    actual, wanted = answers(path, inputs), expected(model, x, ends, entries)
    assert list(actual) == list(wanted)
    for name, array in wanted.items():
        assert actual[name].dtype == array.dtype
        scale = max(1, np.abs(array).max(initial=0))
        np.testing.assert_allclose(actual[name], array, rtol=0, atol=atol * scale, err_msg=name)


@pytest.mark.parametrize("group", range(10))
def test_random_models(group, tmp_path):
    for seed in range(30 * group, 30 * group + 30):
        draw = Draw(seed)
        model, features = draw.model()
        lengths = bool(draw.rng.integers(2)) and (model.stateful or model.time_aware)
        state = bool(draw.rng.integers(2)) and model.num_states > 0
        path = tmp_path / f"{seed}.onnx"
        opset = int(draw.rng.integers(17, 25))
        pyrnn.onnx.export(model, path, opset=opset, state=state, lengths=lengths)
        checked(path)
        for _ in range(2):  # of several sizes
            given = draw_inputs(model, features, draw.rng, lengths=lengths, state=state)
            try:
                assert_equal(model, str(path), *given)
            except BaseException as error:
                error.add_note(f"seed {seed}, opset {opset}: {model}")
                raise
