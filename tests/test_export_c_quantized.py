"""Promise: the C file of a quantized model has its narrow weights, and computes what it does."""

import numpy as np
import pytest

import pyrnn
from c_models import C99, compiled, draw_x, expected, need, with_drawn_weights
from quantized_models import text_model

MODELS = {
    "text": text_model,
    "reset before": lambda: pyrnn.Sequential(pyrnn.GRU(3, 12, reset_after=False, num_layers=2)),
    "normalised": lambda: pyrnn.Sequential(
        pyrnn.LSTM(3, 12, layer_norm=True, bidirectional=True), pyrnn.Linear(24, 2, bias=False)
    ),
    "projected": lambda: pyrnn.Sequential(
        pyrnn.LSTM(3, 12, proj_size=5, peephole=True), pyrnn.RNN(5, 7), pyrnn.Linear(7, 2)
    ),
    "no state": lambda: pyrnn.Sequential(pyrnn.Linear(3, 4), pyrnn.ReLU(), pyrnn.Linear(4, 2)),
}
TYPES = {"bf16": "unsigned short", "int8": "signed char"}
CPP = ("-x", "c++", *(flag for flag in C99 if flag != "-std=c99"))
SANITIZERS = (*C99, "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.fixture(params=MODELS)
def wide(request, rng):
    return with_drawn_weights(MODELS[request.param](), rng)


def errors(program, model, xs):
    """The largest of each sequence: of y, of the state after it, and of y step by step."""
    for x in xs:
        found, wanted = program.outputs(x), expected(model, x)
        pairs = [pair for pair in zip(found, wanted, strict=True) if pair[1] is not None]
        yield max(float(np.abs(c - python).max(initial=0.0)) for c, python in pairs)


@pytest.mark.parametrize("flags", [C99, CPP, SANITIZERS], ids=["C99", "C++", "sanitizers"])
@pytest.mark.parametrize("form", TYPES)
def test_the_same_numbers(wide, form, flags, tmp_path, rng):
    model = pyrnn.quantize(wide, form)
    program = compiled(model, tmp_path, flags=flags)
    found = list(errors(program, model, [draw_x(model, 9, rng) for _ in range(12)]))
    # Where h differs in its last digit, one of a thousand numbers may be rounded to the next: in
    # int8 that moves y by about 1/127 of a weight. A sequence in two may not have one.
    assert np.median(found) < 1e-5
    assert max(found) < (1e-5 if form == "bf16" else 0.05)
    assert max(errors(program, wide, [draw_x(model, 9, rng)])) > 1e-4  # nor is it the float32 model


@pytest.mark.parametrize("form", TYPES)
def test_weights_are_narrow(wide, form, tmp_path):
    """No matrix is written as float; each is written once."""
    model, source = pyrnn.quantize(wide, form), tmp_path / "model.c"
    pyrnn.export_c(model, source)
    tables = [
        line.split() for line in source.read_text().splitlines() if line.startswith("static const")
    ]
    narrow = [words for words in tables if " ".join(words[2:4]) == TYPES[form]]
    matrices = [p for p in model.parameters() if p.ndim == 2]
    shapes = sorted(f"[{rows}][{columns}]" for rows, columns in (p.shape for p in matrices))
    assert sorted(words[-2] for words in narrow) == shapes
    wide_shapes = {words[-2] for words in tables if words[2] == "float"}
    assert not wide_shapes & {shape for shape in shapes if not shape.startswith("[1]")}


@pytest.mark.parametrize("form", TYPES)
def test_the_program_is_small(form, tmp_path, rng):
    """The weights take a half and a quarter in the program, too."""
    need("size")
    wide = with_drawn_weights(pyrnn.Sequential(pyrnn.GRU(64, 128), pyrnn.Linear(128, 64)), rng)
    sizes = {}
    for name, model in (("float32", wide), (form, pyrnn.quantize(wide, form))):
        folder = tmp_path / name
        folder.mkdir()
        sizes[name] = compiled(model, folder).program.stat().st_size
    share = {"bf16": 0.5, "int8": 0.25}[form]
    assert sizes[form] < share * sizes["float32"] + 20_000  # what a program without weights takes


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite(value, tmp_path):
    """In int8 the whole row is NaN, as in Python."""
    model = pyrnn.quantize(pyrnn.Sequential(pyrnn.Linear(3, 2, seed=0)), "int8")
    program = compiled(model, tmp_path)
    x = np.array([[1, 2, 3], [1, value, 3]], np.float32)
    y = program.outputs(x)[0]
    assert np.isnan(y[1]).all() and np.isfinite(y[0]).all()
    np.testing.assert_array_equal(np.isnan(model(x[None])[0]), np.isnan(y))


def test_numbers_that_are_nearly_zero(tmp_path):
    model = pyrnn.quantize(pyrnn.Sequential(pyrnn.Linear(3, 2, seed=0)), "int8")
    x = np.array([[1e-37, -1e-37, 0], [0, 0, 0]], np.float32)
    np.testing.assert_allclose(
        compiled(model, tmp_path).outputs(x)[0], model(x[None])[0], rtol=1e-6
    )
