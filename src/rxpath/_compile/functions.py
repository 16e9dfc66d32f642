"""Path functions: the decorators, and the face that Python sees of a compiled one.

Three ways to run, one source:
  compiled   an @entry is a C function of the core, called through ctypes (loader.py); no Numba, no NumPy
  plain      entry.plain, or RXPATH_PLAIN=1: everything is the Python that you read
  building   build.py, in a process of its own, turns every @path_function into bitcode; where Numba is"""
import ctypes
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

from . import options
from .memory import Mem

F = TypeVar("F", bound=Callable[..., Any])
FUNCTIONS: dict[str, Any] = {}          # name -> function; names are symbols of the core, so they are unique
COLD: set[str] = set()
ALWAYS_INLINE: set[str] = set()
NOINLINE: set[str] = set()
LAST_ACTS: set[str] = set()
ASKS: set[str] = set()
VERDICTS: set[str] = set()
ENTRIES: list[str] = []                 # those that Python calls


def path_function(f: F) -> F:
    """A function of the path: fully annotated, no closure, no default argument, a unique name."""
    known = FUNCTIONS.setdefault(f.__name__, f)
    if known is not f and known.__module__ != f.__module__:
        raise NameError(f"two path functions are called {f.__name__}: {known.__module__} and {f.__module__}")
    FUNCTIONS[f.__name__] = f
    return f


def cold(f: F) -> F:
    """A path function off the common way (a loss, a mark that somebody asked for).  Like unlikely() and __cold: it is not inlined, and the
    code round its call is laid out as if it were never reached."""
    COLD.add(f.__name__)
    return f


def always_inline(f: F) -> F:
    """__always_inline: on every packet's way, and called by the polls of several drivers, so that LLVM would leave it outside of each."""
    ALWAYS_INLINE.add(f.__name__)
    return f


def last_act(f: F) -> F:
    """Puts its packet off: whoever calls it, directly or through others, does nothing afterwards (check.py)."""
    LAST_ACTS.add(f.__name__)
    return f


def asks(f: F) -> F:
    """The question whether it is still this CPU's turn: after it, a loop may go on."""
    ASKS.add(f.__name__)
    return f


def verdict(f: F) -> F:
    """Its result says what has become of the packet, which may have been put off; the caller goes by it."""
    VERDICTS.add(f.__name__)
    return f


def entry(f: F) -> F:
    """A path function that Python calls.  The core is loaded at the first call, not at import."""
    path_function(f)
    if f.__name__ not in ENTRIES:
        ENTRIES.append(f.__name__)
    if options.PLAIN or options.BUILDING:
        f.plain, f.bind = f, lambda: f  # type: ignore[attr-defined]
        return f
    return _Entry(f)                    # type: ignore[return-value]


class _Entry:
    """Calls the compiled function, which bind() gives; .plain is the Python one."""
    __slots__ = ("__name__", "_c", "plain")

    def __init__(self, f: Any) -> None:
        self.plain, self._c, self.__name__ = f, None, f.__name__

    def bind(self) -> Any:
        """The compiled function itself."""
        if self._c is None:
            self._c = _bind(self.plain)
        return self._c

    def __call__(self, *args: Any) -> Any:
        return self.bind()(*args)


def _bind(f: Any) -> Any:
    from . import loader
    hints = get_type_hints(f)
    c = getattr(loader.core(), f.__name__)
    c.restype, *c.argtypes = [_ctype(hints[n]) for n in ("return", *f.__code__.co_varnames[:f.__code__.co_argcount])]
    if hints["return"] is bool:
        c.restype = ctypes.c_bool
    if options.BOUNDS:
        c.errcheck = loader.raise_fault
    return c


def _ctype(t: Any) -> Any:
    if t is type(None):
        return None
    return {int: ctypes.c_int64, bool: ctypes.c_int64, Mem: Mem}.get(t) or ctypes.POINTER(t)     # a bool argument is as wide as an int
