"""Figures as a person reads them: three digits that matter."""
from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Figure = TypeVar("Figure", int, float)


def ns(value: int) -> str:
    """A time, three digits that matter."""
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)):
        if value >= size:
            x = value / size
            return f"{x:.2f} {unit}" if x < 10 else f"{x:.1f} {unit}" if x < 100 else f"{x:,.0f} {unit}"
    return f"{value} ns"


def between(low: Figure, high: Figure, text: Callable[[Figure], str]) -> str:
    """"4,155 to 4,200"; one figure where both are written alike."""
    one, other = text(low), text(high)
    return one if one == other else f"{one} to {other}"


def count(value: int) -> str:
    return f"{value:,}"


def share(part: int, whole: int) -> str:
    if not whole:
        return "-"
    percent = 100 * part / whole
    return f"{percent:.1f}%" if percent >= 0.05 or not part else "<0.1%"
