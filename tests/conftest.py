"""Fixtures: each instruction set, a seeded generator, Keras, settings restored after a test."""

import os

import numpy as np
import pytest

import pyrnn
from cases import ISAS
from pyrnn import _core


@pytest.fixture(params=ISAS)
def isa(request):
    """Runs the test once on each instruction set; one that the CPU lacks is a visible skip."""
    if request.param not in pyrnn.available_isas():
        pytest.skip(f"this CPU cannot run {request.param}: it has {pyrnn.available_isas()}")
    before = pyrnn.active_isa()
    _core._set_isa(request.param)
    yield request.param
    _core._set_isa(before)


@pytest.fixture
def rng():
    return np.random.default_rng(20260101)


@pytest.fixture
def keras(monkeypatch):
    """Keras on torch, with float64 as its default dtype; it keeps no file of settings."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # both are read at its import
    monkeypatch.setenv("KERAS_HOME", os.devnull)
    keras = pytest.importorskip("keras", reason="Keras is not installed: `make test-peers` does it")
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield keras
    keras.config.set_floatx(before)


@pytest.fixture(autouse=True)
def default_settings():
    """Number of threads and workspace limit are as before after each test."""
    threads, limit = pyrnn.get_num_threads(), _core.workspace_limit()
    yield
    pyrnn.set_num_threads(threads)
    pyrnn.set_workspace_limit(limit)
