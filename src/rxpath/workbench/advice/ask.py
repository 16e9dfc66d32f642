"""rxpath.whatif(): a replay, and what would have saved what it lost.  The command comes through answer() with a run that it has shown."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput
from rxpath.workbench.work.unit import Unit

if TYPE_CHECKING:
    from rxpath.workbench.host.model.host import Host
    from rxpath.workbench.traffic.spec import Spec

GOALS = ("loss", "latency", "cpu")
BUDGET = "10s"


def whatif(capture: str | Path | Spec, host: Host | str | Path | None = None, *, overrides: Sequence[str] = (), seed: int | None = None,
           listen: Sequence[str] = (), local: str | None = None, speed: float = 1.0, rate: str | int | None = None, loop: int = 1,
           skip_unsupported: bool | None = None, goal: str | None = None, budget: str | float = BUDGET, jobs: int | None = None,
           progress: Callable[[float, int], None] | None = None, stop: Callable[[], bool] | None = None) -> Outcome:
    """rxpath.replay(), then the candidate knobs, each on the same traffic and host: Outcome.whatif, Outcome.knobs (best first).

    goal      loss, latency or cpu; none: loss, if anything was lost
    budget    how long to try, "10s" or seconds
    jobs      how many runs at a time; none: all cores
    The others as in replay()."""
    from rxpath.workbench.run import replay as replaying
    from rxpath.workbench.traffic import capture as traffic

    goal, seconds = checked_goal(goal), checked_budget(budget)
    if host is None and traffic.spec_of(capture) is None:
        host = traffic.bundled_host(str(capture))
    chosen = replaying.the_host(host, overrides, seed)
    run = replaying.replay(capture, chosen, listen=listen, local=local, speed=speed, rate=rate, loop=loop,
                           skip_unsupported=skip_unsupported, stop=stop)
    unit = Unit(str(capture) if isinstance(capture, Path) else capture, listen=tuple(listen), local=local, speed=speed, rate=rate,
                loop=loop)
    return answer(run, unit, chosen, goal, seconds, skip_unsupported=skip_unsupported, jobs=jobs, progress=progress, stop=stop)


def answer(run: Outcome, unit: Unit, host: Host, goal: str | None, seconds: float, *, skip_unsupported: bool | None = None,
           jobs: int | None = None, progress: Callable[[float, int], None] | None = None,
           stop: Callable[[], bool] | None = None) -> Outcome:
    """The same run with its answer."""
    from rxpath.workbench.advice import search as engine
    from rxpath.workbench.host import file as hostfile

    if unit.capture == "-":
        if run.dropped or goal:
            unread = engine.WhatIf(goal or "loss", (), (), ("standard input cannot be read again to try knobs: save it to a file",))
            return replace(run, whatif=unread)
        return run
    if skip_unsupported and (host.iptables.file or host.iptables.text):
        table = {"file": host.iptables.file} if host.iptables.file else {"text": host.iptables.text}
        host = hostfile.revise(host, {"iptables": {**table, "skip_unsupported": True}})
    return replace(run, whatif=engine.what_if(run, unit, host, goal, seconds, jobs, progress, stop))


def checked_goal(goal: str | None) -> str | None:
    if goal is not None and goal not in GOALS:
        near = units.nearest(goal, list(GOALS))
        raise BadInput(f"--goal {goal}: must be {', '.join(GOALS[:-1])} or {GOALS[-1]}" + (f"; did you mean {near}?" if near else ""))
    return goal


def checked_budget(budget: str | float) -> float:
    """Seconds of "10s", "500ms", "2min" or a number of seconds."""
    try:
        if isinstance(budget, str):
            seconds = float(budget) if budget.strip().isdigit() else units.duration_ns(budget) / 1e9
        else:
            seconds = float(budget)
    except ValueError as error:
        raise BadInput(f"--budget {budget}: must be {str(error).rpartition(', or')[0]}, or a whole number of seconds") from None
    if not 0 <= seconds <= 86400:
        raise BadInput(f"--budget {budget}: must be 0 to 24 hours")
    return seconds
