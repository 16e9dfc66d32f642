"""rxpath.sweep(): captures, a grid of settings, every combination run; the runs, ranked, and as CSV, JSON lines and Parquet.

    table = rxpath.sweep("first", {"net.core.rmem_default": "212992..8388608", "ethtool.rx": [256, 4096]})
    print(table)                                # best first
    table.best.settings, table.best.result.dropped

A sweep that is given a journal writes each row there as it is done, and does not run again what the journal has."""
from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rxpath.cable.source import Source
from rxpath.workbench.advice.goal import checked_seeds
from rxpath.workbench.host.given import GivenHost
from rxpath.workbench.jobs import pool, unit
from rxpath.workbench.jobs.spread import reseeded, seed_of
from rxpath.workbench.jobs.unit import Result, Unit
from rxpath.workbench.jobs.where import Jobs, the_pool
from rxpath.workbench.many import grid, resume, rows
from rxpath.workbench.many.resume import Journal
from rxpath.workbench.many.rows import Cell, Row, Stopped
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.traffic.settings import Settings, listed, split
from rxpath.workbench.words.mistakes import BadInput

if TYPE_CHECKING:
    from rxpath.workbench.run.own import Program

LARGE = 1000                                                # runs: from here on a sweep says how many there will be
STEP = 5                                                    # seeds that are added until the best is told apart
Key = tuple[int, int, int]                                  # of a run: its point, its capture, its seed


@dataclass(frozen=True)
class Sweep:
    """rows: the runs that were done, by point of the grid, capture, seed.  of: how many there were to be.  seeds: how many every setting
    was to be run with; most: those that were not stopped, by their indexes, up to so many.  again: the best setting with as many seeds
    that the ranking has not seen."""
    captures: tuple[str, ...]
    axes: tuple[grid.Axis, ...]
    rows: tuple[Row, ...]
    of: int
    kept: int = 0                                           # of the rows: taken from the journal
    notes: tuple[str, ...] = field(default=())
    seeds: int = 1
    most: int = 1
    stopped: Mapping[int, Stopped] = field(default_factory=dict)
    again: Cell | None = None
    name: str = ""                                          # of the question: captures, host, traffic, settings, seeds

    @property
    def complete(self) -> bool:
        return len(self.rows) == self.of

    @property
    def title(self) -> str:
        return self.captures[0] if len(self.captures) == 1 else f"{len(self.captures):,} captures"

    @property
    def left_out(self) -> dict[str, str]:
        """Captures that could not be run with any setting, and why, where others could: they are in no cell."""
        return rows.left_out(self.rows)

    @cached_property
    def cells(self) -> list[Cell]:
        """A cell for each setting, in the order of the grid."""
        return rows.cells(self.rows, self.stopped)

    @cached_property
    def ranked(self) -> list[Cell]:
        """Best first.  With several seeds the group of the best is in front, the least memory first in it."""
        if self.seeds == 1 or not self.rows:
            return rows.ranked(self.cells)
        first = self.group
        inside = {cell.index for cell in first}
        return [*first, *(cell for cell in rows.ranked(self.cells) if cell.index not in inside)]

    @cached_property
    def group(self) -> list[Cell]:
        """Of several seeds: the best setting and those that are not told apart from it."""
        return next(self.groups(), [])

    def groups(self) -> Iterator[list[Cell]]:
        """All of such groups, best first, made as they are asked for."""
        return rows.groups(self.cells)

    @property
    def best(self) -> Cell | None:
        return self.ranked[0] if self.rows else None

    @property
    def varying(self) -> list[grid.Axis]:
        """Axes of more than one value, the longest first."""
        return sorted((a for a in self.axes if len(a.values) > 1), key=lambda a: -len(a.values))

    def lines(self) -> list[tuple[grid.Point, list[Cell | None]]]:
        """The grid along its longest axis: for each combination of the others the cell at each of its values, None where there is none.
        That with the best one is first."""
        along, *others = self.varying or [self.axes[0]]
        at = {tuple(cell.settings[a.key] for a in (*others, along)): cell for cell in self.cells}
        found = [(dict(zip((a.key for a in others), each, strict=True)), [at.get((*each, v)) for v in along.values])
                 for each in itertools.product(*(a.values for a in others))]
        rank = {cell.index: n for n, cell in enumerate(self.ranked)}
        return sorted(found, key=lambda line: min([len(rank), *(rank[cell.index] for cell in line[1] if cell is not None)]))

    def by_capture(self) -> list[tuple[str, Cell, Cell]]:
        """Of each capture: its name, the best setting of all there, and its own best; most lost first."""
        if self.best is None:
            return []
        each: dict[str, list[Row]] = {}
        for row in self.rows:
            each.setdefault(row.capture, []).append(row)
        found = []
        for name, of in each.items():
            own = rows.cells(of)
            both = next((cell for cell in own if cell.index == self.best.index), None)
            if both is not None:
                found.append((name, both, rows.ranked(own)[0]))
        return sorted(found, key=lambda one: (-one[1].lost_mean, self.captures.index(one[0])))

    def stops(self) -> list[tuple[Stopped, int]]:
        """How many settings were stopped after so many seeds, for each reason; the earliest first."""
        return sorted(Counter(self.stopped.values()).items(), key=lambda one: (one[0].seeds, one[0].why))

    def to_dicts(self) -> list[dict[str, Any]]:
        """stopped: how many seeds the setting got where others got more, and why; None: it got all."""
        stopped = {i: {"seeds": one.seeds, "why": str(one.why)} for i, one in self.stopped.items()}
        return [row.to_dict() | {"stopped": stopped.get(row.index)} for row in self.rows]

    def columns(self) -> dict[str, list[Any]]:
        """The flat rows by column; a loss that only some rows have is 0 in the others."""
        flat = [row.flat() for row in self.rows]
        names = dict.fromkeys(k for row in flat for k in row)
        reasons = sorted(k for k in names if k.startswith("dropped."))
        ordered = [k for k in names if not k.startswith("dropped.") and k != "error"] + reasons + ["error"]
        return {k: [row.get(k, 0) for row in flat] for k in ordered}


