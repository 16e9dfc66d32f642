"""What a tuning is for: objectives to lower, and limits that a setting must keep.

    loss      frames lost for lack of room or time, of those offered                             loss<0.01%
    p99       until a program is done with 99 % of the datagrams; a lost one is never done       p99<200us
    cpu       busy time of all CPUs, of their time                                               cpu<30%
    memory    bytes when every queue is full (jobs/unit.py)                                      memory<=8MiB

Of several runs - captures, seeds - the worst counts, for each by itself."""
from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rxpath.workbench.jobs.unit import Result
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

NAMES = ("loss", "p99", "cpu", "memory")
EXAMPLE = "such as loss<0.01%,p99<200us,cpu<30%,memory<=8MiB"
NEVER = 1e6                                                 # how far beyond its limit a p99 is that no time keeps
UNITS: Mapping[str, Callable[[str], float]] = {
    "loss": units.share, "cpu": units.share, "p99": units.duration_ns, "memory": units.size_bytes}

Figures = Mapping[str, float]                               # by name; p99 in ns, math.inf where more than 1 % were lost


@dataclass(frozen=True, slots=True)
class Limit:
    name: str
    text: str                                               # as it was given
    most: float
    below: bool                                             # < and not <=

    def met(self, figures: Figures) -> bool:
        value = figures[self.name]
        return value < self.most if self.below else value <= self.most

    def beyond(self, figures: Figures) -> float:
        """How far: 0 where it is met, 1 at twice the limit."""
        if self.met(figures):
            return 0.0
        value = figures[self.name]
        if math.isinf(value):
            return NEVER * (1 + figures["loss"])
        return max(value / self.most - 1, 1e-9) if self.most else 1 + value


@dataclass(frozen=True, slots=True)
class Wanted:
    """objectives: to lower, the most important first."""
    objectives: tuple[str, ...]
    limits: tuple[Limit, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(n for n in NAMES if n in self.objectives or n in {limit.name for limit in self.limits})

    def beyond(self, figures: Figures) -> float:
        """How far beyond the limits, all together; 0: the target is met."""
        return sum(limit.beyond(figures) for limit in self.limits)

    def order(self, figures: Figures) -> tuple[float, ...]:
        """Less is better: first the target, then the objectives in their order."""
        return (self.beyond(figures), *(figures[n] for n in self.objectives))

    def penalised(self, figures: Figures) -> list[float]:
        """The objectives for a search: what misses the target ranks behind whatever meets it, by how far."""
        beyond = self.beyond(figures)
        if beyond:
            return [1e15 * (1 + beyond)] * len(self.objectives)
        return [min(figures[n], 1e12 * (1 + figures["loss"])) for n in self.objectives]


def wanted(objectives: str | Sequence[str], target: str | None) -> Wanted:
    """From "loss,p99" and "loss<0.01%,p99<200us"."""
    given = objectives.split(",") if isinstance(objectives, str) else list(objectives)
    names = [n.strip() for n in given]
    for name in names:
        _known("--objective", name)
    if not names or len(set(names)) < len(names):
        raise BadInput(f"--objective {','.join(names)}: each once, of {', '.join(NAMES)}")
    limits = [_limit(part.strip()) for part in target.split(",")] if target is not None else []
    twice = [one.name for i, one in enumerate(limits) if one.name in [other.name for other in limits[:i]]]
    if twice:
        raise BadInput(f"--target {target}: {twice[0]} is given twice")
    return Wanted(tuple(names), tuple(limits))


def _known(option: str, name: str) -> None:
    if name not in NAMES:
        near = units.nearest(name, list(NAMES))
        raise BadInput(f"{option} {name or '(empty)'}: must be of {', '.join(NAMES)}" + (f"; did you mean {near}?" if near else ""))


def _limit(text: str) -> Limit:
    found = re.fullmatch(r"(\w+)\s*(<=?)\s*(\S.*)", text, re.ASCII)
    if found is None:
        raise BadInput(f"--target {text or '(empty)'}: must be NAME<LIMIT or NAME<=LIMIT, {EXAMPLE}")
    name, sign, value = found.groups()
    _known("--target", name)
    try:
        most = UNITS[name](value)
    except ValueError as error:
        raise BadInput(f"--target {text}: must be {error}") from None
    if sign == "<" and not most:
        raise BadInput(f"--target {text}: nothing is below 0; write {name}<={value}")
    return Limit(name, text, most, sign == "<")


# ---------------------------------------------------------------- of runs
def figures(results: Sequence[Result]) -> dict[str, float]:
    """The worst of each."""
    each = [_of(r) for r in results]
    return {n: max(one[n] for one in each) for n in NAMES}


def _of(r: Result) -> dict[str, float]:
    busy, lost = r.busy_ns, r.lost
    late = lost * 100 > r.done_ns.get("count", 0) + lost
    return {"loss": round(lost / r.offered, 9) if r.offered else 0.0, "p99": math.inf if late else r.p99_ns,
            "cpu": round(busy / max(busy + r.cpu_ns.get("idle", 0), 1), 9), "memory": r.memory_bytes}
