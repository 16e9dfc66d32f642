"""A function of another room under its own name and description, its result as one that prints itself."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Found = TypeVar("Found")
Shown = TypeVar("Shown")


def shown(function: Callable[P, Found], made: Callable[[Found], Shown]) -> Callable[P, Shown]:
    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Shown:
        return made(function(*args, **kwargs))

    return call
