"""Promise: a tensor's memory becomes an array without a copy where the layout allows."""

import numpy as np
import pytest

from pyrnn import _core

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")
pytest.importorskip("pyrnn.torch")
from pyrnn.torch import _arrays  # noqa: E402

PARAMETER = torch.nn.Parameter(torch.randn(4, 3))
TENSORS = {
    "parameter": (PARAMETER, True),
    "double": (torch.randn(4, 3, dtype=torch.float64), True),
    "integers": (torch.arange(5), True),
    "booleans": (torch.tensor([True, False]), True),
    "bytes": (torch.zeros(64, dtype=torch.uint8), True),
    "a part": (torch.randn(6, 8)[2:4], True),
    "rows with gaps": (torch.randn(6, 5, 8)[:, :, :4].transpose(0, 1), False),
    "columns apart": (torch.randn(4, 3).T, False),
    "empty": (torch.zeros(0, 3), False),
    "scalar": (torch.tensor(3.0), True),
}


@pytest.mark.parametrize("views", [True, False])
@pytest.mark.parametrize("name", TENSORS)
def test_arrays_of_tensors(name, views, monkeypatch):
    if views and not _arrays._OFFERS_VIEWS:
        pytest.skip("this torch has no exchange API")
    monkeypatch.setattr(_arrays, "_OFFERS_VIEWS", views)
    tensor, shared = TENSORS[name]
    array, nothing = _arrays.arrays_of([tensor, None], 0)
    assert nothing is None and array.flags.c_contiguous
    assert np.array_equal(array, tensor.detach().numpy()) and array.shape == tuple(tensor.shape)
    assert np.shares_memory(array, tensor.detach().numpy()) == shared


def test_the_rows_of_a_sequence_stay_where_they_are():
    for name in ("rows with gaps", "parameter"):
        tensor, _ = TENSORS[name]
        (array,) = _arrays.arrays_of([tensor], 1)
        assert array.ctypes.data == tensor.data_ptr()
        assert array.strides == tuple(4 * stride for stride in tensor.stride())


def test_what_numpy_cannot_hold_is_refused():
    with pytest.raises((TypeError, RuntimeError)):
        _arrays.arrays_of([torch.zeros(3, dtype=torch.bfloat16)], 0)
    with pytest.raises((ValueError, RuntimeError, BufferError)):
        _arrays.arrays_of([torch.zeros(3, device="meta")], 0)


def test_bad_tables():
    def library(api, classes=(torch.Tensor,)):
        return _core.TensorLibrary(
            api, classes, (), torch.Tensor.is_neg, torch.is_grad_enabled, lambda: 1
        )

    for bad in (3, object()):
        with pytest.raises(TypeError, match="api"):
            library(bad)
    with pytest.raises(TypeError, match="classes"):
        library(None, (3,))
    assert not library(None).offers_views
    with pytest.raises(ValueError, match="api"):
        library(None).arrays_of([torch.zeros(3)], 0)
