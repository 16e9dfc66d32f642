"""Axes of pictures: from what is drawn to a share of the picture's width or height, and which values are written beside them."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

Label = Callable[[float], str]


def nice(most: float) -> list[float]:
    """Values for an axis from 0 to `most`."""
    if most <= 0:
        return [0]
    power = 10.0 ** math.floor(math.log10(most / 4))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= most / 4.01)
    return [step * i for i in range(int(most / step + 1e-9) + 1)]


class Axis(NamedTuple):
    """low, high: its ends, as values or as logarithms.  ticks: (value, what is written there)."""
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    log: bool = False

    def at(self, value: float) -> float:
        """0 to 1; what lies outside is brought to the end."""
        v = math.log10(max(value, 1e-12)) if self.log else value
        return min(1.0, max(0.0, (v - self.low) / (self.high - self.low)))


def linear(values: Iterable[float], label: Label) -> Axis:
    """From 0 to a little more than the largest."""
    most = max([0.0, *values])
    return Axis(0, most * 1.05 or 1, [(v, label(v)) for v in nice(most)])


def decades(values: Iterable[float], label: Label) -> Axis:
    """From a power of ten to a power of ten; what is not above 0 has no place there."""
    found = [v for v in values if v > 0] or [1.0]
    low, high = math.floor(math.log10(min(found)) + 1e-9), math.ceil(math.log10(max(found)) - 1e-9)
    high = max(high, low + 1)
    return Axis(low, high, [(10.0 ** e, label(10.0 ** e)) for e in range(low, high + 1)], log=True)


def spread_out(values: Sequence[float], label: Label) -> Axis:
    """Exactly these values, by their logarithms: each is a tick."""
    low, high = math.log10(min(values)), math.log10(max(values))
    return Axis(low, high if high > low else low + 1, [(v, label(v)) for v in values], log=True)


def places(names: Sequence[str], characters: int) -> Axis:
    """Names at equal distances; so many are written that they fit into that many characters."""
    each = max(1, math.ceil(len(names) * (max(map(len, names), default=1) + 2) / max(characters, 1)))
    return Axis(-0.5, len(names) - 0.5, [(float(i), name) for i, name in enumerate(names) if i % each == 0])
