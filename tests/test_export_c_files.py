"""Promise: a C file is whole, named as asked, exact in its numbers, and refused by name."""

import re
import subprocess

import numpy as np
import pytest

import pyrnn
from c_models import C99, need

GRU = {"hidden_size": 4, "seed": 0}


def written(model, path, **options):
    """The text of a model's file."""
    pyrnn.export_c(model, path, **options)
    return path.read_text()


def run(folder, main, *flags):
    """What a program prints, as bytes."""
    need("gcc")
    (folder / "main.c").write_text(main)
    command = ["gcc", *C99, *flags, str(folder / "main.c"), "-o", str(folder / "main"), "-lm"]
    child = subprocess.run(command, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    return subprocess.run([str(folder / "main")], capture_output=True, check=True).stdout


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_are_exact(dtype, tmp_path, rng):
    """Of every size, with the smallest, the largest and both zeros."""
    linear = pyrnn.Linear(10, 100, dtype=dtype, seed=0)
    values = rng.standard_normal(1000) * 10.0 ** rng.integers(-30, 30, 1000)
    info = np.finfo(dtype)
    values[:5] = info.smallest_subnormal, info.tiny, info.max, -0.0, 0.0
    linear.weight[...] = values.reshape(100, 10).astype(dtype)
    written(linear, tmp_path / "model.c")
    main = '#include "model.c"\n#include <stdio.h>\n'
    main += "int main(void) { return !fwrite(model_weight, sizeof model_weight, 1, stdout); }\n"
    assert run(tmp_path, main) == linear.weight.data.tobytes()


def test_two_models_in_one_program(tmp_path):
    """Each has names of its own; declarations may be included again."""
    for name in ("left", "Right"):
        written(pyrnn.GRU(2, **GRU), tmp_path / f"{name}.c", name=name)
    main = '#define LEFT_HEADER\n#include "left.c"\n#include "left.c"\n#include "Right.c"\n'
    main += "int main(void) { return LEFT_INPUTS == 2 && RIGHT_OUTPUTS == 4 ? 0 : 1; }\n"
    run(tmp_path, main)


@pytest.mark.parametrize("name", ["MODEL", "MODEL_a", "model_a", "y0", "gamma"])
def test_names_that_the_file_might_have(name, tmp_path):
    written(pyrnn.GRU(2, **GRU), tmp_path / "model.c", name=name)
    main = f'#include "model.c"\nint main(void) {{ {name}_state state; {name}_reset(&state); '
    run(tmp_path, f"{main}return {name.upper()}_OUTPUTS == 4 ? 0 : 1; }}\n")


def test_the_summary_has_the_models_own_names(tmp_path):
    """Whatever becomes of such words in the code."""
    parts = {"model_a": pyrnn.GRU(3, **GRU, dtype="float64"), "float": pyrnn.Tanh()}
    text = written(pyrnn.Sequential(**parts), tmp_path / "amp.c", name="amp")
    title = text[: text.index("amp_state")]
    assert "model_a" in title and "float " in title


def test_ids_out_of_range_do_nothing(tmp_path):
    model = pyrnn.Sequential(pyrnn.Embedding(9, 3, seed=0), pyrnn.GRU(3, **GRU))
    written(model, tmp_path / "model.c")
    main = """
#include "model.c"
int main(void) {
  static const int wrong[2][3] = {{0, 8, 9}, {-1, 0, 0}};
  model_state state;
  float y[3 * MODEL_OUTPUTS] = {7.0f};
  model_reset(&state);
  for (int i = 0; i < 2; ++i)
    if (model_run(&state, wrong[i], 3, y) != -1 || y[0] != 7.0f) return 1;
  if (state.h_1_l0[0] != 0.0f) return 1;
  if (model_step(&state, 9, y) != -1 || model_step(&state, -1, y) != -1 || y[0] != 7.0f) return 1;
  return model_step(&state, 8, y) != 0 || state.h_1_l0[0] == 0.0f;
}
"""
    run(tmp_path, main)


def test_a_tied_weight_is_there_once(tmp_path):
    embedding, head = pyrnn.Embedding(9, 4, seed=0), pyrnn.Linear(4, 9, seed=1)
    head.weight = embedding.weight
    text = written(pyrnn.Sequential(embedding, pyrnn.GRU(4, **GRU), head), tmp_path / "model.c")
    assert len(re.findall(r"^static const float model_\w*weight\b.*\[9\]\[4\]", text, re.M)) == 1


def test_only_what_is_used_is_there(tmp_path):
    text = written(pyrnn.Sequential(pyrnn.GRU(3, **GRU), pyrnn.Linear(4, 2)), tmp_path / "a.c")
    functions = re.findall(r"^static \w+ model_(\w+)\(", text, re.MULTILINE)
    assert sorted(functions) == ["affine", "gru", "sigmoid", "zero"]
    assert "GRU(input_size=3, hidden_size=4)" in text and "r, z = sigmoid" in text


def test_names_that_meet(tmp_path, rng):
    """Of parts called as functions, or alike when dots become underscores."""
    inner = pyrnn.Sequential(step=pyrnn.Linear(3, 3), gru=pyrnn.GRU(3, 3))
    model = pyrnn.Sequential(a=inner, a_step=pyrnn.Linear(3, 3), größe=pyrnn.Linear(3, 2))
    written(model, tmp_path / "model.c", name="affine")
    run(tmp_path, '#include "model.c"\nint main(void) { return 0; }\n')


class Own(pyrnn.Module):
    def __init__(self):
        self.linear = pyrnn.Linear(3, 4, seed=0)

    def forward(self, x):
        return self.linear(x)


class OwnLinear(pyrnn.Linear):
    """It might compute anything."""


REFUSED = {
    "module 1 .Own.": lambda: pyrnn.Sequential(pyrnn.GRU(2, 3), Own()),
    "module head .OwnLinear.": lambda: pyrnn.Sequential(head=OwnLinear(2, 3)),
    "module 1 .Parallel.": lambda: pyrnn.Sequential(pyrnn.GRU(2, 3), pyrnn.Parallel(pyrnn.Tanh())),
    "CRF": lambda: pyrnn.CRF(3),
    "Seq2Seq": lambda: pyrnn.Seq2Seq(5, 6, 3, 4),
    "model is 3, expected a Module": lambda: 3,
}


@pytest.mark.parametrize("message", REFUSED)
def test_parts_that_are_not_written(message, tmp_path):
    with pytest.raises(TypeError, match=message):
        pyrnn.export_c(REFUSED[message](), tmp_path / "model.c")
    assert not list(tmp_path.iterdir())


def with_nan():
    gru = pyrnn.GRU(2, 3)
    gru.weight_hh_l0[...] = np.nan
    return pyrnn.Sequential(rnn=gru)


UNFIT = {
    "rnn.weight_hh_l0 has values that are not finite": with_nan,
    r"export_c: 0.cell_clip is 1e\+39, which is too large for float32": lambda: pyrnn.Sequential(
        pyrnn.LSTM(2, 3, cell_clip=1e39)
    ),
    r"export_c: eps is 1e\+39, which is too large for float32": lambda: pyrnn.LayerNorm(
        3, eps=1e39
    ),
    "module 0 .GRU. has input_size=0": lambda: pyrnn.Sequential(pyrnn.GRU(0, 3)),
    "module 1 .Linear. gets 3 features, expected 4": lambda: pyrnn.Sequential(
        pyrnn.Linear(2, 3), pyrnn.Linear(4, 2)
    ),
    "normalized_shape=.2, 3.": lambda: pyrnn.LayerNorm((2, 3)),
    "Embedding. gets 2 features, expected ids": lambda: pyrnn.Sequential(
        pyrnn.Linear(2, 2), pyrnn.Embedding(3, 2)
    ),
    "gets ids, expected 2 features": lambda: pyrnn.Concat(
        pyrnn.Embedding(3, 2), pyrnn.Linear(2, 2)
    ),
    "TimeDistributed. has a GRU": lambda: pyrnn.Sequential(
        pyrnn.TimeDistributed(pyrnn.Sequential(pyrnn.GRU(2, 3), pyrnn.LastStep()))
    ),
    "no part that says how many features": lambda: pyrnn.Sequential(pyrnn.Tanh()),
    "Concat. joins vectors for each step with one": lambda: pyrnn.Sequential(
        pyrnn.GRU(2, 3), pyrnn.Concat(pyrnn.MaxPool(), pyrnn.Identity())
    ),
}


@pytest.mark.parametrize("message", UNFIT)
def test_models_that_do_not_fit(message, tmp_path):
    with pytest.raises(ValueError, match=message):
        pyrnn.export_c(UNFIT[message](), tmp_path / "model.c")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "2nd", "a-b", "größe", "float", "class", "_x", "a b", "a\n"])
