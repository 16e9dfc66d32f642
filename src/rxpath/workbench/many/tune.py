"""rxpath.tune(): the smallest change to a host that meets a target, found among all that its knobs allow.

    found = rxpath.tune("first", target="loss<0.1%,p99<30ms")
    found.answer.set, found.answer.met, found.verified.met

Optuna proposes (tuning/ask.py), in lots of a fixed size; what a run came to is a function of its unit; so the answer depends on the
question alone, not on how many workers there were or how often it was interrupted."""
from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rxpath._version import __version__
from rxpath.workbench.advice.goal import checked_seeds
from rxpath.workbench.advice.runs import Progress
from rxpath.workbench.advice.shell import commands
from rxpath.workbench.host import text as hosttext
from rxpath.workbench.host.given import GivenHost
from rxpath.workbench.jobs import unit as units
from rxpath.workbench.jobs.pool import Stop
from rxpath.workbench.jobs.unit import Unit
from rxpath.workbench.jobs.where import Jobs, the_pool
from rxpath.workbench.many import sweep
from rxpath.workbench.many.resume import Journal
from rxpath.workbench.many.search import Interrupted
from rxpath.workbench.many.tuning import answer, ask, space
from rxpath.workbench.many.tuning.answer import Answer
from rxpath.workbench.many.tuning.runs import Came, Runs, question
from rxpath.workbench.many.tuning.space import Choice, Space
from rxpath.workbench.many.tuning.target import Wanted, wanted
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.traffic.settings import Settings, listed, split
from rxpath.workbench.words.mistakes import BadInput

if TYPE_CHECKING:
    from rxpath.workbench.run.own import Program

TRIALS, TRIALS_MAX = 64, 10_000
OBJECTIVES = "loss,p99"
SEEDS = 3                                                   # that a trial is run with
FRESH = 10                                                  # that the answer is run with again, and the search has not seen
SURER = 4                                                   # trials that are tried with those, too, of the best and of the smallest each
SHARES = (0.7, 0.8, 0.85)                                   # of the progress bar: before them the trials, the answer, its verification
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Trial:
    """set: texts of --set.  figures: the worst of its runs, None where it cannot be run: error.  pruned: given up after its first seed, so
    that its figures are at least these."""
    set: tuple[str, ...]
    figures: Mapping[str, float] | None
    error: str | None = None
    pruned: bool = False


@dataclass(frozen=True, slots=True)
class Verified:
    """The answer with seeds that the search has not seen.  met: with how many of them the target holds, None without a target."""
    seeds: int
    met: int | None
    each: tuple[Mapping[str, float], ...]                   # a seed's figures, the worst of the captures
    first: int | None = None                                # with how many the first answer held, which was not this one


@dataclass(frozen=True, slots=True)
class Tune:
    """trials: in the order in which they were asked; the first is today's host.  front: the trials that nothing beats in every objective,
    without the knobs that none of them needs."""
    captures: tuple[str, ...]
    wanted: Wanted
    kernel: str
    seed: int
    seeds: int
    knobs: tuple[str, ...]
    of: int                                                 # trials that were asked for
    trials: tuple[Trial, ...]
    front: tuple[Trial, ...]
    answer: Answer | None
    verified: Verified | None
    commands: tuple[str, ...]
    runs: int
    packets: int = 0                                        # that were simulated
    interrupted: bool = False

    @property
    def today(self) -> Trial | None:
        return self.trials[0] if self.trials else None

    def best_until(self) -> list[Mapping[str, float]]:
        """For each trial the figures of the best until then."""
        found: list[Mapping[str, float]] = []
        for t in self.trials:
            if not found or (t.figures is not None and not t.pruned and self.wanted.order(t.figures) < self.wanted.order(found[-1])):
                found.append(t.figures or {})
            else:
                found.append(found[-1])
        return found

    def to_dict(self) -> dict[str, Any]:
        """math.inf, of a p99 that is never reached, is null."""
        a = self.answer
        return {"schema": SCHEMA_VERSION, "captures": list(self.captures), "kernel": self.kernel, "seed": self.seed, "seeds": self.seeds,
                "objectives": list(self.wanted.objectives), "target": [limit.text for limit in self.wanted.limits],
                "knobs": list(self.knobs), "of": self.of, "runs": self.runs, "packets": self.packets, "interrupted": self.interrupted,
                "trials": [_trial(t) for t in self.trials], "front": [_trial(t) for t in self.front],
                "answer": None if a is None else {
                    "set": list(a.set), "figures": _plain(a.figures), "met": a.met, "commands": list(self.commands),
                    "matters": [{"knob": w.knob, "set": list(w.set), "without": _plain(w.figures)} for w in a.matters],
                    "nothing": list(a.nothing), "not_needed": list(a.not_needed),
                    "not_there": {name: list(others) for name, others in a.not_there.items()}},
                "verified": None if self.verified is None else {
                    "seeds": self.verified.seeds, "met": self.verified.met, "each": [_plain(f) for f in self.verified.each],
                    "first": self.verified.first}}


