"""What a run with a setting is worth against the run without: how much of what can be had it brings, in figures and in a word."""
from __future__ import annotations

from collections.abc import Iterable

from rxpath.abi.reasons import Drop, Kind
from rxpath.workbench.advice.rules import Rules
from rxpath.workbench.jobs.unit import Result
from rxpath.workbench.run.books import per_frame

YES, PART = 0.99, 0.05                                      # of what can be saved: helped, partly
GAIN = {"latency": (0.10, 0.03), "cpu": (0.10, 0.03)}       # p99, CPU time: helped, partly
SAME = 0.005                                                # of what can be saved: two losses that count as one
TELLING = 0.05                                              # of a reason's losses that a part of the traffic must hold


def ended(reasons: Iterable[str]) -> str:
    """What frames are called that some setting could save: what a setting of this host refuses is not lost."""
    refused = {Drop[r].row.kind is Kind.REFUSED for r in reasons}
    return "lost or refused" if len(refused) == 2 else "refused" if refused == {True} else "lost"


class Verdicts:
    """before: the host as it is.  may: reasons that the knobs of the rules that fired may save, although their rows have a verdict."""

    def __init__(self, goal: str, rules: Rules, may: set[str], before: Result) -> None:
        self.goal, self.rules, self.may, self.before = goal, rules, may, before
        self.savable = self.lost(before)

    def counts(self, reason: str) -> bool:
        """Can a setting of the host save what is lost to it?"""
        return reason in self.may or not self.rules.saved_by_no_knob(reason)

    def lost(self, result: Result) -> int:
        return sum(n for reason, n in result.dropped.items() if self.counts(reason))

    def gain(self, result: Result) -> float:
        """What was won of what could be: 1 is all of it.  What is still queued is not saved."""
        if self.goal == "loss":
            return result.saved(self.before) / max(self.savable, 1)
        if self.loses_more(result):
            return -1.0
        old, new = (r.p99_ns if self.goal == "latency" else r.busy_ns for r in (self.before, result))
        return (old - new) / max(old, 1)

    def loses_more(self, result: Result) -> bool:
        """Than the host as it is: no latency and no CPU time is worth that."""
        return result.lost > self.before.lost + 0.01 * self.before.offered

    def tolerance(self, best: float) -> float:
        """How much less still counts as the same."""
        if self.goal == "loss":
            return 0.01 if best >= PART else PART
        return 0.2 * best if best > 0 else 0.0

    def value(self, result: Result) -> int:
        """The figure that the goal is about."""
        return self.lost(result) if self.goal == "loss" else result.p99_ns if self.goal == "latency" else result.busy_ns

    def word(self, result: Result) -> str:
        return self.word_of(self.gain(result))

    def word_of(self, gain: float) -> str:
        some, little = (YES, PART) if self.goal == "loss" else GAIN[self.goal]
        return "yes" if gain >= some else "partly" if gain >= little else "worse" if gain <= -PART else "no"

    def helps(self, result: Result) -> bool:
        return self.word(result) in ("yes", "partly")

    def tells(self, part: Result) -> bool:
        """Does a part of the traffic show what all of it shows?  Of each reason that is worth a cure it must hold some; for latency and CPU
        time, what they are."""
        b = self.before
        if self.goal == "loss":
            worth = {r: n for r, n in b.dropped.items() if self.counts(r) and n >= PART * self.savable}
            return all(part.dropped.get(r, 0) >= max(TELLING * n, 20) for r, n in worth.items())
        if self.goal == "latency":
            return abs(part.p99_ns - b.p99_ns) <= 0.1 * b.p99_ns
        return abs(per_frame(part.busy_ns, part.offered) - per_frame(b.busy_ns, b.offered)) <= 0.05 * per_frame(b.busy_ns, b.offered)

    def moved(self, result: Result) -> str:
        """Losses that only went elsewhere."""
        more = {r: result.dropped.get(r, 0) - self.before.dropped.get(r, 0) for r in sorted({*result.dropped, *self.before.dropped})}
        up = [r for r, n in more.items() if n > PART * self.savable and self.counts(r)]
        down = [r for r, n in more.items() if n < -PART * self.savable]
        return f"frames that {' and '.join(down)} took are lost to {' and '.join(up)} instead" if up and down else ""

    def still(self, result: Result) -> str:
        """Where they are lost with the setting: always true."""
        left = [f"{n:,} {r}" for r, n in sorted(result.dropped.items(), key=lambda item: (-item[1], item[0])) if self.counts(r)]
        word = ended(r for r in result.dropped if self.counts(r))
        if left:
            return f"still {word}: {', '.join(left)}"
        return "nothing is lost, but no more is delivered" if self.savable and self.gain(result) < PART else ""

    def otherwise(self, result: Result) -> list[tuple[str, str, int]]:
        """(reason, its class, frames) of what no setting of the host can save."""
        left = [(r, n) for r, n in result.dropped.items() if not self.counts(r)]
        return [(r, Drop[r].row.kind.value, n) for r, n in sorted(left, key=lambda item: (-item[1], item[0]))]


