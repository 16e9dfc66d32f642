"""What the model loses, in the classes and the intervals of the truth."""
from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from rxpath.workbench.case.classes import CLASSES, LossClass
from rxpath.workbench.case.truth import Truth
from rxpath.workbench.run.books import Books
from rxpath.workbench.run.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Ours:
    """total: between the first edge and the last; whole: of the run.  each: in each interval; (): the clocks do not allow it."""

    total: int
    whole: int
    each: tuple[int, ...] = ()


def edges_of(run: Outcome, walls: tuple[float, ...]) -> list[int]:
    """Moments of the wall clock in virtual time: the capture's first frame came at start_ns."""
    t = run.traffic
    return [t.start_ns + round(wall * 1e9) - t.first_ts for wall in walls]


def ours(run: Outcome, found: Truth, walls: tuple[float, ...]) -> dict[str, Ours]:
    """walls: the truth's edges; (): only whole runs can be compared.  What is only counted at the ends is compared between those."""
    edges, ends = edges_of(run, walls), edges_of(run, found.ends if walls else ())
    return {each.key: _of(each, run, edges if found.losses[each.key].each or not ends else ends) for each in CLASSES}


def _of(each: LossClass, run: Outcome, edges: list[int]) -> Ours:
    whole, frames = lost_of(each, run.books), _frames(each, run.books)
    if not edges or run.recording is None or not each.reasons:
        return Ours(whole, whole)
    steps = [0.0] * (len(edges) - 1)
    scale = whole / frames if frames else 1.0
    for series in run.recording.of("dropped"):
        if series.of not in each.reasons:
            continue
        for i, n in enumerate(series.sum):
            at = bisect_right(edges, i * run.recording.bucket_ns + run.recording.bucket_ns // 2) - 1
            if n and 0 <= at < len(steps):
                steps[at] += n * scale
    each_step = tuple(round(n) for n in steps)
    return Ours(round(sum(steps)), whole, each_step)


def _frames(each: LossClass, b: Books) -> int:
    return sum(b.dropped.get(reason, 0) for reason in each.reasons)


def lost_of(each: LossClass, b: Books) -> int:
    """What the model has lost of a class, counted as the kernel's counter does."""
    if not each.counted:
        return _frames(each, b)
    return sum((b.softnet_sum(name.removeprefix("softnet.")) if name.startswith("softnet.") else (b.snmp | b.netstat).get(name, 0))
               for name in each.counted)
