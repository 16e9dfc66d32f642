"""What came of a grid: a row for each run, a cell for each setting - all its runs - and which settings the seeds tell apart.

Every setting is run with the same seeds (common random numbers), so that two are compared seed by seed: what chance does to both it does
not count.  A group is a setting and those that are not told apart from it, neither by what they lose nor by their p99: the paired t test
against the group's first, at 1 % for all of the comparisons together (Holm).  Within a group what costs the least memory is first.

A setting may get no more seeds than others (stop()): then it comes after all that got more, as its mean is of fewer."""
from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rxpath.workbench.jobs.spread import APART, LATENCY, LEVEL, p_value
from rxpath.workbench.jobs.unit import Result
from rxpath.workbench.many import grid
from rxpath.workbench.run.books import CONTEXTS


@dataclass(frozen=True, slots=True)
class Row:
    """One run: a point of the grid on a capture with a seed."""
    index: int                                              # of the point in the grid, the last axis changing fastest
    settings: grid.Point
    result: Result
    capture: str = ""
    seed: int = 1                                           # of the host

    def flat(self) -> dict[str, Any]:
        """One level of plain values, for CSV and Parquet."""
        r = self.result
        return {"capture": self.capture, "seed": self.seed, **self.settings,
                "offered": r.offered, "delivered": r.delivered, "received": r.received, "queued": r.queued, "lost": r.lost,
                "lost_share": round(r.lost / r.offered, 6) if r.offered else 0.0,
                **{f"{k}_ns": r.latency_ns.get(k, 0) for k in LATENCY}, **{f"done_{k}_ns": r.done_ns.get(k, 0) for k in LATENCY},
                **{f"{k}_ns": r.cpu_ns.get(k, 0) for k in CONTEXTS},
                "memory_bytes": r.memory_bytes, "interrupts": r.counters.get("interrupts", 0),
                "time_squeeze": r.counters.get("softnet.time_squeeze", 0), "elapsed_ns": r.elapsed_ns, "span_ns": r.span_ns,
                **{f"dropped.{k}": n for k, n in sorted(r.dropped.items())}, "error": r.error or ""}

    def to_dict(self) -> dict[str, Any]:
        return {"capture": self.capture, "seed": self.seed, "settings": self.settings, **self.result.to_dict()}


class Why(StrEnum):
    """Why a setting got no more seeds."""
    APART = "told apart from the best"
    SAME = "the same in every seed as one that costs no more"
    HALF = "in the worse half"


@dataclass(frozen=True, slots=True)
class Stopped:
    """A setting that got no more than so many seeds."""
    seeds: int
    why: Why


@dataclass(frozen=True, slots=True)
class Cell:
    """A setting: every run of it.  In every seed: lost, others - what ended before its program for another reason -, offered: of all
    captures together; p50_ns, p99_ns, done_ns, memory_bytes: the largest of them."""
    index: int
    settings: grid.Point
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    lost: tuple[int, ...]
    others: tuple[int, ...]
    offered: int
    p50_ns: float
    p99_ns: float
    done_ns: tuple[int, ...]                                # 99 % are done, in every seed
    busy_ns: float
    idle_ns: float
    memory_bytes: int
    error: str | None
    stopped: Stopped | None = None

    @property
    def result(self) -> Result:
        """Of the first capture and seed."""
        return self.rows[0].result

    @property
    def lost_mean(self) -> float:
        return statistics.fmean(self.lost)

    @property
    def done_mean_ns(self) -> float:
        return statistics.fmean(self.done_ns)

    @property
    def order(self) -> tuple[Any, ...]:
        """Fewest losses first, then the least that ended before its program for another reason (a rule, a closed port), then the lowest
        p99 to the end of the program's work, then the least memory; those that were stopped come behind."""
        return (self.error is not None, self.behind, self.lost_mean, statistics.fmean(self.others), self.done_mean_ns, self.memory_bytes,
                self.index)

    @property
    def behind(self) -> float:
        """Those that were stopped later come first; those that were not before them."""
        return -math.inf if self.stopped is None else -self.stopped.seeds

    def ended(self, kind: str) -> int:
        """Frames of that class, in all runs."""
        return sum(row.result.ended.get(kind, 0) for row in self.rows)


