"""Heavy tails whose mean is what was asked for.

A Pareto distribution of shape alpha has a mean of alpha / (alpha - 1) times its shortest value, but where alpha is near 1 most of that
lies in values that hardly ever come.  The generator draws from a table of quantiles, between which it goes straight, and cuts what is more
than PARETO_MOST.  So the shortest value is chosen such that the mean of what is really drawn is right."""
from __future__ import annotations

import functools
from itertools import pairwise

from ..abi.generate import FRACTION, NPARETO
from .generator import PARETO_MOST

ONE = 1 << FRACTION
HALVINGS = 45
NEGLIGIBLE = 2.0 ** -32                                   # a chance


def quantiles(alpha: float) -> tuple[int, ...]:
    """Of the shortest value being 1 << 16, at k / NPARETO."""
    return tuple(round(ONE * (1 - k / NPARETO) ** (-1 / alpha)) for k in range(NPARETO))


def mean(table: tuple[int, ...], shortest: float, least: float) -> float:
    """Of what pareto_draw() (generator.py) gives, times `shortest`, where nothing is less than `least`."""
    total, scale, chance = 0.0, 1.0, 1.0
    most = shortest * PARETO_MOST / ONE
    while True:
        part = chance / NPARETO
        for low, high in pairwise(table):
            total += part * _mean_of_line(shortest * scale * low / ONE, shortest * scale * high / ONE, least, most)
        chance, scale = part, scale * table[-1] / ONE
        if scale * ONE >= PARETO_MOST or chance < NEGLIGIBLE:
            return total + chance * max(min(shortest * scale, most), least)


def _mean_of_line(a: float, b: float, least: float, most: float) -> float:
    """Of a value that is evenly distributed from a to b, kept between least and most."""
    if b <= least:
        return least
    if a >= most:
        return most
    if b <= a:
        return min(max(a, least), most)
    low, high = max(a, least), min(b, most)
    return ((low - a) * least + (high - low) * (low + high) / 2 + (b - high) * most) / (b - a)


@functools.lru_cache(maxsize=256)
def shortest(table: tuple[int, ...], wanted: float, least: float) -> float:
    """The shortest value for that mean.  Kept: a sweep generates the same streams for each of its runs."""
    if not least:
        return wanted / mean(table, 1.0, 0)
    low, high = 0.0, max(wanted, least)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if mean(table, middle, least) < wanted:
            low = middle
        else:
            high = middle
    return high