def test_names_that_c_does_not_have(name, tmp_path):
    with pytest.raises(ValueError, match=r"export_c: name is .*expected an identifier"):
        pyrnn.export_c(pyrnn.GRU(2, 3), tmp_path / "model.c", name=name)


def test_names_and_paths_of_other_kinds(tmp_path):
    with pytest.raises(TypeError, match="export_c: name is 3, expected a string"):
        pyrnn.export_c(pyrnn.GRU(2, 3), tmp_path / "model.c", name=3)
    with pytest.raises(TypeError, match="export_c: path is"):
        pyrnn.export_c(pyrnn.GRU(2, 3), 3.5)
    for path in ("model.onnx", "model", "model.cpp"):
        with pytest.raises(ValueError, match=r"expected one that ends in \.c or \.h"):
            pyrnn.export_c(pyrnn.GRU(2, 3), tmp_path / path)


def test_a_file_is_whole(tmp_path):
    """A refusal leaves the old one."""
    path = tmp_path / "model.h"
    before = written(pyrnn.GRU(2, 3, seed=0), path)
    with pytest.raises(ValueError, match="finite"):
        pyrnn.export_c(with_nan(), path)
    assert path.read_text() == before and [*tmp_path.iterdir()] == [path]
    with pytest.raises(OSError, match="absent"):
        pyrnn.export_c(pyrnn.GRU(2, 3), tmp_path / "absent" / "model.c")


def test_an_option_that_is_new_is_refused(tmp_path, monkeypatch):
    """Until it is written in C."""
    gru, options = pyrnn.GRU(2, 3), pyrnn.GRU._cell_options
    monkeypatch.setattr(pyrnn.GRU, "_cell_options", lambda layer: options(layer) | {"leak": 0.5})
    with pytest.raises(ValueError, match=r"GRU has leak=0.5, which is not written in C"):
        pyrnn.export_c(gru, tmp_path / "model.c")
