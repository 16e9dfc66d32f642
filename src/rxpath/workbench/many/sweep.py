"""rxpath.sweep(): one capture, a grid of settings, every combination run; the rows, sorted, and as CSV, JSON lines and Parquet.

    table = rxpath.sweep("first", {"net.core.rmem_default": "212992..8388608", "ethtool.rx": [256, 4096]})
    print(table)                                # best first
    table.best.settings, table.rows[0].result.dropped

A sweep that is given a journal writes each row there as it is done, and does not run again what the journal has."""
from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rxpath.cable.source import Source
from rxpath.workbench.host.given import GivenHost
from rxpath.workbench.jobs import pool, unit
from rxpath.workbench.jobs.spread import LATENCY
from rxpath.workbench.jobs.unit import Result, Unit
from rxpath.workbench.many import grid
from rxpath.workbench.many.resume import Journal
from rxpath.workbench.run.books import CONTEXTS
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.traffic.settings import Settings, listed, split
from rxpath.workbench.traffic.spec import Spec
from rxpath.workbench.words.mistakes import BadInput

LARGE = 1000                                                # runs: from here on a sweep says how many there will be


@dataclass(frozen=True, slots=True)
class Row:
    """One point of the grid and what came of it."""
    index: int                                              # in the grid, the last axis changing fastest
    settings: grid.Point
    result: Result

    @property
    def order(self) -> tuple[Any, ...]:
        """Fewest losses first, then the least that ended before its program for another reason (a rule, a closed port), then the lowest
        p99 to the end of the program's work, then the least memory."""
        r = self.result
        return (r.error is not None, r.lost, sum(r.dropped.values()) - r.lost, r.p99_ns, r.memory_bytes, self.index)

    def flat(self) -> dict[str, Any]:
        """One level of plain values, for CSV and Parquet."""
        r = self.result
        return {**self.settings, "offered": r.offered, "delivered": r.delivered, "received": r.received, "queued": r.queued, "lost": r.lost,
                "lost_share": round(r.lost / r.offered, 6) if r.offered else 0.0,
                **{f"{k}_ns": r.latency_ns.get(k, 0) for k in LATENCY}, **{f"done_{k}_ns": r.done_ns.get(k, 0) for k in LATENCY},
                **{f"{k}_ns": r.cpu_ns.get(k, 0) for k in CONTEXTS},
                "memory_bytes": r.memory_bytes, "interrupts": r.counters.get("interrupts", 0),
                "time_squeeze": r.counters.get("softnet.time_squeeze", 0), "elapsed_ns": r.elapsed_ns, "span_ns": r.span_ns,
                **{f"dropped.{k}": n for k, n in sorted(r.dropped.items())}, "error": r.error or ""}

    def to_dict(self) -> dict[str, Any]:
        return {"settings": self.settings, **self.result.to_dict()}


@dataclass(frozen=True, slots=True)
class Sweep:
    """The rows that were run, in the order of the grid; `of` is how many the grid has."""
    capture: str
    axes: tuple[grid.Axis, ...]
    rows: tuple[Row, ...]
    of: int
    kept: int = 0                                           # of the rows: taken from the journal
    notes: tuple[str, ...] = field(default=())

    @property
    def complete(self) -> bool:
        return len(self.rows) == self.of

    @property
    def ranked(self) -> list[Row]:
        """Best first."""
        return sorted(self.rows, key=lambda row: row.order)

    @property
    def best(self) -> Row | None:
        return self.ranked[0] if self.rows else None

    @property
    def varying(self) -> list[grid.Axis]:
        """Axes of more than one value, the longest first."""
        return sorted((a for a in self.axes if len(a.values) > 1), key=lambda a: -len(a.values))

    def lines(self) -> list[tuple[grid.Point, list[Row | None]]]:
        """The grid along its longest axis: for each combination of the others the row at each of its values, None where there is none.
        That with the best row is first."""
        along, *others = self.varying or [self.axes[0]]
        at = {tuple(row.settings[a.key] for a in (*others, along)): row for row in self.rows}
        found = [(dict(zip((a.key for a in others), each, strict=True)), [at.get((*each, v)) for v in along.values])
                 for each in itertools.product(*(a.values for a in others))]
        rank = {row.index: n for n, row in enumerate(self.ranked)}
        return sorted(found, key=lambda line: min([len(rank), *(rank[row.index] for row in line[1] if row is not None)]))

    def to_dicts(self) -> list[dict[str, Any]]:
        return [row.to_dict() for row in self.rows]

    def columns(self) -> dict[str, list[Any]]:
        """The flat rows by column; a loss that only some rows have is 0 in the others."""
        flat = [row.flat() for row in self.rows]
        names = dict.fromkeys(k for row in flat for k in row)
        reasons = sorted(k for k in names if k.startswith("dropped."))
        ordered = [k for k in names if not k.startswith("dropped.") and k != "error"] + reasons + ["error"]
        return {k: [row.get(k, 0) for row in flat] for k in ordered}


