"""What the parts of a container have to agree on: one layout, one dtype."""

from typing import Any

import numpy as np

from .._base.module import Module
from .._base.names import in_messages


def agreed_dtype(container: Any) -> np.dtype[Any]:
    """The dtype of all parts that have one; float32 if none has."""
    speakers = (module for part in container for module in part.speakers())
    parts = [m for m in speakers if hasattr(m, "dtype") and m._says_dtype]
    dtypes = {part.dtype for part in parts}
    if len(dtypes) > 1:
        owner = type(container).__name__
        listed = ", ".join(f"{type(part).__name__} {part.dtype}" for part in parts)
        raise ValueError(f"{owner}: the modules disagree in dtype: {listed}")
    container._says_dtype = bool(parts)
    return dtypes.pop() if dtypes else np.dtype(np.float32)


def give_layout(container: Any) -> None:
    """One layout to all parts: the container's own, else that of parts that have one."""
    owner = type(container).__name__
    named = container.named_parts()
    parts = [(name, module) for name, part in named for module in part.speakers()]
    words = [m for _, m in parts if _says_layout(m)] + [part for part in container if part._is_part]
    if not container._says_layout and words:
        container._layout = words[0].batch_first
    for name, part in named:
        if part._is_part and part.batch_first != container.batch_first:
            raise ValueError(
                f"{owner}: {in_messages(name, type(part))} is part of a Sequential with "
                f"batch_first={part.batch_first}, expected {container.batch_first} as this one's"
            )
    for name, module in parts:
        if _says_layout(module) and module.batch_first != container.batch_first:
            raise ValueError(
                f"{owner}: module {name}: {type(module).__name__} has "
                f"batch_first={module.batch_first}, expected {container.batch_first}: "
                "the modules disagree in batch_first"
            )
    for _, module in parts:
        if module._layout != container.batch_first:  # a container's parts have its layout
            for each in module.in_one_layout() if module.made_of_parts else [module]:
                each._layout = container.batch_first
    container._says_layout = container._says_layout or bool(words)
    for _, module in parts:
        module._is_part = True


def _says_layout(module: Module) -> bool:
    """Whether a module was given its layout, or its class has one."""
    return module._says_layout or not isinstance(type(module).batch_first, property)
