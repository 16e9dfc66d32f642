"""Figures as a person reads them: three digits that matter."""
from __future__ import annotations


def ns(value: int) -> str:
    """A time, three digits that matter."""
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)):
        if value >= size:
            x = value / size
            return f"{x:.2f} {unit}" if x < 10 else f"{x:.1f} {unit}" if x < 100 else f"{x:,.0f} {unit}"
    return f"{value} ns"


def share(part: int, whole: int) -> str:
    if not whole:
        return "-"
    percent = 100 * part / whole
    return f"{percent:.1f}%" if percent >= 0.05 or not part else "<0.1%"
