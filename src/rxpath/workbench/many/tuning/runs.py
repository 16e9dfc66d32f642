"""What came of choices: each is run on every capture with every seed, the same seeds for all, and no run is done twice.  With a journal not
even the next time."""
from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rxpath.workbench.jobs import unit as units
from rxpath.workbench.jobs.pool import LOST, Pool, Stop
from rxpath.workbench.jobs.spread import reseeded
from rxpath.workbench.jobs.unit import Result, Unit
from rxpath.workbench.many import resume
from rxpath.workbench.many.resume import Journal
from rxpath.workbench.many.search import Interrupted, outrun
from rxpath.workbench.many.tuning.space import Choice, Space
from rxpath.workbench.many.tuning.target import figures
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.words.mistakes import BadInput

RETRIES = 3


@dataclass(frozen=True, slots=True)
class Came:
    """Of a choice: its figures, the worst of all runs, or why it cannot be run."""
    figures: dict[str, float] | None
    error: str | None = None


class Runs:
    """bases: a unit for each capture.  seeds: how many each is run with.  count: runs that were needed, the journal's too."""

    def __init__(self, space: Space, bases: Sequence[Unit], seeds: int, pool: Pool, journal: Journal | None, stop: Stop | None) -> None:
        self.space, self.bases, self.seeds, self.pool, self.journal, self.stop = space, bases, seeds, pool, journal, stop
        self.hosts = [units.the_host(b) for b in bases]
        self.specs = [traffic.changed_spec(b.capture, b.traffic, b.seed) for b in bases]
        self.same = [resume.same(b) for b in bases] if journal else []
        self.progress: Callable[[int], None] = lambda runs: None
        self._known: dict[tuple[Choice, int, int], Result] = {}

    @property
    def count(self) -> int:
        return len(self._known)

    @property
    def packets(self) -> int:
        """That were simulated for them."""
        return sum(r.offered for r in self._known.values())

    def do(self, choices: Sequence[Choice], first_seed: int = 0, seeds: int | None = None) -> list[Came]:
        """In the order of the choices.  Raises Interrupted; what was done until then is kept."""
        ks = range(first_seed, first_seed + (seeds or self.seeds))
        wanted = [(c, b, k) for c in dict.fromkeys(choices) for b in range(len(self.bases)) for k in ks]
        todo = [w for w in wanted if w not in self._known]
        for _ in range(RETRIES):
            todo = self._run(todo)
            if not todo:
                return [self._came([self._known[c, b, k] for b in range(len(self.bases)) for k in ks]) for c in choices]
        at = " ".join(self.space.overrides(todo[0][0])) or "today's host"
        raise BadInput(f"a worker process ended {RETRIES} times at {at}: is there too little memory?")

    def _run(self, todo: Sequence[tuple[Choice, int, int]]) -> list[tuple[Choice, int, int]]:
        """Returns those whose worker was lost."""
        work = [self._unit(*w) for w in todo]
        keys = [resume.key(self.same[b], u) for (_, b, _), u in zip(todo, work, strict=True)] if self.journal else []
        left = []
        for i, key in enumerate(keys):
            if self.journal and key in self.journal.rows:
                self._known[todo[i]] = self.journal.rows[key]
        left = [i for i, w in enumerate(todo) if w not in self._known]
        lost, done = [], 0
        for n, result in self.pool.run_all([work[i] for i in left], stop=self.stop):
            i, done = left[n], done + 1
            if result.error is not None and result.error.startswith(LOST):
                lost.append(todo[i])
                continue
            self._known[todo[i]] = result
            if self.journal:
                self.journal.add(keys[i], dict(text.partition("=")[::2] for text in work[i].overrides), result)
            self.progress(self.count)
        if done < len(left):
            raise Interrupted
        return sorted(lost)

    def _unit(self, choice: Choice, b: int, k: int) -> Unit:
        base = self.bases[b]
        return reseeded(dataclasses.replace(base, overrides=base.overrides + self.space.overrides(choice)), self.hosts[b], self.specs[b], k)

    def _came(self, results: Sequence[Result]) -> Came:
        for r in results:
            if r.error is not None:
                return Came(None, r.error)
            if r.lost_to_us or outrun(r) is not None:
                return Came(None, "the simulation came to a limit of its own: that run says nothing of the host")
        return Came(figures(results))


def question(*what: object) -> str:
    """What a journal knows a lot by."""
    return hashlib.blake2b(repr(what).encode(), digest_size=16).hexdigest()
