"""Promise: a Seq2Seq's encoder and the step of its decoder are the same in ONNX Runtime."""

import numpy as np
import pytest

WHY = "not installed: `make test-peers` does it"
onnx = pytest.importorskip("onnx", reason=f"onnx is {WHY}")
pytest.importorskip("onnxruntime", reason=f"onnxruntime is {WHY}")

import pyrnn  # noqa: E402
import pyrnn.onnx  # noqa: E402
from onnx_models import answers, checked  # noqa: E402

SOURCES = np.array([[5, 3, 8, 2], [4, 9, 99, 99], [99, 99, 99, 99]])  # 99 is no id
LENGTHS = np.array([4, 2, 0])
CASES = [
    {"attention": "additive"},
    {"attention": "additive", "cell": "lstm", "num_layers": 2, "attention_size": 3},
    {"attention": "multiplicative", "cell": "rnn_tanh", "num_layers": 3},
    {"attention": "multiplicative", "cell": "lstm", "batch_first": False},
    {"attention": "dot", "cell": "gru", "bidirectional": False},
    {"attention": None},
    {"attention": None, "cell": "lstm", "num_layers": 3, "batch_first": False},
    {"attention": None, "cell": "lstm", "num_layers": 2, "bidirectional": False, "dropout": 0.5},
]


def make(options):
    memory = {"hidden_size": 6}
    model = pyrnn.Seq2Seq(10, 11, 5, **memory, seed=0, **options)
    rng = np.random.default_rng(0)
    for parameter in model.parameters():
        parameter[...] = rng.uniform(-0.7, 0.7, parameter.shape).astype(np.float32)
    return model


def named(state):
    """A state's arrays by the names of the graph's outputs."""
    return dict(zip(("hn", "cn"), state if isinstance(state, tuple) else (state,), strict=False))


@pytest.mark.parametrize("with_lengths", [False, True])
@pytest.mark.parametrize("options", CASES, ids=str)
def test_generating_with_two_files(options, with_lengths, tmp_path):
    """Greedy decoding, step by step: the logits, the states and so the ids."""
    model = make(options)
    encoder, step = tmp_path / "encoder.onnx", tmp_path / "step.onnx"
    attends = model.attention is not None
    pyrnn.onnx.export(model.encoder, encoder, state=True, lengths=with_lengths)
    pyrnn.onnx.export(model, step, state=True, lengths=with_lengths and attends)
    source = SOURCES if with_lengths else SOURCES[:1]
    lengths = LENGTHS if with_lengths else None
    source = source if model.batch_first else source.T
    ragged = {"lengths": lengths} if with_lengths else {}

    encoded = model.encoder(source, lengths)
    found = answers(checked(encoder), {"x": source, **ragged})
    np.testing.assert_allclose(found["y"], encoded.memory, rtol=0, atol=1e-5)
    for name, array in named(encoded.state).items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-5, err_msg=name)

    steps = model._steps(encoded)
    ids = np.full(encoded.rows, model.bos)
    memory = {"memory": found["y"], **ragged} if attends else {}
    checked(step)
    for _ in range(4):
        states = {f"{n[0]}0": a for n, a in found.items() if n != "y"}
        found = answers(str(step), {"x": ids, **memory, **states})
        np.testing.assert_allclose(found["y"], steps.step(ids), rtol=0, atol=1e-5)
        for name, array in named(steps._steps.state).items():
            np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-5, err_msg=name)
        ids = found["y"].argmax(axis=-1)


def test_padding_of_the_memory_does_not_matter(tmp_path):
    model = make({"attention": "additive"})
    path = str(tmp_path / "step.onnx")
    pyrnn.onnx.export(model, path, state=True, lengths=True)
    rng = np.random.default_rng(0)
    memory = rng.standard_normal((3, 4, 12)).astype(np.float32)
    given = {"x": np.array([3, 4, 5]), "lengths": LENGTHS, "memory": memory}
    given["h0"] = rng.standard_normal((1, 3, 6)).astype(np.float32)
    wanted = answers(path, given)
    memory[1, 2:], memory[2] = np.nan, np.inf
    for name, array in answers(path, given).items():
        np.testing.assert_array_equal(array, wanted[name])
        assert np.isfinite(array).all()


def test_the_encoder_alone_gives_its_memory(tmp_path):
    path = str(tmp_path / "encoder.onnx")
    pyrnn.onnx.export(make({"attention": "dot", "bidirectional": False}).encoder, path)
    assert [output.name for output in onnx.load(path).graph.output] == ["y"]


def test_what_is_refused(tmp_path):
    path = tmp_path / "step.onnx"
    with pytest.raises(ValueError, match="state is False, expected True: a Seq2Seq's step"):
        pyrnn.onnx.export(make({}), path)
    plain = make({"attention": None})
    with pytest.raises(ValueError, match="lengths is True, expected False: without attention"):
        pyrnn.onnx.export(plain, path, state=True, lengths=True)
    captions = pyrnn.Seq2Seq(None, 9, 4, 5, feature_size=3, attention=None, seed=0)
    with pytest.raises(ValueError, match="Encoder has feature_size, expected source_vocabulary"):
        pyrnn.onnx.export(captions.encoder, path, state=True)
    decoder = pyrnn.AttentionDecoder(3, 8, 6, seed=0)
    with pytest.raises(TypeError, match="export: AttentionDecoder has no place"):
        pyrnn.onnx.export(decoder, path)
    assert not list(tmp_path.iterdir())
