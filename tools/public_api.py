#!/usr/bin/env python3
"""The public API as text: every public name, with its arguments and their defaults.

python tools/public_api.py            prints it
python tools/public_api.py --write    writes it to tests/data/public_api, a file per namespace

Types are left out: they are mypy's to check, and each Python writes them in its own way. What a
class inherits from another public class is said there.
"""

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "tests" / "data" / "public_api"
NAMESPACES = (
    "pyrnn", "pyrnn.init", "pyrnn.losses", "pyrnn.metrics", "pyrnn.optim", "pyrnn.estimators",
    "pyrnn.distributed", "pyrnn.keras", "pyrnn.onnx", "pyrnn.torch",
)  # fmt: skip
SPECIAL = ("__call__", "__enter__", "__exit__", "__getitem__", "__iter__", "__len__", "__setitem__")


def signature(function: Any) -> str:
    """The arguments, without types; defaults that have no short text are `...`."""
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return "(...)"
    parameters = []
    for p in found.parameters.values():
        default = p.default
        if default is not p.empty and not isinstance(
            default, bool | int | float | str | tuple | None
        ):
            default = default.__name__ if isinstance(default, type) else ...
        parameters.append(p.replace(annotation=p.empty, default=default))
    text = str(found.replace(parameters=parameters, return_annotation=found.empty))
    return text.replace("Ellipsis", "...")


def members(cls: type, classes: set[type]) -> Iterator[str]:
    """The public methods and attributes that a class has from pyrnn, one line each."""
    bases = [base for base in cls.__mro__[1:] if base in classes]
    for name in sorted(dir(cls)):
        home = next((base for base in cls.__mro__ if name in vars(base)), object)
        if not home.__module__.startswith("pyrnn") or re.fullmatch(r"set_\w+_request", name):
            continue  # another library's, the last ones scikit-learn's
        value = vars(home)[name]
        hidden = name.startswith("_") and name not in SPECIAL
        if hidden or any(inspect.getattr_static(base, name, None) is value for base in bases):
            continue
        value = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        is_method = callable(value) and not isinstance(value, type)
        yield f"    {name}{signature(value) if is_method else ''}"


def public(namespace: str) -> dict[str, Any]:
    """The public objects that say that they live there; what is imported for use does not."""
    found = vars(importlib.import_module(namespace)).items()
    return {n: v for n, v in found if n[0] != "_" and getattr(v, "__module__", "") == namespace}


def lines(namespace: str) -> Iterator[str]:
    """The public names of an imported namespace."""
    names = public(namespace)
    classes = {v for v in (*public("pyrnn").values(), *names.values()) if isinstance(v, type)}
    for name, value in sorted(names.items()):
        if isinstance(value, type):
            yield f"class {name}{signature(value)}"
            yield from members(value, classes)
        else:
            yield f"{name}{signature(value)}"


def text(namespace: str) -> str:
    return "\n".join(lines(namespace)) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for namespace in NAMESPACES:
        if "--write" in sys.argv:
            (FOLDER / f"{namespace}.txt").write_text(text(namespace))
        else:
            print(f"# {namespace}\n{text(namespace)}")


if __name__ == "__main__":
    main()
