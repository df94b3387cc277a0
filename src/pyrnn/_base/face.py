"""The names that users see."""

import sys
from typing import Any, NoReturn


def present(face: dict[str, Any]) -> None:
    """Lets the public objects of a package say that they live there, not in a private file.

    `face` is the package's globals(): `pyrnn.LSTM` is shown, pickled and documented as that.
    """
    package = face["__name__"]
    for name, value in face.items():
        home = getattr(value, "__module__", None)
        if name[0] != "_" and isinstance(home, str) and home.startswith(f"{package}."):
            value.__module__ = package


def absent(package: str, name: str) -> NoReturn:
    """AttributeError for a name that is not there; for a part not yet imported, how to do it."""
    from importlib.util import find_spec

    hint = ""
    if name.isidentifier() and name[0] != "_" and find_spec(f"{package}.{name}"):
        hint = f"; `import {package}.{name}` loads it"
    message = f"module {package!r} has no attribute {name!r}{hint}"
    raise AttributeError(message, name=name, obj=sys.modules[package])