def sweep(capture: str | Path | Spec, settings: Settings, host: GivenHost = None, *, overrides: Settings = (), seed: int | None = None,
          listen: str | Sequence[str] = (), local: str | None = None, speed: float = 1.0, rate: str | int | None = None, loop: int = 1,
          jobs: int | None = None, journal: str | Path | None = None, progress: pool.Progress | None = None, stop: pool.Stop | None = None,
          warn: Callable[[str], None] | None = None) -> Sweep:
    """Run every combination of `settings` - {KEY: values} or ["KEY=VALUES"], as docs/sweep-and-headroom.md has them - on one capture.

    jobs      runs at a time; all cores if not given
    journal   a file of JSON lines: rows that it has are not run again, new ones are added as they are done
    The others as in rxpath.replay().  Raises BadInput or HostError for what no run could use; a combination that alone is impossible has
    its error in its row."""
    of_traffic, of_host = split(overrides)
    base = Unit(str(capture) if isinstance(capture, Path) else capture, str(host) if isinstance(host, Path) else host,
                of_host, seed, listed(listen), local, speed, rate, loop, traffic=of_traffic)
    found = grid.axes(settings)
    check(base, found)
    points = list(grid.points(found))
    notes = []
    if len(points) > LARGE:
        notes.append(f"the grid has {grid.size_text(found)} runs: that may take long; Ctrl-C keeps what is done"
                     + ("" if journal else ", and --resume FILE would keep it for the next time"))
        if warn:
            warn(notes[-1])
    work = [grid.at(base, point) for point in points]
    results: dict[int, Result] = {}
    kept = 0
    if journal is None:
        for index, result in pool.run_all(work, jobs, progress, stop=stop):
            results[index] = result
    else:
        with Journal(journal) as book:
            keys = book.keys(base, work)
            results = {i: book.rows[k] for i, k in enumerate(keys) if k in book.rows}
            kept = len(results)
            todo = [i for i in range(len(work)) if i not in results]

            def count(n: int, of: int) -> None:
                if progress:
                    progress(kept + n, kept + of)

            for n, result in pool.run_all([work[i] for i in todo], jobs, count, stop=stop):
                results[todo[n]] = result
                book.add(keys[todo[n]], points[todo[n]], result)
    errors = {r.error for r in results.values()}
    if results and None not in errors:                      # such as a speed that no capture can have
        raise BadInput(str(sorted(map(str, errors))[0]))
    rows = tuple(Row(i, points[i], results[i]) for i in sorted(results))
    return Sweep(traffic.title(capture), found, rows, len(points), kept, tuple(notes))


def check(base: Unit, found: Sequence[grid.Axis]) -> None:
    """Every value of every axis by itself, before anything runs: an unknown key or a value out of range is the whole sweep's mistake."""
    if base.capture == "-":
        raise BadInput("standard input cannot be read many times: save it to a file")
    if traffic.changed_spec(base.capture, base.traffic) is None:
        Source(traffic.find(str(base.capture))).close()
    traffic.listening(base.listen)
    for axis in found:
        for value in axis.values[:1000]:
            try:
                unit.checked(grid.at(base, {axis.key: value}))
            except Exception:                               # it may need another axis' value: CPU 3 of cpus=2,4
                if not _possible(base, [a for a in found if a is not axis], {axis.key: value}):
                    raise


def _possible(base: Unit, others: Sequence[grid.Axis], settings: grid.Point) -> bool:
    """Is there a combination (of the first 100) that the host takes?"""
    for point in itertools.islice(grid.points(others), 100):
        try:
            unit.checked(grid.at(base, {**point, **settings}))
            return True
        except Exception:
            pass
    return False
