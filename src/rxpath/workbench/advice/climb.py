"""A knob's ladder of settings, climbed: until it saves all, until a step brings nothing more, or to the largest that there is.

A ladder of buffers grows: what a smaller one holds, a larger one holds too.  Its largest step is run first - it says what can be had at
all - and the smallest that does as much is found by halving.  Others are climbed step by step; what should not help is run at its largest
first, and when that brings nothing no smaller one is run."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rxpath.workbench.advice.candidates import Ladder
from rxpath.workbench.advice.settings import Set
from rxpath.workbench.jobs.unit import Result

ALL, LITTLE, SAME = 0.999, 0.05, 0.01                       # of what can be had: all of it; a beginning; two that count as one
PATIENCE = 3                                                # steps at least before one that brings nothing ends the climb
Gain = Callable[[Result], float]


@dataclass(slots=True)
class Climb:
    """done: step -> what came of it.  above: steps up to here are known to be too small (of the part of the traffic before).
    seeds: step -> what came of it in every seed, the shown one first.  least: what stands is no smaller step, by these."""
    ladder: Ladder
    names: tuple[str, ...] = ()
    part: int = 1
    done: dict[int, Result] = field(default_factory=dict)
    above: int = -1
    seeds: dict[int, tuple[Result, ...]] = field(default_factory=dict)
    least: int = 0
    over: bool = False

    def next(self, gain: Gain, postpones: bool = False) -> int | None:
        """The step to run now; None: it is over.  postpones: whatever it saves is not lasting, so that the largest alone is enough."""
        last = len(self.ladder.steps) - 1
        if self.over or last < 0:
            return None
        found = self._halving(gain, last, postpones) if self.ladder.grows else self._upward(gain, last)
        self.over = found is None
        return found

    def _halving(self, gain: Gain, last: int, postpones: bool) -> int | None:
        if last not in self.done:
            return last
        most = gain(self.done[last])
        if most < LITTLE or postpones:
            return None
        enough = min(ALL, most - SAME)
        high = min(i for i, r in self.done.items() if gain(r) >= enough)
        low = max((i for i, r in self.done.items() if i < high), default=self.above)
        return (low + high) // 2 if high - low > 1 else None

    def _upward(self, gain: Gain, last: int) -> int | None:
        if self.ladder.placebo and last not in self.done:
            return last
        if self.ladder.placebo and len(self.done) == 1 and gain(self.done[last]) < LITTLE:
            return None
        first = self.above + 1
        climbed = [gain(self.done[i]) for i in range(first, last + 1) if i in self.done]
        if any(g >= ALL for g in climbed) and not (self.ladder.placebo and len(climbed) == 1):
            return None
        if len(climbed) >= PATIENCE and climbed[-1] < climbed[-2] + SAME:
            return None
        return next((i for i in range(first, last + 1) if i not in self.done), None)

    def stand(self, gain: Gain, tolerance: Callable[[float], float]) -> tuple[int, Set, Result]:
        """The smallest step that does what the best does."""
        best = max(gain(r) for i, r in self.done.items() if i >= self.least)
        i = min(i for i, r in self.done.items() if i >= self.least and gain(r) >= best - tolerance(best))
        return i, self.ladder.steps[i], self.done[i]

    def ended(self, gain: Gain) -> str:
        """Why nothing larger was tried."""
        if not self.over:
            return "not finished"
        if any(gain(r) >= ALL for r in self.done.values()):
            return "saves all"
        return "largest" if len(self.ladder.steps) - 1 in self.done else "no more"
