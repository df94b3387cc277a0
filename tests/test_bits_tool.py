"""Promise: tools/bits.py hashes every part, loss, optimizer and option, and no bit escapes it."""

import functools
import importlib
import importlib.util
import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pyrnn

TOOLS = Path(__file__).parent.parent / "tools"
sys.path.insert(0, str(TOOLS))  # as for a script that is run there
bits, bits_cases = map(importlib.import_module, ("bits", "bits_cases"))
At = importlib.import_module("bits_cases.setting").At

# What every case has, or a class must have; how many processes train changes no bit.
PLAIN = {"dtype", "seed", "batch_first", "parameters", "communicator"}
BASES = {"Module", "Loss", "Metric", "Optimizer", "Schedule"}
FOLDERS = (pyrnn, pyrnn.losses, pyrnn.metrics, pyrnn.optim)
KINDS = (
    pyrnn.Module, pyrnn.losses.Loss, pyrnn.metrics.Metric, pyrnn.optim.Optimizer,
    pyrnn.optim.Schedule, pyrnn.optim.EMA, pyrnn.Trainer,
)  # fmt: skip
PUBLIC = {
    f"{folder.__name__}.{name}": cls
    for folder in FOLDERS
    for name, cls in vars(folder).items()
    if isinstance(cls, type) and issubclass(cls, KINDS) and name not in BASES
}


def options(cls):
    """The options of a constructor and their defaults."""
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


@pytest.fixture(scope="module")
def given():
    """{class: the options that a case gave it, with a value that is not the default}."""
    found = {}

    def recording(cls, init):
        @functools.wraps(init)
        def wrapped(self, *args, **keywords):
            caller = sys._getframe(1).f_globals["__name__"]
            if caller.startswith("bits_cases"):
                values = inspect.signature(init).bind(None, *args, **keywords).arguments
                default = options(cls)
                shared = default.keys() & values.keys()
                changed = {k for k in shared if repr(values[k]) != repr(default[k])}
                found.setdefault(cls, set()).update(changed)
            init(self, *args, **keywords)

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        for cls in PUBLIC.values():
            patch.setattr(cls, "__init__", recording(cls, cls.__init__))
        for name, work, dtypes, _ in bits_cases.cases():
            if not name.startswith(("wide", "sequence_estimator")):
                with np.errstate(all="ignore"):
                    work(At(np.random.default_rng(0), np.dtype(dtypes[0]), False))
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PUBLIC)
def test_every_option_has_a_case(name, given):
    cls = PUBLIC[name]
    assert cls in given, f"tools/bits.py makes no {name}"
    missing = set(options(cls)) - PLAIN - given[cls]
    assert not missing, f"tools/bits.py leaves these options of {name} as they are: {missing}"


def test_every_function_has_a_case():
    tables = bits_cases.training
    rows = {name for name, *_ in tables.INITIALISERS + tables.SEQUENCE_ESTIMATORS}
    assert set(pyrnn.init.__all__) - {"forget_gate_bias"} <= rows
    if importlib.util.find_spec("sklearn"):
        from pyrnn import estimators

        names = {n for n in vars(estimators) if n.startswith("Sequence")}
        assert names <= rows


def test_a_seed_is_a_set_of_numbers():
    first, again, other = (bits.hashes("metric RMSE", seed) for seed in (0, 0, 1))
    assert first == again
    assert len(first) == 2
    assert not set(first.values()) & set(other.values())


def hashed(value):
    sha = bits.hashlib.sha256()
    bits.feed(sha, value)
    return sha.hexdigest()


def test_every_bit_counts():
    a = np.array([0.0, 1.0], np.float32)
    others = [-a, np.nextafter(a, np.float32(2)), a.astype(float), a[None], a[:1], [a], (a, None)]
    others += [{"a": a}, {"b": a}, 0.0, -0.0, 0, "0", None, a.view(np.int32)]
    assert len({hashed(value) for value in [a, *others]}) == len(others) + 1
    assert hashed(np.stack([a, a])) == hashed(np.stack([a, a]).T.copy().T)
    rows = np.empty(2, object)
    rows[:] = [a, a[:1]]
    assert hashed(rows) == hashed([a, a[:1]])
    with pytest.raises(TypeError, match="value is of type object"):
        hashed(object())


def run(*arguments):
    command = [sys.executable, str(TOOLS / "bits.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_files_are_compared(tmp_path):
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    done = run("--only", "metric RMSE", "--json", before)
    assert done.returncode == 0, done.stderr
    hashes = json.loads(before.read_text())
    assert list(hashes) == list(pyrnn.available_isas())
    assert len(done.stdout.splitlines()) == sum(map(len, hashes.values())) + 1

    after.write_text(json.dumps(hashes))
    assert run("--compare", before, after).returncode == 0
    isa = pyrnn.active_isa()
    changed, gone = hashes[isa]
    hashes[isa][changed] = "0"
    del hashes[isa][gone]
    after.write_text(json.dumps(hashes))
    done = run("--compare", before, after)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 3
    assert f"{isa}  {changed}: " in done.stdout
    assert f"{isa}  {gone}: " in done.stdout
    assert "missing" in done.stdout