def sweep(capture: traffic.Several, settings: Settings = (), host: GivenHost = None, *, overrides: Settings = (), seed: int | None = None,
          listen: str | Sequence[str] = (), local: str | None = None, speed: float = 1.0, rate: str | int | None = None, loop: int = 1,
          seeds: int | str = 1, halve: bool = False, jobs: Jobs = None, journal: str | Path | None = None,
          progress: pool.Progress | None = None, stop: pool.Stop | None = None, warn: Callable[[str], None] | None = None,
          programs: Sequence[Program] = ()) -> Sweep:
    """Run every combination of `settings` - {KEY: values} or ["KEY=VALUES"], as docs/sweep-and-headroom.md has them - on every capture.

    capture   one, or several; a pattern (captures/*.pcap) is all files that match.  Of several the settings may be none
    seeds     how many every combination is run with, the same for all; "10..60": settings that are not told apart from the best get five
              more, up to the second.  Above 1 the best is run again with as many fresh seeds
    halve     with seeds "3..24": the better half of the settings goes on, each time with twice as many seeds
    jobs      runs at a time; all cores if not given; the address of a Dask scheduler: its workers (docs/cluster.md)
    journal   a file of JSON lines: rows that it has are not run again, new ones are added as they are done
    programs  applications of your own, of class rxpath.Program: each run has its own copies, those that you give stay as they are
    The others as in rxpath.replay().  Raises BadInput or HostError for what no run could use; a combination that alone is impossible has
    its error in its row."""
    of_traffic, of_host = split(overrides)
    given = traffic.several(capture)
    bases = [Unit(one, str(host) if isinstance(host, Path) else host, of_host, seed, listed(listen), local, speed, rate, loop,
                  traffic=of_traffic) for one in given]
    found = grid.axes(settings)
    least, most = _seeds(seeds)
    if halve and most == least:
        raise BadInput("--halve: the better half gets more seeds, up to how many is not said: --seeds LEAST..MOST, such as --seeds 3..24")
    if most > 1 and (seeded := [a.key for a in found if a.key in ("seed", "traffic.seed")]):
        raise BadInput(f"--set {seeded[0]} and --seeds: --seeds draws the seeds itself")
    check(bases[0], found)
    for base in bases[1:]:                                  # the same settings on the same host, as a rule
        check(base, found if traffic.bundled_host(base.capture) else ())
    bases = [unit.with_programs(base, programs, jobs, journal) for base in bases]
    points = list(grid.points(found))
    runs, notes = len(points) * len(bases) * least, list[str]()
    if runs > LARGE:
        text = grid.size_text(found, *([len(bases)] if len(bases) > 1 else []), *([least] if least > 1 else []))
        notes.append(f"the grid has {text} runs: that may take long; Ctrl-C keeps what is done"
                     + ("" if journal else ", and --resume FILE would keep it for the next time"))
        if warn:
            warn(notes[-1])
    with the_pool(jobs) as workers, Journal(journal) if journal is not None else nullcontext() as book:
        asked = _Asked(bases, points, traffic.titles(given), workers, book, progress, stop)
        asked.run(range(len(points)), range(least))
        n, stopped = least, dict[int, Stopped]()
        while n < most and asked.complete:
            alive = [cell for cell in rows.cells(asked.rows) if cell.index not in stopped and cell.error is None]
            if len(alive) > 1:
                out = rows.stop(alive, halve)
                stopped |= out
                alive = [cell for cell in alive if cell.index not in out]
            if len(alive) < 2:
                break
            more = range(n, min(2 * n if halve else n + STEP, most))
            asked.run([cell.index for cell in alive], more)
            n += len(more)
        made = Sweep(tuple(asked.titles), found, asked.rows, asked.of, asked.kept, tuple(notes), least, most, stopped,
                     name=asked.name(found, least, most, halve))
        errors = {row.result.error for row in made.rows}
        if errors and None not in errors:                   # such as a speed that no capture can have
            raise BadInput(str(sorted(map(str, errors))[0]))
        if most > 1 and asked.complete and made.best is not None and made.best.error is None:
            fresh = asked.fresh(made.best.index, range(most, most + least))
            made = replace(made, of=asked.of, again=fresh, kept=asked.kept)
    return made


