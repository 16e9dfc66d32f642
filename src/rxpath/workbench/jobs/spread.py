"""How sure a figure is: the same unit with other seeds, and what its figures were in each.

A seed draws what the traffic spec and the host file call random and what a recording leaves open (run/left_open.py).  Two settings are
compared seed by seed (common random numbers): what chance does to both it does not count, and few seeds tell small effects apart.  The test
is the t interval of these differences at 99 %: it holds its level from three seeds on, where the percentile bootstrap does not below
twenty; a difference in every seed alike is told apart by two.  From five seeds on
it is enough, too, that all values of one setting lie above all of the other's: of two alike that happens once in 126 times."""
from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from rxpath.workbench.host.model.host import Host
from rxpath.workbench.jobs import unit as units
from rxpath.workbench.jobs.pool import Pool, Progress, Stop
from rxpath.workbench.jobs.unit import Result, Unit
from rxpath.workbench.run.books import CONTEXTS
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.traffic.spec import SEED_MAX, Spec
from rxpath.workbench.words.mistakes import BadInput
from rxpath.workbench.words.units import LARGEST

APART = 5                                                   # seeds from which two sets of values that do not overlap say something
LATENCY = ("p50", "p90", "p99", "p99.9", "max", "mean")
LEVEL = 0.01                                                # of a test: 99 % is what is called sure

Path = tuple[str, ...]                                      # ("lost",), ("dropped", "SOCKET_RCVBUFF"), ("sockets", "dns", "received")


# ---------------------------------------------------------------- the same with another seed
def reseeded(unit: Unit, host: Host, spec: Spec | None, k: int) -> Unit:
    """The k-th unit of a spread: host and spec each have their k-th seed after their own; 0 is the unit itself.  host, spec: as the unit
    makes them."""
    if k == 0:
        return unit
    of_spec = (f"traffic.seed={(spec.seed + k) % (SEED_MAX + 1)}",) if spec is not None else ()
    return replace(unit, seed=None, overrides=(*unit.overrides, f"seed={seed_of(host, k)}"), traffic=(*unit.traffic, *of_spec))


def seed_of(host: Host, k: int) -> int:
    return (host.seed + k) % (LARGEST + 1) if k else host.seed


def repeat(pool: Pool, first: Result, unit: Unit, seeds: int, stop: Stop | None = None, progress: Progress | None = None) -> Spread | None:
    """first: what came of the unit.  None: it was stopped before all seeds were done."""
    host, spec = units.the_host(unit), traffic.changed_spec(unit.capture, unit.traffic, unit.seed)
    found = dict(pool.run_all([reseeded(unit, host, spec, k) for k in range(1, seeds)], progress, stop=stop))
    for _, result in sorted(found.items()):
        if result.error is not None:
            raise BadInput(result.error)
    if len(found) < seeds - 1:
        return None
    return spread([seed_of(host, k) for k in range(seeds)], [first, *(result for _, result in sorted(found.items()))])


# ---------------------------------------------------------------- figures
@dataclass(frozen=True, slots=True)
class Range:
    """A figure in every seed."""
    each: tuple[int, ...]

    @property
    def min(self) -> int:
        return min(self.each)

    @property
    def median(self) -> int:
        """Of an even number of seeds the lower of the two in the middle: a figure that a run had."""
        return statistics.median_low(self.each)

    @property
    def max(self) -> int:
        return max(self.each)

    def to_dict(self) -> dict[str, Any]:
        return {"min": self.min, "median": self.median, "max": self.max, "each": list(self.each)}


@dataclass(frozen=True, slots=True)
class Spread:
    """seeds: of the host, in the order of every Range.each.  part: of the first 1/part of the traffic."""
    seeds: tuple[int, ...]
    figures: Mapping[Path, Range] = field(default_factory=dict)
    part: int = 1

    def __getitem__(self, path: Path | str) -> Range:
        return self.figures.get((path,) if isinstance(path, str) else path, Range((0,) * len(self.seeds)))

    @property
    def busy_ns(self) -> Range:
        """CPU time of everything, in every seed."""
        contexts = [self["cpu_ns", context].each for context in CONTEXTS if context != "idle"]
        return Range(tuple(sum(ns) for ns in zip(*contexts, strict=True)))

    def to_dict(self) -> dict[str, Any]:
        """{"seeds": [...], "part": 1, "lost": {min, median, max, each}, "dropped": {reason: {...}}, ...}"""
        out: dict[str, Any] = {"seeds": list(self.seeds), "part": self.part}
        for path, found in self.figures.items():
            node = out
            for step in path[:-1]:
                node = node.setdefault(step, {})
            node[path[-1]] = found.to_dict()
        return out