def _trial(t: Trial) -> dict[str, Any]:
    return {"set": list(t.set), "figures": _plain(t.figures), "error": t.error, "pruned": t.pruned}


def _plain(figures: Mapping[str, float] | None) -> dict[str, float | None] | None:
    return None if figures is None else {n: None if math.isinf(v) else v for n, v in figures.items()}


def tune(captures: traffic.Several, host: GivenHost = None, *, objective: str | Sequence[str] = OBJECTIVES,
         target: str | None = None, knobs: Sequence[str] = (), trials: int = TRIALS, seeds: int = SEEDS, overrides: Settings = (),
         seed: int | None = None, listen: str | Sequence[str] = (), local: str | None = None, speed: float = 1.0, loop: int = 1,
         jobs: Jobs = None, journal: str | Path | None = None, progress: Progress | None = None, stop: Stop | None = None,
         programs: Sequence[Program] = ()) -> Tune:
    """Search the settings of a host for those that lower `objective` and keep `target` ("loss<0.01%,p99<200us").

    knobs     what to set, as --set of a sweep has it (KEY=RANGE); every knob of the rules that this host has, if not given
    trials    settings to try; seeds: how many each is run with, the same for all
    journal   a file of JSON lines: what was asked, and every run; an interrupted search goes on from it to the same answer
    The others as in rxpath.sweep().  Raises BadInput or HostError."""
    want = wanted(objective, target)
    checked_seeds(seeds)
    if not 1 <= trials <= TRIALS_MAX:
        raise BadInput(f"--trials {trials}: 1 to {TRIALS_MAX:,}")
    ask.optuna()
    bases = [units.with_programs(base, programs, jobs, journal)
             for base in _bases(captures, host, overrides, seed, listen, local, speed, loop)]
    try:
        room = space.of_user(knobs, bases) if knobs else space.of_host(bases[0], bases[1:], stop)
    except Interrupted:
        room = Space(())
    found = _Search(want, bases, room, trials, seeds, progress)
    with the_pool(jobs) as workers:
        if journal is None:
            return found.result(Runs(room, bases, seeds, workers, None, stop))
        with Journal(journal) as book:
            return found.result(Runs(room, bases, seeds, workers, book, stop))


def _bases(captures: traffic.Several, host: GivenHost, overrides: Settings, seed: int | None,
           listen: str | Sequence[str], local: str | None, speed: float, loop: int) -> list[Unit]:
    """A unit for each capture, on one host."""
    each = traffic.several(captures)
    names = traffic.titles(each)
    of_traffic, of_host = split(overrides)
    bases = [Unit(c, str(host) if isinstance(host, Path) else host, of_host, seed, listed(listen), local, speed, loop=loop,
                  traffic=of_traffic) for c in each]
    hosts = []
    for base in bases:
        sweep.check(base, ())
        hosts.append(hosttext.effective(units.the_host(base)))
    for name, one in zip(names, hosts, strict=True):
        if one != hosts[0]:
            raise BadInput(f"{names[0]} and {name} have hosts of their own: one host is tuned, give it with --host FILE")
    return bases


