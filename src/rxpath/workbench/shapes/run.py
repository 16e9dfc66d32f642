"""Runs shapes, many on all cores."""
from __future__ import annotations

from collections.abc import Callable, Sequence

from rxpath.workbench.jobs.pool import Stop, Workers
from rxpath.workbench.shapes import costs, overload, receivers, tcp, waiting  # noqa: F401  they register their shapes
from rxpath.workbench.shapes.shape import MS, SHAPES, Found, Shape
from rxpath.workbench.words.mistakes import BadInput

ORDER = ("Q1", "Q2", "Q3", "Q4", "Q5", "Q6", "Q7", "Q9", "2b", "Q10", "Q11", "hooks", "ladder", "tcp")


def chosen(only: Sequence[str]) -> list[Shape]:
    """The shapes of --only in the page's order; all without."""
    known = {key.lower(): key for key in ORDER}
    for name in only:
        if name.lower() not in known:
            raise BadInput(f"--only {name}: no such shape: there are {', '.join(ORDER)}")
    wanted = {known[name.lower()] for name in only} or set(ORDER)
    return [SHAPES[key] for key in ORDER if key in wanted]


def run(shapes: Sequence[Shape], ms: int = MS, jobs: int = 1, progress: Callable[[int, int], None] | None = None,
        stop: Stop | None = None) -> dict[str, Found]:
    """Every shape's figures, by key, in the order of `shapes`; those that were not done when `stop` said so are not there."""
    def one(key: str, over: Stop) -> Found:
        return SHAPES[key].run(ms)

    with Workers(min(jobs, len(shapes)), one, _lost, lambda keys: None) as workers:
        done = {shapes[i].key: found for i, found in workers.run_all([s.key for s in shapes], progress, stop=stop)}
    return {s.key: done[s.key] for s in shapes if s.key in done}


def _lost(status: int) -> Found:
    raise RuntimeError(f"the process of a shape ended with status {status}")
