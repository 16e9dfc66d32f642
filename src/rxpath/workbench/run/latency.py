"""Distributions of times, as the path keeps them: histograms whose buckets widen with the time (vtime/latency.py)."""
from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import add
from typing import Any

from rxpath._compile import numbers
from rxpath.vtime.latency import latency_bucket

QUANTILES = {"p50": 500, "p90": 900, "p99": 990, "p99.9": 999}              # per mille


@dataclass(frozen=True, slots=True)
class Latency:
    """ns from one moment to another, the same of each datagram; a percentile is the upper edge of its bucket, right within 3 %."""
    count: int
    mean: int
    quantiles: dict[str, int]
    max: int
    total: int = 0
    histogram: Sequence[int] = field(default=(), repr=False, compare=False)

    def as_dict(self) -> dict[str, int]:
        return {**self.quantiles, "max": self.max, "mean": self.mean, "count": self.count}

    def cumulative(self) -> list[tuple[int, float]]:
        """(ns, share of them that took no longer), at the edge of each bucket that holds some."""
        out, below = [], 0
        for b, n in enumerate(self.histogram):
            if n:
                below += n
                out.append((min(bucket_edge(b), self.max), below / self.count))
        return out

    @staticmethod
    def sum(parts: Sequence[Latency]) -> Latency:
        """Of all of them together."""
        some = [p for p in parts if p.count]
        if len(some) == 1:
            return some[0]
        whole = [0] * max((len(p.histogram) for p in some), default=0)
        for p in some:
            whole[:len(p.histogram)] = map(add, whole, p.histogram)
        return latency_of(whole, sum(p.total for p in some), max((p.max for p in some), default=0))


def counts(row: Any, longest: int) -> list[int]:
    """A histogram of the state, up to the bucket of the longest time."""
    return numbers(row)[:latency_bucket(longest) + 1]


def bucket_edge(b: int) -> int:
    """The largest ns that latency_bucket() puts into bucket b."""
    if b < 32:
        return b
    shift = b // 32 - 1
    return ((b - 32 * (shift + 1) + 33) << shift) - 1


def latency_of(histogram: Sequence[int], total: int, longest: int) -> Latency:
    """total: of all the ns that the histogram counts."""
    up_to = list(accumulate(histogram))
    count = up_to[-1] if up_to else 0
    quantiles = {name: min(bucket_edge(bisect_left(up_to, -(-count * per_mille // 1000))), longest) if count else 0
                 for name, per_mille in QUANTILES.items()}
    return Latency(count, total // count if count else 0, quantiles, longest, total, histogram)
