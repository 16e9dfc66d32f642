"""What would have saved them, asked about a run that was made: by `rxpath replay` and by rxpath.whatif()."""
from __future__ import annotations

from collections.abc import Callable

from rxpath.workbench.advice.search import WhatIf, what_if
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput
from rxpath.workbench.work.unit import Unit

GOALS = ("loss", "latency", "cpu")
BUDGET = "10s"


def answer(run: Outcome, unit: Unit, host: Host, goal: str | None, seconds: float, *, skip_unsupported: bool | None = None,
           jobs: int | None = None, progress: Callable[[float, int], None] | None = None,
           stop: Callable[[], bool] | None = None) -> WhatIf | None:
    """None: nothing was lost, and nothing was asked."""
    if unit.capture == "-":
        if run.dropped or goal:
            return WhatIf(goal or "loss", (), (), ("standard input cannot be read again to try knobs: save it to a file",))
        return None
    if skip_unsupported and (host.iptables.file or host.iptables.text):
        table = {"file": host.iptables.file} if host.iptables.file else {"text": host.iptables.text}
        host = hostfile.revise(host, {"iptables": {**table, "skip_unsupported": True}})
    return what_if(run, unit, host, goal, seconds, jobs, progress, stop)


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
