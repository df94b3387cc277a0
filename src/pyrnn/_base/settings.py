"""Settings: the base of public objects, which take only the attributes that they use."""

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, ClassVar

import numpy as np

from .checks import describe
from .description import constructor, kept_options
from .shown import changed_options, measured
from .words import nearest_words

_set = object.__setattr__


class Settings:
    """An object whose options are fixed when it is made, and which takes no other attributes.

    Once the constructor has returned, an own class of pyrnn takes what has a setter and the names
    in `_changeable`, and raises an AttributeError for the rest; a user's subclass takes all but
    the options of the constructor that it inherits. Names with an underscore in front are
    internal: nobody checks them.
    """

    __slots__ = ()
    _changeable: ClassVar[frozenset[str]] = frozenset()
    _is_own: ClassVar[bool] = True
    _always_shown: ClassVar[tuple[str, ...]] = ()  # options that the repr says, default or not
    _shown_state: ClassVar[tuple[str, ...]] = ()  # attributes that it says after the options
    _maker: ClassVar[type | None] = None  # the class of pyrnn whose __init__ makes the object
    _closed = True

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls._is_own = cls.__module__.partition(".")[0] == __name__.partition(".")[0]
        if cls._is_own and "__init__" in vars(cls) and "__slots__" not in vars(cls):
            cls._maker, cls._closed = cls, False
            cls.__init__ = _closing(cls, cls.__init__)  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:
        if self._closed and name[:1] != "_" and not self._takes(name, value):
            self._refuse(name, value)
        _set(self, name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._phrases())})"

    def _phrases(self) -> Iterator[str]:
        """What the repr says: the options that are not the defaults, then the state."""
        yield from changed_options(self._defaults(), self._options(), self._always_shown)
        for name in self._shown_state:
            value = getattr(self, name)
            if value is not None and np.any(value == value):  # not NaN: something is to be said
                yield f"{name}={measured(value)}"

    def _options(self) -> dict[str, Any]:
        """The constructor's options as the object has them."""
        own = getattr(self, "config", None)
        return kept_options(self, self._defaults()) if own is None else own()

    def _defaults(self) -> dict[str, Any]:
        """The options of the constructor, and of that of pyrnn which a user's subclass calls, with
        their defaults."""
        makers = dict.fromkeys((self._maker or type(self), type(self)))
        return {name: value for cls in makers for name, value in constructor(cls).items()}

    def _close(self) -> None:
        """Takes no new attributes from here on."""
        self._closed = True

    def _takes(self, name: str, value: Any) -> bool:
        """Whether a public attribute may be set once the object is made."""
        own = getattr(type(self), name, None)
        if isinstance(own, property):
            return own.fset is not None
        if callable(own) and callable(value):
            return True  # a method for this object alone, which is called from here on
        return name in self._changeable or not (self._is_own or name in options(self._maker))

    def _refuse(self, name: str, value: Any) -> None:
        """AttributeError with what came and the nearest right word."""
        cls = type(self).__name__
        there = {n for n in (*dir(type(self)), *getattr(self, "__dict__", ())) if n[0] != "_"}
        if name in options(self._maker):
            text = f"it is set for good by {cls}({name}=...); make a new {cls}"
        elif name in there:
            text = "it can only be read"
        else:
            near = _nearest(name, {n for n in there if not callable(getattr(type(self), n, None))})
            near = near or _nearest(name, options(self._maker))
            text = f"{cls} has no such attribute" + (f"; did you mean {near!r}?" if near else "")
        raise AttributeError(f"{cls}: {name} cannot be set ({describe(value)} came): {text}")


def _closing(cls: type, init: Callable[..., None]) -> Callable[..., None]:
    """`init`, after which an object that `cls` makes takes no new attributes."""

    @wraps(init)
    def closing(self: Any, *args: Any, **keywords: Any) -> None:
        init(self, *args, **keywords)
        if self._maker is cls:
            self._close()

    return closing


def missing(part: Any, name: str) -> NotImplementedError:
    """The error of a method that a subclass has to write."""
    return NotImplementedError(f"{type(part).__name__} does not define {name}")


def options(maker: type | None) -> frozenset[str]:
    """The names of the arguments that a class is made with."""
    if maker is None:
        return frozenset()
    code = maker.__init__.__wrapped__.__code__  # type: ignore[misc]
    return frozenset(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])


def _nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant: spelt alike, or the initials of its words ("lr")."""
    sought = set(names)
    initials = "".join(word[:1] for word in name.split("_"))
    near = nearest_words(name.lower(), sought, 0.6)
    return near[0] if near else initials if initials in sought else None