def _seeds(given: int | str) -> tuple[int, int]:
    """5, or "10..60"."""
    text = str(given).strip()
    match = re.fullmatch(r"([0-9]{1,9})(?:\.\.([0-9]{1,9}))?", text, re.ASCII)
    if match is None:
        raise BadInput(f"--seeds {text or '(empty)'}: must be a number, or LEAST..MOST such as 10..60")
    least = checked_seeds(int(match[1]))
    if match[2] is None:
        return least, least
    if int(match[2]) <= least or least < 3:
        raise BadInput(f"--seeds {text}: must go up, from 3 or more: 10..60")
    return least, checked_seeds(int(match[2]))


class _Asked:
    """The runs of a sweep, as they become known."""

    def __init__(self, bases: Sequence[Unit], points: Sequence[grid.Point], titles: Sequence[str], workers: pool.Pool, book: Journal | None,
                 progress: pool.Progress | None, stop: pool.Stop | None) -> None:
        self.bases, self.points, self.titles = bases, points, titles
        self.workers, self.book, self.progress, self.stop = workers, book, progress, stop
        self.hosts = [unit.the_host(base) for base in bases]
        self.specs = [traffic.changed_spec(base.capture, base.traffic, base.seed) for base in bases]
        self.same = [resume.same(base) for base in bases]
        self.known: dict[Key, Result] = {}
        self.of = self.kept = 0
        self.extra = set[Key]()                             # of the fresh seeds: no rows

    @property
    def complete(self) -> bool:
        return len(self.known) == self.of

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(self._row(key) for key in sorted(self.known) if key not in self.extra)

    def name(self, axes: Sequence[grid.Axis], *seeds: int) -> str:
        """Of the question: another one has another name."""
        each = [resume.key(same, base) for base, same in zip(self.bases, self.same, strict=True)]
        return hashlib.blake2b(repr((each, self.titles, axes, *seeds)).encode(), digest_size=6).hexdigest()

    def _row(self, key: Key) -> Row:
        i, c, k = key
        return Row(i, self.points[i], self.known[key], self.titles[c], seed_of(self.hosts[c], k))

    def _unit(self, key: Key) -> Unit:
        i, c, k = key
        one = grid.at(self.bases[c], self.points[i])
        return reseeded(one, self.hosts[c], self.specs[c], k)

    def fresh(self, index: int, seeds: range) -> Cell | None:
        """A point again, with other seeds.  None: it was stopped."""
        before = self.of
        self.extra |= {(index, c, k) for c in range(len(self.bases)) for k in seeds}
        self.run([index], seeds)
        done = [self._row(key) for key in sorted(self.extra) if key in self.known]
        if len(done) < self.of - before:
            return None
        self.of = before
        return rows.cells(done)[0]

    def run(self, indexes: Sequence[int], seeds: range) -> None:
        """These points with these seeds on every capture."""
        wanted = [(i, c, k) for c in range(len(self.bases)) for i in indexes for k in seeds]
        self.of += len(wanted)
        work = [self._unit(key) for key in wanted]
        left = list(range(len(work)))
        keys: list[str] = []
        if self.book is not None:
            keys = [resume.key(self.same[c], one) for (_, c, _), one in zip(wanted, work, strict=True)]
            for key, name in zip(wanted, keys, strict=True):
                if name in self.book.rows:
                    self.known[key] = self.book.rows[name]
                    self.kept += 1
            left = [n for n in left if wanted[n] not in self.known]
        done = len(self.known)

        def count(n: int, of: int) -> None:
            if self.progress:
                self.progress(done + n, done + of)

        for n, result in self.workers.run_all([work[n] for n in left], count, stop=self.stop):
            key = wanted[left[n]]
            self.known[key] = result
            if self.book is not None:
                self.book.add(keys[left[n]], self.points[key[0]], result)


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
