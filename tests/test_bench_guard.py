"""Promise: a kernel that needs more instructions or misses more caches than recorded is found."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent.parent / "bench"
COUNTS = {
    "stream_step": {"instructions": 2463, "misses of L1": 6, "misses of L2": 0},
    "product": {"instructions": 136_735, "misses of L1": 1604, "misses of L2": 2},
}


@pytest.fixture(scope="module")
def guard():
    """bench/guard.py as a module."""
    sys.path.insert(0, str(BENCH))
    try:
        spec = importlib.util.spec_from_file_location("guard", BENCH / "guard.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCH))
    return module


def changed(name, what, number):
    """COUNTS with one other number."""
    return COUNTS | {name: COUNTS[name] | {what: number}}


def test_a_file_of_callgrind_is_read(guard):
    text = "desc: Trigger: Client Request: gru rows=1\n"
    text += "events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw\n"
    expected = {"instructions": 900, "misses of L1": 1 + 20 + 3, "misses of L2": 4}
    # zeros at the end of a line are left out
    assert guard.counts_in(text + "totals: 900 50 60 1 20 3 4\n") == ("gru rows=1", expected)
    assert guard.counts_in("desc: Trigger: Program termination\n") is None


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (changed("product", "instructions", 141_000), "product: 141,000 instructions, 1.03 times"),
        (changed("stream_step", "misses of L1", 300), "stream_step: 300 misses of L1, 50"),
        ({"product": COUNTS["product"]}, "stream_step: is not counted any more"),
    ],
)
def test_growth_is_found(guard, new, message):
    (line,) = guard.growth(COUNTS, new)
    assert message in line


def test_what_has_not_grown_passes(guard):
    assert not list(guard.growth(COUNTS, COUNTS))
    assert not list(guard.growth(COUNTS, changed("product", "instructions", 140_000)))
    assert not list(guard.growth(COUNTS, changed("product", "misses of L2", 40)))
    assert not list(guard.growth(COUNTS, changed("product", "instructions", 1000)))


def test_twelve_are_recorded(guard):
    counts = json.loads(guard.RECORD.read_text())["counts"]
    assert len(counts) == 12
    assert all(set(found) == set(COUNTS["product"]) for found in counts.values())
