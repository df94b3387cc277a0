"""The C functions that a model calls: files of `kernels`, with those that they call in turn."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent / "kernels"
AFFINE = "affine"  # the files that begin so have a model_affine each
DEFINES = re.compile(r"^(?:static \w+ |\} )model_(\w+)", re.MULTILINE)
USES = re.compile(r"\bmodel_(\w+)")


def kernels(text: str, affine: str) -> list[str]:
    """The definitions of all that a text uses, each after those that it uses itself.

    `affine` names the file of model_affine.
    """
    paths = sorted(FOLDER.glob("*.c"))
    files = [p.read_text() for p in paths if p.stem == affine or not p.stem.startswith(AFFINE)]
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
