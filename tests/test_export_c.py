"""Promise: the C file of a model computes what the model does, for strict compilers and boards."""

import subprocess

import numpy as np
import pytest

import pyrnn
from c_models import C99, compiled, draw_model, draw_x, expected, need, with_drawn_weights

TOLERANCES = {"float32": 1e-5, "float64": 1e-12}
CPP = ("-x", "c++", *(flag for flag in C99 if flag != "-std=c99"))
SANITIZERS = (*C99, "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
CORTEX_M4 = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
MODELS = {
    "lstm": lambda: pyrnn.Sequential(rnn=pyrnn.LSTM(1, 20), head=pyrnn.Linear(20, 1)),
    "classifier": lambda: pyrnn.Sequential(
        pyrnn.Embedding(30, 4), pyrnn.GRU(4, 6, num_layers=2), pyrnn.LastStep(), pyrnn.Linear(6, 3)
    ),
    "tagger": lambda: pyrnn.Sequential(
        pyrnn.Embedding(30, 4, dtype=np.float64),
        pyrnn.LSTM(4, 5, num_layers=2, bidirectional=True, layer_norm=True, dtype=np.float64),
        pyrnn.TimeDistributed(pyrnn.Linear(10, 3, dtype=np.float64)),
        pyrnn.Softmax(),
    ),
    "no state": lambda: pyrnn.Sequential(pyrnn.Linear(3, 4), pyrnn.ReLU(), pyrnn.MaxPool()),
}
LAYERS = (
    pyrnn.GRU(3, 5, num_layers=2, seed=0),
    pyrnn.RNN(3, 5, direction="reverse", seed=0),
    pyrnn.LSTM(3, 5, proj_size=2, peephole=True, coupled_gates=True, cell_clip=0.2, seed=0),
    pyrnn.LSTM(3, 5, zoneout=0.2, zoneout_cell=0.3, layer_norm=True, bias=False, seed=0),
    pyrnn.GRU(3, 5, bidirectional=True, merge="mul", reset_after=False, bias="single", seed=0),
)


def check(program, steps, rng, before=()):
    """y, states and steps of one sequence are pyrnn's."""
    model, x = program.model, draw_x(program.model, steps, rng)
    found, wanted = program.outputs(x, before), expected(model, x)
    for c, python in zip(found, wanted, strict=True):
        assert (c is None) == (python is None)
        if python is not None:
            scale = max(1.0, float(np.abs(python).max(initial=0.0)))
            np.testing.assert_allclose(c, python, rtol=0, atol=scale * TOLERANCES[model.dtype.name])


@pytest.fixture(params=MODELS)
def model(request, rng):
    return with_drawn_weights(MODELS[request.param](), rng)


@pytest.mark.parametrize("seed", range(30))
def test_random_models(seed, tmp_path, rng):
    program = compiled(draw_model(seed), tmp_path)
    for steps in (0, 1, 9):
        check(program, steps, rng)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30, 300))
def test_more_random_models(seed, tmp_path, rng):
    check(compiled(draw_model(seed), tmp_path), 9, rng)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_a_layer_alone(layer, tmp_path, rng):
    program = compiled(with_drawn_weights(layer, rng), tmp_path)
    program.model = pyrnn.Sequential(layer)
    check(program, 9, rng)


@pytest.mark.parametrize(
    ("compiler", "flags"),
    [
        ("gcc", (*C99, "-O3")),
        ("clang", C99),
        ("clang", (*C99, "-O3")),
        ("g++", (*CPP, "-std=c++98")),
        ("g++", (*CPP, "-std=c++20")),
        ("clang++", (*CPP, "-std=c++17")),
        ("gcc", SANITIZERS),
    ],
)
def test_compilers(compiler, flags, model, tmp_path, rng):
    check(compiled(model, tmp_path, compiler, flags), 9, rng)


def test_valgrind(model, tmp_path, rng):
    """Nothing is read before it was written, nor beside what it was given."""
    need("valgrind")
    program = compiled(model, tmp_path, flags=(*C99, "-g"))
    check(program, 5, rng, before=("valgrind", "-q", "--error-exitcode=3", "--leak-check=full"))


def run(*command):
    """What a program prints."""
    need(command[0])
    child = subprocess.run(command, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    return child.stdout


def test_no_heap_and_no_data_that_is_written(model, tmp_path):
    """Of all symbols there are code, constants and calls of mathematics and of copies."""
    pyrnn.export_c(model, tmp_path / "model.c")
    object_file = str(tmp_path / "model.o")
    run("gcc", "-std=c99", "-O2", "-fno-pic", "-c", str(tmp_path / "model.c"), "-o", object_file)
    symbols = [line.split()[-2:] for line in run("nm", object_file).splitlines()]
    assert {kind for kind, _ in symbols} <= set("TtRrU")
    called = {name for kind, name in symbols if kind == "U"}
    assert called <= {f"{f}{s}" for f in ("exp", "tanh", "sqrt") for s in ("", "f")} | {
        f"mem{verb}" for verb in ("set", "cpy", "move")
    } | {"_GLOBAL_OFFSET_TABLE_"}
    assert {"T"} == {kind for kind, name in symbols if name in ("model_run", "model_reset")}


def test_cortex_m4(model, tmp_path, capsys):
    """A whole program with newlib; the model's own sizes are shown."""
    pyrnn.export_c(model, tmp_path / "model.c")
    source, object_file, program = (str(tmp_path / f"model.{end}") for end in ("c", "o", "elf"))
    main = tmp_path / "main.c"
    main.write_text('#define MODEL_HEADER\n#include "model.c"\n' + MAIN)
    flags = ("-std=c99", "-Os", *CORTEX_M4, "-Wall", "-Wextra", "-Werror", "-pedantic")
    run("arm-none-eabi-gcc", *flags, "-c", source, "-o", object_file)
    libraries = ("--specs=nano.specs", "--specs=nosys.specs", "-lm")
    run("arm-none-eabi-gcc", *CORTEX_M4, str(main), object_file, "-o", program, *libraries)
    printed = run("arm-none-eabi-size", object_file)
    with capsys.disabled():
        print(f"\n{model!r}\n{printed}")
    _, data, bss = map(int, printed.splitlines()[1].split()[:3])
    assert data == bss == 0


MAIN = """
int main(void) {
  static model_state state;
  model_reset(&state);
  return (int)sizeof(state) > 0 ? 0 : 1;
}
"""