def figures(r: Result) -> dict[Path, int]:
    """What of a run is given with its spread, and what two runs are compared by."""
    out: dict[Path, int] = {(k,): getattr(r, k) for k in ("offered", "delivered", "received", "queued", "lost")}
    out |= {("dropped", reason): n for reason, n in sorted(r.dropped.items())}
    out |= {("latency_ns", k): r.latency_ns[k] for k in LATENCY if k in r.latency_ns}
    out |= {("done_ns", k): r.done_ns[k] for k in LATENCY if k in r.done_ns}
    out |= {("cpu_ns", k): n for k, n in r.cpu_ns.items() if k != "idle"}
    out |= {("sockets", name, k): n for name, each in r.sockets.items() for k, n in each.items()}
    out |= {("apps", name, k): each[k] for name, each in r.apps.items() for k in ("count", "p50", "p99", "max") if k in each}
    out |= {("cpus", str(c["cpu"]), "busy_ns"): c["hardirq"] + c["softirq"] + c["syscall"] + c["application"] for c in r.cpus}
    return out


def spread(seeds: Sequence[int], results: Sequence[Result], part: int = 1) -> Spread:
    """Of what came of every seed; what a run does not have (a reason that it gave nobody) is 0 there."""
    each = [figures(r) for r in results]
    paths = dict.fromkeys(p for found in each for p in found)
    return Spread(tuple(seeds), {p: Range(tuple(found.get(p, 0) for found in each)) for p in _grouped(paths)}, part)


def _grouped(paths: Mapping[Path, None]) -> list[Path]:
    """Those of a group together, in the order in which each group was met first."""
    groups = list(dict.fromkeys(p[0] for p in paths))
    return sorted(paths, key=lambda p: groups.index(p[0]))


# ---------------------------------------------------------------- told apart
def told_apart(one: Sequence[float], other: Sequence[float]) -> bool:
    """Do two settings differ by more than the seeds do?  one, other: a figure in every seed, in pairs of the same seed; of more seeds on
    one side the others are left out.  One seed alone says nothing of chance: there any difference is one."""
    return no_overlap(one, other) or beyond_chance([b - a for a, b in zip(one, other, strict=False)])


def no_overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    """Do all values of the one lie above all of the other, of enough seeds?"""
    return min(len(one), len(other)) >= APART and (max(one) < min(other) or max(other) < min(one))


def beyond_chance(differences: Sequence[float]) -> bool:
    """Is 0 outside the t interval of their mean?"""
    return p_value(differences) < LEVEL


def p_value(differences: Sequence[float]) -> float:
    """How often chance alone gives a mean that far from 0, by Student's t; 0 where every one is the same and not 0."""
    n = len(differences)
    mean = statistics.fmean(differences) if differences else 0.0
    spread_ = statistics.stdev(differences) if n > 1 else 0.0
    if not spread_:
        return float(mean == 0)
    return beyond(abs(mean) * math.sqrt(n) / spread_, n - 1)


def half_width(each: Sequence[float]) -> float:
    """Of the t interval of their mean, 99 %; 0 where chance does nothing, or one value says nothing of it."""
    return t_99(len(each) - 1) * statistics.stdev(each) / math.sqrt(len(each)) if len(each) > 1 else 0.0


@lru_cache
def t_99(freedom: int) -> float:
    """Student's t, two-sided: beyond it is 1 %."""
    low, high = 0.0, 64.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle, freedom) > LEVEL else (low, middle)
    return high


def beyond(t: float, freedom: int) -> float:
    """The share of Student's t, with whole degrees of freedom, that is beyond -t and t: its finite series (Abramowitz and Stegun
    26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    odd, cos2 = freedom % 2, math.cos(angle) ** 2
    term, total = 1.0, 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= cos2 * k / (k + 1)
    inside = math.sin(angle) * (2 * math.cos(angle) * total / math.pi if odd else total) + (2 * angle / math.pi if odd else 0.0)
    return min(max(1 - inside, 0.0), 1.0)
