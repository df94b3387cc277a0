"""Promise: a history gives its numbers by epoch, by name and as a table."""

import sys

import pytest

import pyrnn


def history():
    made = pyrnn.History()
    made.append(2.0, 1.5, 0.5, 100)
    made.append(1.0, 1.25, 0.25, 100, {"accuracy": 0.75})
    return made


def test_by_epoch_and_by_name():
    made = history()
    last = {"loss": 1.0, "val_loss": 1.25, "accuracy": 0.75}
    assert made[-1] == made[1] == last | {"seconds": 0.25, "tokens_per_second": 400.0}
    assert list(made.columns()) == list(made[0])
    assert made.columns()["loss"] == [2.0, 1.0]
    with pytest.raises(IndexError):
        made[2]


def test_to_frame():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = history().to_frame()
    assert frame.index.name == "epoch" and frame.index.tolist() == [1, 2]
    assert frame.loc[2].to_dict() == history()[1]
    assert pandas.isna(frame.loc[1, "accuracy"]) and len(pyrnn.History().to_frame()) == 0


def test_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError) as raised:
        history().to_frame()
    assert raised.value.__notes__ == [
        "History.to_frame makes a table of pandas: pip install pandas"
    ]
