"""Promise: onnx' own node tests of RNN, LSTM, GRU and ReverseSequence pass on pyrnn's Backend.

The package's own runner runs them, on the data that it brings; where onnx is installed.
"""

import unittest

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed: `make test-peers` does it")
from pyrnn.onnx import Backend  # noqa: E402

NAMES = r"^test_(rnn|simple_rnn|lstm|gru|reversesequence)_\w+_cpu$"
OTHERS = r"_(bfloat16|float16)_"  # which pyrnn does not compute in


@pytest.mark.filterwarnings("ignore")  # the cases of all operators are computed here
def test_node_tests():
    from onnx.backend.test import BackendTest

    made = BackendTest(Backend, __name__).include(NAMES).exclude(OTHERS)
    cases = made.test_cases["OnnxBackendNodeModelTest"]
    names = [name for name in dir(cases) if name.startswith("test_")]
    names = [n for n in names if not getattr(getattr(cases, n), "__unittest_skip__", False)]
    for word in ("peepholes", "seq_length", "batchwise", "reversesequence_time"):
        assert any(word in name for name in names), word
    assert len(names) >= 20
    result = unittest.TestResult()
    unittest.TestSuite(map(cases, names)).run(result)
    assert result.testsRun == len(names) and not result.skipped
    assert not result.failures + result.errors, result.failures + result.errors


def model(text):
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 18]> {text}')


def test_a_model_runs():
    tanh = model("g (float[N] x) => (float[N] y) { y = Tanh(x) }")
    x = np.linspace(-1, 1, 5, dtype=np.float32)
    for inputs in ([x], (x,), {"x": x}, x):
        (y,) = Backend.run_model(tanh, inputs)
        assert np.allclose(y, np.tanh(x))


def test_what_does_not_run_is_named():
    tanh = model("g (float[N] x) => (float[N] y) { y = Tanh(x) }")
    with pytest.raises(ValueError, match="device is 'CUDA:0', expected 'CPU'"):
        Backend.prepare(tanh, "CUDA:0")
    with pytest.raises(ValueError, match="Celu node 'y': pyrnn does not compute this operator"):
        Backend.prepare(model("g (float[N] x) => (float[N] y) { y = Celu(x) }"))
