"""The names that users see."""

from typing import Any


def present(face: dict[str, Any]) -> None:
    """Lets the public objects of a package say that they live there, not in a private file.

    `face` is the package's globals(): `pyrnn.LSTM` is shown, pickled and documented as that.
    """
    package = face["__name__"]
    for name, value in face.items():
        home = getattr(value, "__module__", None)
        if name[0] != "_" and isinstance(home, str) and home.startswith(f"{package}."):
            value.__module__ = package