class _Search:
    """One question, from its first lot to its verified answer."""

    def __init__(self, want: Wanted, bases: Sequence[Unit], room: Space, trials: int, seeds: int, progress: Progress | None) -> None:
        self.want, self.bases, self.room, self.of, self.seeds = want, bases, room, trials, seeds
        self.progress = progress or (lambda share, runs: None)
        self.host = units.the_host(bases[0])
        self.told: list[tuple[Choice, Came]] = []
        self.pruned = set[Choice]()
        self.answer: Answer | None = None
        self.end: tuple[Choice, Mapping[str, float]] | None = None              # the answer's
        self.verified: Verified | None = None
        self.front: list[tuple[Choice, Mapping[str, float]]] | None = None      # None: it was not made smaller

    @property
    def tried(self) -> list[tuple[Choice, Mapping[str, float]]]:
        """What could be run, with all seeds."""
        return [(c, came.figures) for c, came in self.told if came.figures is not None and c not in self.pruned]

    def result(self, runs: Runs) -> Tune:
        interrupted = not self.room.knobs
        if not interrupted:
            try:
                self._try(runs)
                choice = self._answer(runs)
                if not self._verify(runs, choice, self.seeds) and (surer := self._surer(runs)) is not None:
                    self._verify(runs, surer, self.seeds + FRESH)
                self._front(runs)
            except Interrupted:
                interrupted = True
        front = self.front if self.front is not None else [self.tried[n] for n in answer.front(self.want, self.tried, self.room)]
        found = self.answer
        return Tune(tuple(traffic.titles([b.capture for b in self.bases])), self.want, self.host.kernel, self.host.seed, self.seeds,
                    tuple(k.name for k in self.room.knobs), self.of,
                    tuple(Trial(self.room.overrides(c), came.figures, came.error, c in self.pruned) for c, came in self.told),
                    tuple(Trial(self.room.overrides(c), f) for c, f in front), found, self.verified,
                    tuple(commands(self.host, found.set)) if found else (), runs.count, runs.packets, interrupted)

    def _try(self, runs: Runs) -> None:
        asked_for = (__version__, ask.optuna().__version__, runs.same, dataclasses.astuple(self.want), dataclasses.astuple(self.room),
                     self.seeds, self.host.seed, [(b.overrides, b.speed, b.loop, b.traffic) for b in self.bases], ask.LOT)
        every = self.of * self.seeds * len(self.bases)
        runs.progress = lambda count: self.progress(min(SHARES[0], SHARES[0] * count / every), count)
        while len(self.told) < self.of:
            n = len(self.told)
            lot = self._lot(runs.journal, question(*asked_for, n))[:self.of - n]
            came = self._came(runs, lot)
            if n == 0 and came[0].figures is None:
                raise BadInput(str(came[0].error))
            self.told += zip(lot, came, strict=True)

    def _came(self, runs: Runs, lot: Sequence[Choice]) -> list[Came]:
        """The first seed of all of a lot, then the others of those that may still be something.  Figures are the worst of all runs: what
        the first run has missed, no other makes good."""
        first = runs.do(lot, 0, 1)
        self.pruned |= {c for c, came in zip(lot, first, strict=True) if self.seeds > 1 and self._hopeless(c, came)}
        runs.do([c for c in lot if c not in self.pruned])
        return [came if c in self.pruned else runs.do([c])[0] for c, came in zip(lot, first, strict=True)]

    def _hopeless(self, choice: Choice, came: Came) -> bool:
        """Is a trial of an earlier lot better, whatever the other seeds bring: in an objective, in no other worse, and nearer to the
        target, which this one misses?"""
        figures = came.figures
        if figures is None or choice == self.room.today:
            return False
        beyond, names = self.want.beyond(figures), self.want.objectives
        if self.want.limits and not beyond:
            return False
        return any(all(other[n] <= figures[n] for n in names) and any(other[n] < figures[n] for n in names) and
                   (not self.want.limits or self.want.beyond(other) < beyond) for _, other in self.tried)

    def _lot(self, journal: Journal | None, key: str) -> list[Choice]:
        """What the journal says was asked, or what is asked now."""
        if journal and key in journal.asked:
            kept = [tuple(choice) for choice in journal.asked[key]]
            sizes = [len(k.settings) for k in self.room.knobs]
            if len(kept) != ask.LOT or any(len(c) != len(sizes) or not all(isinstance(i, int) and 0 <= i < n for i, n in
                                                                           zip(c, sizes, strict=True)) for c in kept):
                raise BadInput(f"--resume {journal.path}: a lot of this tuning is not what rxpath wrote: the file is left as it is")
            return kept
        told = [(c, None if came.figures is None else self.want.penalised(came.figures)) for c, came in self.told]
        lot = ask.lot(self.room, told, self.host.seed, len(self.want.objectives))
        if journal:
            journal.ask(key, [list(c) for c in lot])
        return lot

    def _answer(self, runs: Runs) -> Choice:
        runs.progress = lambda count: self.progress(SHARES[0], count)
        choice = answer.smallest(runs, self.want, self.tried)
        self.answer = answer.explained(runs, self.want, choice)
        self.end = choice, self.answer.figures
        return choice

    def _verify(self, runs: Runs, choice: Choice, after: int) -> bool:
        """With seeds that nothing has seen yet.  Does the target hold in all of them?"""
        runs.progress = lambda count: self.progress(SHARES[1], count)
        each = []
        runs.do([choice], after, FRESH)                     # all of them at a time
        for k in range(after, after + FRESH):
            came = runs.do([choice], k, 1)[0]
            if came.figures is None:
                raise BadInput(f"{' '.join(self.room.overrides(choice))}: with the seed {self.host.seed + k}: {came.error}")
            each.append(came.figures)
        first = None if self.verified is None else self.verified.met
        self.verified = Verified(FRESH, sum(not self.want.beyond(f) for f in each) if self.want.limits else None, tuple(each), first)
        return not self.want.limits or self.verified.met == FRESH or self.want.beyond(self.answer.figures if self.answer else {}) > 0

    def _surer(self, runs: Runs) -> Choice | None:
        """The answer held with the seeds of the search, and not with fresh ones: it is looked for once more with all of these.  None:
        nothing that was tried holds with them."""
        met = [t for t in self.tried if not self.want.beyond(t[1])]
        runs.seeds = self.seeds + FRESH
        best = sorted(met, key=lambda t: (*self.want.order(t[1]), *self.room.size(t[0])))[:SURER]
        best += [t for t in sorted(met, key=lambda t: (*self.room.size(t[0]), t[0]))[:SURER] if t not in best]
        came = zip(best, runs.do([c for c, _ in best]), strict=True)
        holds = [(c, one.figures) for (c, _), one in came if one.figures is not None and not self.want.beyond(one.figures)]
        surer = answer.smallest(runs, self.want, holds) if holds else None
        runs.seeds = self.seeds
        if surer is None:
            return None
        self.answer = answer.explained(runs, self.want, surer)
        self.end = surer, self.answer.figures
        return surer

    def _front(self, runs: Runs) -> None:
        """Made smaller, and once more: what was made smaller may beat others."""
        runs.progress = lambda count: self.progress(SHARES[2], count)
        found = [self.end] if self.end is not None else []
        for n in answer.front(self.want, self.tried, self.room):
            choice = answer.no_worse(runs, self.want, *self.tried[n])
            figures = runs.do([choice])[0].figures
            assert figures is not None
            found.append((choice, figures))
        self.front = [found[n] for n in answer.front(self.want, found, self.room)]


def line(found: Tune) -> str:
    """JSON, as --json prints it: no infinity in it."""
    return json.dumps(found.to_dict(), indent=1, allow_nan=False) + "\n"
