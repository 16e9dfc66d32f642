"""What may be asked of the advice: for which goal, for how long."""
from __future__ import annotations

from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

GOALS = ("loss", "latency", "cpu")
BUDGET = "10s"


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