def left_out(rows: Sequence[Row]) -> dict[str, str]:
    """Captures that no setting could be run on, though others were, and why: files that cannot be read.  They decide nothing."""
    usable = {row.capture for row in rows if row.result.error is None}
    return {row.capture: row.result.error for row in rows if usable and row.capture not in usable and row.result.error is not None}


def cells(rows: Sequence[Row], stopped: Mapping[int, Stopped] | None = None) -> list[Cell]:
    """In the order of the grid, without captures that are left out.  stopped: by their index."""
    out = left_out(rows)
    found: dict[int, list[Row]] = {}
    for row in rows:
        if row.capture not in out:
            found.setdefault(row.index, []).append(row)
    return [_cell(found[index], (stopped or {}).get(index)) for index in sorted(found)]


def _cell(rows: list[Row], stopped: Stopped | None) -> Cell:
    seeds: dict[int, list[Result]] = {}
    for row in rows:
        seeds.setdefault(row.seed, []).append(row.result)
    each = list(seeds.values())
    return Cell(
        rows[0].index, rows[0].settings, tuple(rows), tuple(seeds),
        tuple(sum(r.lost for r in of) for of in each), tuple(sum(sum(r.dropped.values()) - r.lost for r in of) for of in each),
        sum(r.offered for r in each[0]),
        statistics.fmean(max(r.latency_ns.get("p50", 0) for r in of) for of in each),
        statistics.fmean(max(r.latency_ns.get("p99", 0) for r in of) for of in each),
        tuple(max(r.p99_ns for r in of) for of in each),
        statistics.fmean(sum(r.busy_ns for r in of) for of in each),
        statistics.fmean(sum(r.cpu_ns.get("idle", 0) for r in of) for of in each),
        max(row.result.memory_bytes for row in rows), next((row.result.error for row in rows if row.result.error is not None), None),
        stopped)


# ---------------------------------------------------------------- which are told apart
def ranked(found: Iterable[Cell]) -> list[Cell]:
    """Best first."""
    return sorted(found, key=lambda cell: cell.order)


def groups(found: Iterable[Cell]) -> Iterator[list[Cell]]:
    """Best first; made one after the other, as they are asked for."""
    rest = ranked(found)
    while rest:
        leader, others = rest[0], rest[1:]
        apart = {cell.index for cell in told_apart(leader, others)}
        same = [cell for cell in others if cell.index not in apart]
        yield sorted([leader, *same], key=lambda cell: (cell.behind, cell.memory_bytes, cell.order))
        rest = [cell for cell in others if cell.index in apart]


def told_apart(leader: Cell, others: Sequence[Cell]) -> list[Cell]:
    """Those of the others that differ from it by more than the seeds do."""
    certain = [cell for cell in others if leader.error or cell.error]
    tested = sorted((_p(leader, cell), cell.index, cell) for cell in others if not (leader.error or cell.error))
    for i, (p, _, cell) in enumerate(tested):
        if p * (len(tested) - i) >= LEVEL:                  # Holm: the first that is not told apart ends it
            break
        certain.append(cell)
    return certain


def _p(one: Cell, other: Cell) -> float:
    """Of the more telling of the two figures; twice, since there are two."""
    pairs = ((one.lost, other.lost), (one.done_ns, other.done_ns))
    return min(1.0, 2 * min(p_value([b - a for a, b in zip(*pair, strict=False)]) for pair in pairs))


# ---------------------------------------------------------------- which get no more seeds
def stop(found: Sequence[Cell], halve: bool) -> dict[int, Stopped]:
    """Of settings that have all been run with the same seeds, those that get no more: what is told apart from the best, what gives the
    same as one that is better or costs less memory in every seed, and, if the number is to be halved, the worse half."""
    in_order = ranked(found)
    leader, others = in_order[0], in_order[1:]
    apart = {cell.index for cell in told_apart(leader, others)}
    out, met, left = dict[int, Stopped](), set[tuple[Any, ...]](), list[int]()
    for cell in in_order:
        figures, seeds = (cell.lost, cell.others, cell.done_ns), len(cell.seeds)
        if cell.index in apart:
            out[cell.index] = Stopped(seeds, Why.APART)
        elif figures in met and seeds >= APART:
            out[cell.index] = Stopped(seeds, Why.SAME)
        else:
            left.append(cell.index)
        met.add(figures)
    half = -(-len(found) // 2)
    return out | ({index: Stopped(len(leader.seeds), Why.HALF) for index in left[half:]} if halve else {})
