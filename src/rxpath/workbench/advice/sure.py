"""A verdict in several seeds: what a setting brings in each, against the host as it is in the same one.  An effect inside the spread is
none.  A seed in which nothing is lost, with the setting or without it, says nothing of losses: it does not count."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from rxpath.workbench.advice.verdict import YES, Verdicts
from rxpath.workbench.jobs.spread import Range, beyond_chance, told_apart
from rxpath.workbench.jobs.unit import Result
from rxpath.workbench.words.figures import between, count, ns


@dataclass(frozen=True, slots=True)
class Sure:
    """A setting in every seed, the shown one first.  lost_before, lost_after, saved: as in Tried.  gain: the median of what it won
    (verdict.py).  told_apart: it differs from the host as it is by more than the seeds do.  cures: of the seeds in which something is lost
    as it is, nothing is with the setting, and in no other."""
    lost_before: Range
    lost_after: Range
    saved: Range
    p99_ns: Range
    cpu_ns: Range
    gain: float
    told_apart: bool
    cures: bool = False
    loses_more: int = 0                                     # seeds

    @property
    def losing(self) -> int:
        """Seeds in which something is lost as it is."""
        return sum(n > 0 for n in self.lost_before.each)

    def to_dict(self) -> dict[str, Any]:
        ranges = ("lost_before", "lost_after", "saved", "p99_ns", "cpu_ns")
        return {k: getattr(self, k).to_dict() for k in ranges} | {"told_apart": self.told_apart}


class Chance:
    """verdicts: of every seed, the shown one first."""

    def __init__(self, verdicts: Sequence[Verdicts]) -> None:
        self.verdicts = verdicts
        self.before = self.sure([v.before for v in verdicts])

    def sure(self, results: Sequence[Result]) -> Sure:
        """What a setting came to, from what it gave in every seed."""
        pairs = list(zip(self.verdicts, results, strict=True))
        return Sure(Range(tuple(v.savable for v in self.verdicts)), Range(tuple(v.lost(r) for v, r in pairs)),
                    Range(tuple(r.saved(v.before) for v, r in pairs)),
                    Range(tuple(r.p99_ns for r in results)), Range(tuple(r.busy_ns for r in results)),
                    median_low(self.gains(results)), self.told_apart(results), self.cures(results),
                    sum(v.loses_more(r) for v, r in pairs))

    def gains(self, results: Sequence[Result]) -> list[float]:
        """What it won in each seed that says something; at least one figure."""
        pairs = list(zip(self.verdicts, results, strict=True))
        return [v.gain(r) for v, r in pairs if v.goal != "loss" or v.savable or v.lost(r)] or [0.0]

    def told_apart(self, results: Sequence[Result]) -> bool:
        """By the figure itself or by its share of what can be had: traffic that differs from seed to seed moves the first, and leaves the
        second alone where a setting does the same for all.  Shares are of no use where it loses what was not lost before, and one alone
        says nothing; but what saves all, wherever something is lost, is a cure however few those seeds are."""
        pairs = list(zip(self.verdicts, results, strict=True))
        before, after = [v.value(v.before) for v in self.verdicts], [v.value(r) for v, r in pairs]
        if told_apart(before, after) or self.cures(results):
            return True
        if self.verdicts[0].goal == "loss" and any(v.lost(r) and not v.savable for v, r in pairs):
            return False
        shares = self.gains(results)
        return len(shares) > 1 and beyond_chance(shares)

    def cures(self, results: Sequence[Result]) -> bool:
        """Is nothing lost in any seed, where something was in one at least, and is what was lost delivered?"""
        pairs = list(zip(self.verdicts, results, strict=True))
        saved = [r.saved(v.before) for v, r in pairs]
        return self.verdicts[0].goal == "loss" and any(v.savable for v in self.verdicts) and not any(v.lost(r) for v, r in pairs) \
            and min(saved) >= 0 and sum(saved) >= YES * sum(v.savable for v in self.verdicts)

    def worst(self, results: Sequence[Result]) -> float:
        """The least that it won in any seed."""
        return min(self.gains(results))

    def inside(self, found: Sure) -> str:
        """Why it is said to bring nothing."""
        goal, n = self.verdicts[0].goal, len(self.verdicts)
        if goal != "loss" and found.loses_more:
            return f"more frames are lost with it in {found.loses_more} of {n} seeds"
        what, text = {"loss": ("lost", count), "latency": ("p99", ns), "cpu": ("CPU time", ns)}[goal]
        was, now = (between(r.min, r.max, text) for r in {
            "loss": (found.lost_before, found.lost_after), "latency": (self.before.p99_ns, found.p99_ns),
            "cpu": (self.before.cpu_ns, found.cpu_ns)}[goal])
        return f"no more than chance over {n} seeds: {what} {now} with it, {was} without it"
