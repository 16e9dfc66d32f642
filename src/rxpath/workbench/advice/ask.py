"""What would have saved them, asked about a run that was made: by `rxpath replay` and by rxpath.whatif()."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rxpath.workbench.advice.answer import WhatIf
from rxpath.workbench.advice.search import what_if
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.jobs import unit as units
from rxpath.workbench.jobs.pool import Pool
from rxpath.workbench.jobs.spread import Spread, repeat
from rxpath.workbench.jobs.unit import Unit
from rxpath.workbench.run.outcome import Outcome


def answer(run: Outcome, unit: Unit, host: Host, goal: str | None, budget: int, *, skip_unsupported: bool | None = None,
           jobs: int | None = None, seeds: int = 1, progress: Callable[[float, int], None] | None = None,
           stop: Callable[[], bool] | None = None) -> WhatIf | None:
    """seeds: that every verdict is given for.  None: nothing was lost, and nothing was asked."""
    if unit.capture == "-":
        if run.dropped or goal:
            return WhatIf(goal or "loss", (), (), ("standard input cannot be read again to try knobs: save it to a file",))
        return None
    if run.taught is not None and run.taught.applied:       # every run has the program that the capture taught
        host = hostfile.revise(host, {"app": run.host._raw["app"]})
    return what_if(run, unit, _lenient(host, skip_unsupported), goal, budget, jobs, progress, stop, seeds=seeds)


def spread_of(run: Outcome, unit: Unit, host: Host, seeds: int, *, skip_unsupported: bool | None = None, jobs: int | None = None,
              progress: Callable[[float, int], None] | None = None, stop: Callable[[], bool] | None = None) -> Spread | None:
    """The run alone, over so many seeds.  None: it was stopped."""
    def share(n: int, of: int) -> None:
        if progress is not None:
            progress(n / of, n)

    if run.interrupted:
        return None
    with Pool(jobs) as pool:
        return repeat(pool, units.of(run), replace(unit, host=_lenient(host, skip_unsupported)), seeds, stop, share)


def _lenient(host: Host, skip_unsupported: bool | None) -> Host:
    """With what replay() is told apart from the host."""
    if not skip_unsupported or not (host.iptables.file or host.iptables.text):
        return host
    table = {"file": host.iptables.file} if host.iptables.file else {"text": host.iptables.text}
    return hostfile.revise(host, {"iptables": {**table, "skip_unsupported": True}})
