"""Values that no argument takes, and what is wrong with the errors that they give."""

import re
import resource
from contextlib import contextmanager

import numpy as np

import pyrnn


class Array:
    """An object that makes an array, or does not."""

    def __init__(self, make):
        self.make = make

    def __array__(self, dtype=None, copy=None):
        return self.make()


def _raise():
    raise RuntimeError("\x1b[2J no array " + "x" * 10**6)


BAD = {
    "None": None,
    "3": 3,
    "a": "a",
    "()": (),
    "object": object(),
    "text": "\x1b[2J" + "y" * 10**6,
    "integer": 10**5000,
    "nested": [["a"], 3],
    "raises": Array(_raise),
    "garbage": Array(lambda: "garbage"),
    "huge": Array(lambda: np.broadcast_to(np.float32(0), (2**22, 2**22))),
}


def complaints(call, argument, *, also=()):
    """Calls with each value: what its error lacks, one line each. An error is a TypeError or a
    ValueError, for the huge array perhaps a MemoryError; it begins with a name of pyrnn's, names
    the argument (a regular expression), and is short and prints on a terminal as it is."""
    said = re.compile(rf"\b({argument})\b")
    wrong = []
    for label, bad in BAD.items():
        try:
            with bounded_memory(), pyrnn.threads(1):
                call(bad)
        except MemoryError as error:
            if label != "huge" or len(str(error)) > 700:
                wrong.append(f"{label}: {error!r:.300}")
        except (TypeError, ValueError) as error:
            text = str(error)
            begins = re.match(r"(init\.)?\w+(\.\w+)?(\[\w+\])?: ", text)
            plain = len(text) <= 700 and text.replace("\n", " ").isprintable()
            if not (begins and said.search(text) and plain):
                wrong.append(f"{label}: {len(text)} characters: {error!r:.300}")
        except also:
            pass
        except Exception as error:
            wrong.append(f"{label}: {error!r:.300}")
    return wrong


@contextmanager
def bounded_memory(extra=4 * 2**30):
    """So that the huge array is refused where the system would promise any memory."""
    kept = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + extra, kept[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, kept)
