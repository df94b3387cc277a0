"""Texts of any length in an HDF5 file, looked at in its bytes before HDF5's own reader is.

That reader goes on for ever at a damaged collection of texts, and makes room for as many bytes as a
damaged length says. The layout is that of the HDF5 file format specification, version 3.0: global
heaps (III.E), attribute messages (IV.A.2.m).
"""

import math

HEAP = b"GCOL\x01\0\0\0"  # how a collection of texts begins
TEXT = 16  # bytes of what points to a text: its length in 4, the collection in 8, its number in 4
RANKS = 32  # more axes are no dataspace


def check_heaps(data: bytes) -> None:
    """ValueError unless the entries of each collection of texts follow each other to its end.

    An entry has a head of 16 bytes, its length in the last 8, and content in multiples of 8; that
    with the number 0 is the free rest.
    """
    at = data.find(HEAP)
    while at >= 0:
        end = at + int.from_bytes(data[at + 8 : at + 16], "little")
        entry = at + 16
        while entry + 16 <= end <= len(data):
            length = int.from_bytes(data[entry + 8 : entry + 16], "little")
            free = data[entry : entry + 2] == b"\0\0"
            step = length if free else 16 + (length + 7) // 8 * 8
            if step < 16:
                break
            entry += step
        if not end - 16 < entry <= end <= len(data):
            raise ValueError("a damaged HDF5 file: its collections of texts are not whole")
        at = data.find(HEAP, at + 8)


def check_lengths(data: bytes, name: str) -> None:
    """ValueError unless all attributes of that name hold texts that are no longer than the file.

    The name stands between a head that tells the sizes and the type, the dataspace and the values.
    """
    word, found = name.encode() + b"\0", False
    at = data.find(word)
    while at >= 0:
        for version, head in ((1, 8), (2, 8), (3, 9)):
            start = at - head
            if start >= 0 and data[start] == version and _number(data, start + 2, 2) >= len(word):
                found = True
                _check_attribute(data, start, at, version)
        at = data.find(word, at + 1)
    if not found:
        raise ValueError(f"a damaged HDF5 file: its attribute {name} does not stand in it")


def _check_attribute(data: bytes, start: int, at: int, version: int) -> None:
    """The same of the one whose head is at `start` and whose name is at `at`."""
    sizes = [_number(data, start + place, 2) for place in (2, 4, 6)]
    if version == 1:
        sizes = [(size + 7) // 8 * 8 for size in sizes]
    space, values = at + sizes[0] + sizes[1], at + sum(sizes)
    if values + 4 > len(data):
        return  # the reader stops there itself
    rank, first = data[space + 1], space + (8 if data[space] == 1 else 4)
    dims = [_number(data, first + 8 * i, 8) for i in range(rank)] if rank <= RANKS else []
    count = min(math.prod(dims), (len(data) - values) // TEXT)
    if any(_number(data, values + TEXT * i, 4) > len(data) for i in range(count)):
        raise ValueError("a damaged HDF5 file: a text in it would be longer than the file")


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")
