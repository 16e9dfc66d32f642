"""rxpath.replay() and rxpath.whatif(): a capture through the path of a host; and what would have saved what it lost."""
from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rxpath.workbench.advice import ask
from rxpath.workbench.advice.answer import Tried, WhatIf
from rxpath.workbench.advice.goal import BUDGET, SEEDS, checked_budget, checked_goal, checked_seeds
from rxpath.workbench.api.shown import shown
from rxpath.workbench.host import given
from rxpath.workbench.jobs.spread import Spread
from rxpath.workbench.jobs.unit import Unit, with_programs
from rxpath.workbench.jobs.where import Jobs
from rxpath.workbench.run import outcome
from rxpath.workbench.run import replay as replaying
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.traffic.settings import Settings, listed, split
from rxpath.workbench.traffic.spec import Spec
from rxpath.workbench.views import advice, as_json, frames, report, terminal

if TYPE_CHECKING:
    from rxpath.workbench.run.own import Program


@dataclass(frozen=True, slots=True)
class Outcome(outcome.Outcome):
    """A finished (or interrupted) run.  str() is the report, .to_dict() the object of --json."""
    whatif: WhatIf | None = None                            # what would have saved them, when that was asked

    @classmethod
    def of(cls, run: outcome.Outcome, answer: WhatIf | None = None) -> Outcome:
        return cls(**{f.name: getattr(run, f.name) for f in fields(outcome.Outcome)}, whatif=answer)

    @property
    def knobs(self) -> tuple[Tried, ...]:
        """Settings that were tried on the same traffic, best first; rxpath.whatif() and `rxpath replay` try them."""
        return self.whatif.knobs if self.whatif is not None else ()

    @property
    def spread(self) -> Spread | None:
        """Its figures over several seeds; rxpath.whatif() runs them."""
        return self.whatif.spread if self.whatif is not None else None

    def to_dict(self) -> dict[str, Any]:
        """docs/json.md says what is in it."""
        return as_json.build(self, self.whatif)

    def table(self, what: str, kind: str = "arrow") -> Any:
        """samples (single datagrams), recording (a row for each bucket of each series), trail (a row for each station that a watched packet
        passed) or drops (frames by reason and station) as a table of `kind`: arrow (needs rxpath[parquet]), pandas or polars."""
        return frames.of_run(self, what, kind)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=1)

    def _repr_html_(self) -> str:
        from rxpath.workbench.views.html import notebook

        return notebook.of_run(self, self.whatif)

    def __str__(self) -> str:
        return terminal.plain(report.render(self, *([advice.render(self, self.whatif)] if self.whatif is not None else [])))


replay = shown(replaying.replay, Outcome.of)


def whatif(capture: str | Path | Spec, host: given.GivenHost = None, *, overrides: Settings = (), seed: int | None = None,
           listen: str | Sequence[str] = (), local: str | None = None, speed: float = 1.0, rate: str | int | None = None, loop: int = 1,
           skip_unsupported: bool | None = None, goal: str | None = None, budget: str | int = BUDGET, jobs: Jobs = None,
           seeds: int = SEEDS, progress: Callable[[float, int], None] | None = None, stop: Callable[[], bool] | None = None,
           programs: Sequence[Program] = ()) -> Outcome:
    """rxpath.replay(), then the candidate knobs, each on the same traffic and host: Outcome.whatif, Outcome.knobs (best first).

    goal      loss, latency or cpu; none: loss, if anything was lost
    budget    how many packets to simulate for it, "20M" or a number
    jobs      how many runs at a time; none: all cores; the address of a Dask scheduler: its workers
    seeds     how many seeds the run and every verdict are given for; 1: the run alone
    programs  applications of your own, of class rxpath.Program: the run itself has those that you give, every other one copies of them
    The others as in replay()."""
    seeds = checked_seeds(seeds)
    goal, packets = checked_goal(goal), checked_budget(budget)
    if host is None and traffic.spec_of(capture) is None:
        host = traffic.bundled_host(str(capture))
    of_traffic, of_host = split(overrides)
    chosen = given.the_host(host, of_host, seed)
    unit = Unit(str(capture) if isinstance(capture, Path) else capture, chosen, seed=seed, listen=listed(listen), local=local, speed=speed,
                rate=rate, loop=loop, traffic=of_traffic)
    unit = with_programs(unit, programs, jobs)                    # copies of what they are before the run
    run = replaying.replay(capture, chosen, overrides=of_traffic, seed=seed, listen=listen, local=local, speed=speed, rate=rate, loop=loop,
                           skip_unsupported=skip_unsupported, stop=stop, programs=programs)
    return Outcome.of(run, ask.answer(run, unit, chosen, goal, packets, skip_unsupported=skip_unsupported, jobs=jobs, seeds=seeds,
                                      progress=progress, stop=stop))
