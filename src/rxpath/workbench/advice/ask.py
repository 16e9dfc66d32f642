"""What would have saved them, asked about a run that was made: by `rxpath replay` and by rxpath.whatif()."""
from __future__ import annotations

from dataclasses import replace
from typing import Self

from rxpath.workbench.advice.answer import WhatIf
from rxpath.workbench.advice.runs import Progress, Runs, Stop
from rxpath.workbench.advice.search import what_if
from rxpath.workbench.advice.sensitivity import changes
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.jobs import unit as units
from rxpath.workbench.jobs.spread import Spread, repeat
from rxpath.workbench.jobs.unit import Unit
from rxpath.workbench.jobs.where import Jobs, the_pool
from rxpath.workbench.run.outcome import Outcome


class Question:
    """What would have saved the losses of `run`, which came of `unit` on `host`.  Runs that any answer needs begin at once, beside whatever
    the caller does before it asks.  seeds: that every verdict is given for."""

    def __init__(self, run: Outcome, unit: Unit, host: Host, goal: str | None, budget: int, *, skip_unsupported: bool | None = None,
                 jobs: Jobs = None, seeds: int = 1) -> None:
        self.run, self.goal = run, goal
        self._pool = the_pool(jobs)
        self._runs: Runs | None = None
        self._once = unit.capture == "-"
        if self._once or run.interrupted:
            return
        if run.taught is not None and run.taught.applied:   # every run has the program that the capture taught
            host = hostfile.revise(host, {"app": run.host._raw["app"]})
        self._runs = Runs(run, unit, _lenient(host, skip_unsupported), budget, self._pool, seeds)
        self._runs.begin([settings for _, settings in changes(self._runs.host)])

    def answer(self, progress: Progress | None = None, stop: Stop | None = None) -> WhatIf | None:
        """None: nothing was lost, and nothing was asked; or the run was interrupted."""
        if self._once and (self.run.dropped or self.goal):
            return WhatIf(self.goal or "loss", (), (), ("standard input cannot be read again to try knobs: save it to a file",),
                          seed=self.run.host.seed)
        if self._runs is None:
            return None
        self._runs.progress, self._runs.stop = progress, stop
        return what_if(self.run, self._runs, self.goal)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()


def answer(run: Outcome, unit: Unit, host: Host, goal: str | None, budget: int, *, skip_unsupported: bool | None = None,
           jobs: Jobs = None, seeds: int = 1, progress: Progress | None = None, stop: Stop | None = None) -> WhatIf | None:
    """A Question, asked at once."""
    with Question(run, unit, host, goal, budget, skip_unsupported=skip_unsupported, jobs=jobs, seeds=seeds) as question:
        return question.answer(progress, stop)


def spread_of(run: Outcome, unit: Unit, host: Host, seeds: int, *, skip_unsupported: bool | None = None, jobs: Jobs = None,
              progress: Progress | None = None, stop: Stop | None = None) -> Spread | None:
    """The run alone, over so many seeds.  None: it was stopped."""
    def share(n: int, of: int) -> None:
        if progress is not None:
            progress(n / of, n)

    if run.interrupted:
        return None
    with the_pool(jobs) as pool:
        return repeat(pool, units.of(run), replace(unit, host=_lenient(host, skip_unsupported)), seeds, stop, share)


def _lenient(host: Host, skip_unsupported: bool | None) -> Host:
    """With what replay() is told apart from the host."""
    if not skip_unsupported or not (host.iptables.file or host.iptables.text):
        return host
    table = {"file": host.iptables.file} if host.iptables.file else {"text": host.iptables.text}
    return hostfile.revise(host, {"iptables": {**table, "skip_unsupported": True}})
