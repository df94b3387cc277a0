"""Promise: what the format of safetensors forbids is refused; of what it allows, values are right.

Files are made byte by byte from the rules of the format; then thousands of damaged ones are read by
pyrnn and by the package safetensors, which have to agree.
"""

import json
import os

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load as reference

import pyrnn
from compare import assert_same_bits
from pyrnn._base.tensor_file import read_weights


def entry(start, end, shape, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def file_of(header, data=b"", *, length=None):
    """A file with this header (an object, or bytes) before its data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


EIGHT = bytes(range(8))
ONE = {"w": entry(0, 8, [2])}
REFUSED = {
    "empty": b"",
    "shorter than the length of its header": b"\0" * 7,
    "no header": (0).to_bytes(8, "little"),
    "a header beyond the end": file_of(ONE, length=10**6),
    "a header above the limit": file_of(ONE, length=100_000_001),
    "a header of 2**64 - 1 bytes": file_of(ONE, length=2**64 - 1),
    "a header of 2**63 bytes": file_of(ONE, length=2**63),
    "not UTF-8": file_of(b'{"\xff\xfe": 1}'),
    "not JSON": file_of(b"{not json}"),
    "a list": file_of(b"[1, 2, 3]"),
    "a number": file_of(b"12345678"),
    "a text": file_of(b'"abcdefgh"'),
    "null": file_of(b"null    "),
    "a byte behind the header's object": file_of(b'{"__metadata__": {}}x'),
    "a name twice": file_of(b'{"w": %s, "w": %s}' % ((json.dumps(ONE["w"]).encode(),) * 2), EIGHT),
    "metadata that are a list": file_of({"__metadata__": []}),
    "metadata with a number": file_of({"__metadata__": {"a": 1}}),
    "metadata with an object": file_of({"__metadata__": {"a": {}}}),
    "an entry that is no object": file_of({"w": 3}, EIGHT),
    "an entry without a shape": file_of({"w": {"dtype": "F32", "data_offsets": [0, 8]}}, EIGHT),
    "an entry without a dtype": file_of({"w": {"shape": [2], "data_offsets": [0, 8]}}, EIGHT),
    "an entry without offsets": file_of({"w": {"dtype": "F32", "shape": [2]}}, EIGHT),
    "an unknown dtype": file_of({"w": entry(0, 8, [2], "F31")}, EIGHT),
    "bytes that are missing": file_of(ONE, EIGHT[:-1]),
    "bytes behind the end": file_of(ONE, EIGHT + b"\0"),
    "a zip archive behind the end": file_of(ONE, EIGHT + b"PK\3\4" + b"\0" * 30),
    "a hole": file_of({"v": entry(0, 4, [1]), "w": entry(8, 12, [1])}, b"\0" * 12),
    "a hole at the start": file_of({"w": entry(4, 12, [2])}, b"\0" * 12),
    "an overlap": file_of({"v": entry(0, 8, [2]), "w": entry(4, 12, [2])}, b"\0" * 12),
    "the same bytes twice": file_of({"v": entry(0, 8, [2]), "w": entry(0, 8, [2])}, EIGHT),
    "offsets that go back": file_of({"w": entry(8, 0, [2])}, EIGHT),
    "negative offsets": file_of({"w": entry(-8, 0, [2])}, EIGHT),
    "offsets above 2**63": file_of({"w": entry(2**63, 2**63 + 8, [2])}, EIGHT),
    "offsets above 2**64": file_of({"w": entry(2**64, 2**64 + 8, [2])}, EIGHT),
    "offsets that are floats": file_of({"w": entry(0.0, 8.0, [2])}, EIGHT),
    "offsets that are texts": file_of({"w": entry("0", "8", [2])}, EIGHT),
    "three offsets": file_of({"w": entry(0, 8, [2]) | {"data_offsets": [0, 4, 8]}}, EIGHT),
    "a shape that is larger": file_of({"w": entry(0, 8, [3])}, EIGHT),
    "a shape that is smaller": file_of({"w": entry(0, 8, [1])}, EIGHT),
    "a shape whose product is beyond 2**64": file_of({"w": entry(0, 8, [2, 2**64 - 2])}, EIGHT),
    "a shape whose product wraps to 2": file_of({"w": entry(0, 8, [2, 2**63 + 1])}, EIGHT),
    "a shape whose bytes wrap": file_of({"w": entry(0, 8, [2, 2**63 - 1])}, EIGHT),
    "a negative shape": file_of({"w": entry(0, 8, [-2])}, EIGHT),
    "two negative sizes": file_of({"w": entry(0, 8, [-1, -2])}, EIGHT),
    "a shape of floats": file_of({"w": entry(0, 8, [2.0])}, EIGHT),
    "a shape that is a number": file_of({"w": entry(0, 8, 2)}, EIGHT),
    "too many axes": file_of({"w": entry(0, 8, [1] * 70 + [2])}, EIGHT),
    "nesting of 100,000": file_of(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "lists of 100,000": file_of(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "an integer of 10,000 digits": file_of(b'{"w": %s}' % (b"9" * 10_000)),
    "floats of 8 bits": file_of({"w": entry(0, 8, [8], "F8_E4M3")}, EIGHT),
}
ALLOWED = {
    "no tensors": ({}, {}),
    "metadata alone": ({"__metadata__": {"a": "b"}}, {}),
    "one number": ({"w": entry(0, 4, [])}, {"w": np.frombuffer(EIGHT[:4], "<f4").reshape(())}),
    "no numbers": ({"w": entry(0, 0, [0, 3])}, {"w": np.zeros((0, 3), "f4")}),
    "no numbers of a huge shape": (
        {"w": entry(0, 0, [2**40, 0])},
        {"w": np.zeros((2**40, 0), "f4")},
    ),
    "spaces behind": (b'{"w": %s}      ' % json.dumps(ONE["w"]).encode(), {"w": EIGHT}),
    "tensors in another order": (
        {"v": entry(4, 8, [1]), "w": entry(0, 4, [1])},
        {"v": EIGHT[4:], "w": EIGHT[:4]},
    ),
    "names of any kind": (
        {"../../etc/passwd": entry(0, 4, [1]), "\0\n\u202eü": entry(4, 8, [1])},
        {"../../etc/passwd": EIGHT[:4], "\0\n\u202eü": EIGHT[4:]},
    ),
    "NaN": ({"w": entry(0, 4, [1])}, {"w": np.array([np.nan], "f4").tobytes()}),
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_what_is_forbidden(raw, tmp_path):
    """By both functions that read files, in a short message."""
    path, module = tmp_path / "x.safetensors", pyrnn.Linear(2, 1, seed=0)
    path.write_bytes(raw)
    before = module.state_dict()
    for read in (pyrnn.load, module.load_state_dict):
        with pytest.raises((ValueError, MemoryError)) as raised:
            read(str(path))
        assert len(str(raised.value)) < 1500 and str(raised.value).isprintable()
    assert_same_bits(module.state_dict(), before)


@pytest.mark.parametrize(("header", "arrays"), ALLOWED.values(), ids=ALLOWED)
def test_what_is_allowed(header, arrays, tmp_path):
    path = tmp_path / "x.safetensors"
    data = b"".join(
        a if isinstance(a, bytes) else a.tobytes()
        for _, a in sorted(arrays.items(), key=lambda item: header[item[0]]["data_offsets"])
    ) if not isinstance(header, bytes) else EIGHT  # fmt: skip
    path.write_bytes(file_of(header, data))
    read = read_weights(str(path))
    assert list(sorted(read)) == sorted(arrays)
    for name, array in arrays.items():
        expected = np.frombuffer(array, "<f4") if isinstance(array, bytes) else array
        assert_same_bits(read[name], expected)


def test_what_was_read_is_a_copy(tmp_path):
    """The file may change, or end, afterwards."""
    path, model = tmp_path / "model", pyrnn.Linear(30, 40, seed=0)
    model.save(path)
    loaded, weights = pyrnn.load(path), read_weights(str(path))
    os.truncate(path, 10)
    assert_same_bits(loaded.weight.data, model.weight.data)
    assert_same_bits(weights["weight"], model.weight.data)


def mutated(raw, rng):
    """A file with a few bytes changed, dropped, put in or moved, mostly in its header."""
    out = bytearray(raw)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(0, len(out) if rng.random() < 0.3 else min(len(out), 400)))
        kind = rng.integers(5)
        if kind == 0:
            out[at] ^= 1 << rng.integers(8)
        elif kind == 1:
            out[at] = rng.choice(list(b'{}[]",:0123456789-.eF \\\0\xff'))
        elif kind == 2:
            del out[at : at + rng.integers(1, 9)]
        elif kind == 3:
            out[at:at] = bytes(rng.choice(list(b'0123456789,[]{}" '), rng.integers(1, 5)))
        else:
            piece = out[at : at + 12]
            to = int(rng.integers(0, len(out)))
            out[to : to + len(piece)] = piece
        if not out:
            return b""
    return bytes(out)


def by(read, argument):
    """The arrays that a reader finds, or None for a file that it refuses."""
    try:
        return read(argument)
    except (ValueError, SafetensorError, MemoryError, TypeError, KeyError):
        return None


@pytest.mark.parametrize("times", [1000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_damaged_files_are_read_as_the_package_reads_them(times, tmp_path):
    """Refused by pyrnn if by the package; what both accept has the same values."""
    path, rng, accepted = tmp_path / "x.safetensors", np.random.default_rng(0), 0
    pyrnn.GRU(2, 3, seed=0).save(path)
    ours = path.read_bytes()
    header = {"v": entry(0, 8, [2]), "w": entry(8, 16, [1, 1, 2]), "__metadata__": {"a": "b"}}
    for start in (ours, file_of(header, EIGHT * 2)):
        for _ in range(times // 2):
            raw = mutated(start, rng)
            path.write_bytes(raw)
            found, expected = by(read_weights, str(path)), by(reference, raw)
            if found is None:
                continue
            assert expected is not None, raw
            accepted += 1
            assert_same_bits(
                {n: a.view(np.uint8) if a.ndim else a for n, a in found.items()},
                {n: a.view(np.uint8) if a.ndim else a for n, a in expected.items()},
            )
    assert accepted > times // 50
