"""The C functions that a model calls: files of `kernels`, with those that they call in turn."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent / "kernels"
PLAIN, NORMALISED = "affine", "affine_normalised"  # either may be model_affine
DEFINES = re.compile(r"^(?:static \w+ |\} )model_(\w+)", re.MULTILINE)
USES = re.compile(r"\bmodel_(\w+)")


def kernels(text: str, normalises: bool) -> list[str]:
    """The definitions of all that a text uses, each after those that it uses itself."""
    unused = PLAIN if normalises else NORMALISED
    files = [path.read_text() for path in sorted(FOLDER.glob("*.c")) if path.stem != unused]
    home = {name: code for code in files for name in DEFINES.findall(code)}
    found: list[str] = []

    def add(code: str) -> None:
        for used in (home[name] for name in USES.findall(code) if name in home):
            if used != code and used not in found:
                add(used)
                found.append(used)

    add(text)
    return found


def kernel_names() -> set[str]:
    """The names of all functions and types, without the model's prefix."""
    return {name for path in FOLDER.glob("*.c") for name in DEFINES.findall(path.read_text())}
