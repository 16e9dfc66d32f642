"""Runs of settings for a search: a budget that counts simulated packets, the beginning of the traffic before all of it, each setting once.

Nothing here depends on the clock or on how many workers there are: the same input gives the same answer on a busy machine.  Which settings
the budget still allows is decided in their order, before any of them runs."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rxpath.workbench.advice.settings import Set
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.jobs import unit as units
from rxpath.workbench.jobs.pool import Pool
from rxpath.workbench.jobs.spread import reseeded, seed_of
from rxpath.workbench.jobs.unit import Result, Unit
from rxpath.workbench.run import replay
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.traffic.settings import split

PARTS = (16, 8, 4, 2)                                       # 1/16 of the traffic, ...
LEAST = 10_000                                              # frames of a part: a run of fewer takes about as long
FEWEST = 3                                                  # seeds that tell anything apart
BEGUN = 4                                                   # 1/4 of the budget, at most, is begun before it is asked for
FOR_SEEDS = 2_000_000                                       # packets for other seeds; more where that is too few for one setting
Progress = Callable[[float, int], None]
Stop = Callable[[], bool]


class Runs:
    """run: what came of `unit` on `host`.  budget: simulated packets.  base: what came of the host as it is on the present part.
    seeds: how many each verdict is given for."""

    def __init__(self, run: Outcome, unit: Unit, host: Host, budget: int, pool: Pool, seeds: int = 1) -> None:
        self.unit, self.host, self.pool = unit, host, pool
        self.stop: Stop | None = None
        self.progress: Progress | None = None
        self.traffic, self.whole = run.traffic, units.of(run)
        self.spec = traffic.changed_spec(unit.capture, unit.traffic, unit.seed)
        self.base, self.part = self.whole, 1
        self.budget, self.seeds, self.wanted_seeds = budget, seeds, seeds
        self._for_seeds = min(budget // 4, max(2 * (seeds - 1) * self.whole.offered, FOR_SEEDS)) if seeds > 1 else 0
        self.left = budget - self._for_seeds
        self.count = self.packets = self._kept = 0
        self._searched: tuple[int, Result] | None = None
        self._after: int | None = None                      # not for seeds
        self.interrupted = self.short = False
        self.failed: list[str] = []
        self._known: dict[tuple[int, int, Set], Result] = {}
        self._begun: dict[tuple[int, int, Set], Unit] = {}
        self.order = tuple(range(seeds))                    # which seed is the k-th, after the host's own

    @property
    def settings(self) -> int:
        """How many were tried."""
        return len({s for _, _, s in self._known if s})

    def over(self) -> bool:
        """Is there nothing more to be had?"""
        return self.interrupted or self.short

    def begin(self, sets: Sequence[Set]) -> None:
        """The host as it is with the other seeds, and with these settings: what any answer needs begins before it is asked for.  Only where
        it is little beside the budget; it counts when it is asked for."""
        wanted = [*((k, ()) for k in range(1, self.seeds)), *((0, s) for s in sets)]
        all_seeds = 2 * (self.seeds - 1) * self.whole.offered <= self._for_seeds
        if all_seeds and len(wanted) * self.whole.offered <= self.left // BEGUN:
            self._begun = {(self.part, *w): self._unit(w[1], w[0]) for w in wanted}
            self.pool.begin(list(self._begun.values()))

    def show(self, k: int) -> None:
        """The k-th seed becomes the first, the one that settings are tried with.  All of the traffic has been run with it."""
        before, self.order = self.order, (self.order[k], *self.order[:k], *self.order[k + 1:])
        now = {i: self.order.index(seed) for i, seed in enumerate(before)}
        self._known[1, 0, ()] = self.whole
        self._known = {(part, now[i], settings): result for (part, i, settings), result in self._known.items()}
        self._begun = {}
        self.base = self.whole = self._known.pop((1, 0, ()))

    @property
    def seed(self) -> int:
        """Of the host, that settings are tried with."""
        return seed_of(self.host, self.order[0])

    def outcome_of(self, k: int) -> Outcome | None:
        """The k-th seed becomes the first, and this is what came of it."""
        before = self.order
        self.show(k)
        found = self.outcome(())
        if found is None:
            self.show(self.order.index(before[0]))
        return found

    def search_again(self) -> None:
        """Settings come after the other seeds of the host as it is: what is left for seeds is kept for later ones."""
        if self._after is not None:
            self._for_seeds, self.left, self._after = self.left, self._after, None

    # ------------------------------------------------------------ which part
    def choose_part(self, tells: Callable[[Result], bool]) -> None:
        """The shortest beginning of the traffic that tells as much as all of it.  The host as it is runs on each until then."""
        self._kept = self.left // 2                         # for all of the traffic
        self.left -= self._kept
        for part in PARTS:
            if self.whole.offered // part < LEAST or self.over():
                continue
            self.part, self.base = part, replace(self.whole, offered=self.whole.offered // part)
            found = self.do([()])[0]
            if found is not None and tells(found):
                self.base = found
                return
        self.all_of_it()

    def all_of_it(self) -> None:
        self._searched = (self.part, self.base) if self.part > 1 else None
        self.part, self.base, self.short = 1, self.whole, False
        self.left, self._kept = self.left + self._kept, 0

    def _unit(self, settings: Set, k: int = 0) -> Unit:
        of_traffic, of_host = split(settings)
        unit = replace(self.unit, host=self.host, overrides=of_host, traffic=(*self.unit.traffic, *of_traffic))
        unit = reseeded(unit, self.host, self.spec, self.order[k])
        if self.part == 1:
            return unit
        if traffic.spec_of(unit.capture) is not None:
            return replace(unit, last=self.traffic.duration_ns // self.part)
        wanted, each = max(self.traffic.records // self.part, 1), max(self.traffic.records // unit.loop, 1)
        return replace(unit, last=wanted, loop=1) if wanted < each else replace(unit, loop=-(-wanted // each))

    # ------------------------------------------------------------ runs
    def do(self, sets: Sequence[Set]) -> list[Result | None]:
        """What came of each; None: it cannot be run, or the budget or patience ran out."""
        return self._do([(0, s) for s in sets])

    def repeat(self, sets: Sequence[Set]) -> list[tuple[Result, ...] | None]:
        """What came of each with the other seeds: all of them, or None."""
        each = range(1, self.seeds)
        room = max(self.left, 0) // max(self.base.offered, 1) // max(len(each), 1)
        found = self._do([(k, s) for s in sets[:room] for k in each])
        rows = [found[i * len(each):(i + 1) * len(each)] for i in range(min(room, len(sets)))]
        done: list[tuple[Result, ...] | None] = [None if None in row else tuple(r for r in row if r is not None) for row in rows]
        return done + [None] * (len(sets) - len(done))

    def turn_to_seeds(self) -> None:
        """The search is over: what was kept goes to other seeds.  Fewer than wanted, where that is too much for the host as it is and one
        setting; on the part that was searched on, where three are."""
        self._after, self.left, self.short = self.left, self._for_seeds, False
        known = all((self.part, k, ()) in self._known for k in range(1, self.seeds))        # as it is, when no knob had been tried yet
        rows = 1 if known else 2
        while self.seeds > FEWEST and rows * (self.seeds - 1) * self.base.offered > self.left:
            self.seeds -= 1
        if rows * (self.seeds - 1) * self.base.offered > self.left and self._searched is not None:
            self.part, self.base = self._searched
            self.seeds = self.wanted_seeds

    def back_to_settings(self) -> None:
        """What is left goes to the host with other settings, on all of the traffic."""
        self.left, self._after = self.left + (self._after or 0), None
        self.all_of_it()

    def _do(self, wanted: Sequence[tuple[int, Set]]) -> list[Result | None]:
        work = [w for w in dict.fromkeys(wanted) if (self.part, *w) not in self._known]
        cost = max(self.base.offered, 1)
        allowed = work[:max(self.left, 0) // cost]
        self.short = self.short or len(allowed) < len(work)
        self.left -= cost * len(allowed)
        errors: dict[int, str] = {}
        units = [self._begun.get((self.part, k, s)) or self._unit(s, k) for k, s in allowed]
        for i, result in self.pool.run_all(units, stop=self.stop):
            self.count += 1
            self.packets += result.offered
            if result.error is not None:
                errors[i] = result.error
            elif not result.interrupted:
                self._known[self.part, *allowed[i]] = result
            if self.progress:
                self.progress(min(1.0, self.packets / max(self.budget, 1)), self.count)
        self.failed += [text for _, text in sorted(errors.items())]
        self.interrupted = self.interrupted or bool(self.stop and self.stop())
        return [self._known.get((self.part, *w)) for w in wanted]

    def outcome(self, settings: Set) -> Outcome | None:
        """A whole outcome, in this process: the rules want more than a Result has."""
        if self.left < self.base.offered or self.over():
            self.short = self.short or not self.interrupted
            return None
        self.left -= self.base.offered
        unit = self._unit(settings)
        try:
            host = units.the_host(unit)
            found = replay.replay(unit.capture, host, overrides=unit.traffic, seed=unit.seed, listen=unit.listen, local=unit.local,
                                  speed=unit.speed, rate=unit.rate, loop=unit.loop, fresh=unit.fresh, last=unit.last,
                                  receiver=units.receiver(unit, host), stop=self.stop,
                                  programs=unit.own_programs())
        except ValueError:
            return None
        self.count += 1
        self.packets += found.offered
        self.interrupted = self.interrupted or found.interrupted
        return None if found.interrupted else found
