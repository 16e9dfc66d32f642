"""Modules of the standard library that the command line's libraries import at their top and hardly ever use: a stand-in loads the real
one when somebody asks it for something.  They were a fifteenth of a short replay's CPU time (importlib.metadata alone brings email, csv,
zipfile and socket: pydantic asks it for plugins, which app.py has turned off)."""
import importlib
import sys
from types import ModuleType
from typing import Any

SELDOM = ("importlib.metadata", "secrets", "subprocess", "zipfile")


class _Later(ModuleType):
    """Its attributes are the real module's, to read and to set, so that it does not matter who holds which of the two."""

    def __getattr__(self, name: str) -> Any:
        if name in ("__path__", "__file__", "__spec__"):        # what the import system asks is no use of the module
            raise AttributeError(name)
        if (self.__name__, name) == ("importlib.metadata", "entry_points"):
            return _entry_points                                # pydantic takes the function at its top
        return getattr(_real(self), name)

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:
            setattr(_real(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_real(self), name)

    def __dir__(self) -> list[str]:
        return dir(_real(self))


def _real(stand_in: ModuleType) -> ModuleType:
    """The import system's own lock makes this right for threads: the second one waits for the first's import."""
    name = stand_in.__name__
    if sys.modules.get(name) is stand_in:
        sys.modules.pop(name, None)
    return importlib.import_module(name)


def _entry_points(**of: Any) -> Any:
    from importlib.metadata import entry_points

    found = entry_points
    if found is _entry_points:
        found = _real(sys.modules["importlib.metadata"]).entry_points
    return found(**of)


def load_later() -> None:
    """Put a stand-in where each of them would be; one that is loaded already stays."""
    for name in SELDOM:
        if name not in sys.modules:
            sys.modules[name] = stand_in = _Later(name)
            package, _, last = name.rpartition(".")
            if package:
                setattr(importlib.import_module(package), last, stand_in)
