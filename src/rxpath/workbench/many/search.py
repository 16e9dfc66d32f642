"""The search for a speed: the largest at which a goal still holds.  Bracketing by doubling, then two points at a time until one per cent is
left; many searches go in step, so that all cores have work.  How many cores there are changes nothing in what is found."""
from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterable
from dataclasses import dataclass

from rxpath.workbench.jobs.pool import Pool, Stop
from rxpath.workbench.jobs.unit import Result, Unit
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

PRECISION = 1.01                                            # between a speed that holds and one that does not
SLOWEST, FASTEST = 1 / 1024, 65536.0
BELOW = (0.2, 0.28, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.94)   # of the speed found: looked at too, from below
LOOKS = 4
LINE_FULL = 0.75                                            # twice as fast, and the last frame still comes after that share of the time


SENDER_LATE = 0.02                                          # of the traffic's time: so far behind its schedule a sender does not keep it


def outrun(r: Result) -> str | None:
    """The device (veth, lo) whose sender, a task of this host, could not send as fast as the traffic says."""
    return next((device for device, (_, _, late) in r.senders.items() if late > max(1_000_000, SENDER_LATE * r.span_ns)), None)


def behind(r: Result) -> int:
    """ns by which a sender of this host was behind its schedule, at most."""
    return max((late for _, _, late in r.senders.values()), default=0)


@dataclass(frozen=True, slots=True)
class Goal:
    """What must hold.  Without loss and p99: nothing is lost that slower traffic would not lose."""
    loss: float | None = None                               # share of the frames offered
    p99_ns: int | None = None                               # a lost datagram counts as infinitely late

    def holds(self, r: Result) -> bool:
        if outrun(r) is not None or r.lost_to_us:           # a run that came to our own limit does not tell
            return False
        lost = r.lost_to_load
        if self.p99_ns is not None:
            waited = r.done_ns.get("count", 0) + lost
            if r.p99_ns > self.p99_ns or lost * 100 > waited:
                return False
        if self.loss is not None:
            return lost <= self.loss * r.offered
        return lost == 0 or self.p99_ns is not None

    def text(self) -> str:
        parts = [] if self.p99_ns is None else [f"p99 at most {units.duration_text(self.p99_ns)}"]
        if self.loss is not None:
            parts.append(f"at most {100 * self.loss:g}% lost")
        return " and ".join(parts) or "nothing lost"

    @staticmethod
    def of(loss: str | float | None = None, p99: str | int | None = None) -> Goal:
        """From "0.1%" or 0.001, and "500us"."""
        share = None
        if loss is not None:
            try:
                share = units.share(loss)
            except ValueError as error:
                raise BadInput(f"--loss {loss}: must be {error} of the frames") from None
        ns = None
        if p99 is not None:
            try:
                ns = units.duration_ns(p99)
            except ValueError as error:
                raise BadInput(f"--p99 {p99}: must be {error}") from None
            if ns == 0:
                raise BadInput(f"--p99 {p99}: must be above 0")
        return Goal(share, ns)


@dataclass(frozen=True, slots=True)
class Found:
    """The end of a search: `good` is the largest speed at which the goal holds, `bad` the least at which it does not (within a per cent).
    None: there is none - the line carries no more, or not even the slowest holds."""
    good: float | None
    bad: float | None
    at_good: Result | None
    at_bad: Result | None
    line_full: bool = False


Search = Generator[list[float], list[Result], Found]


class Interrupted(Exception):
    """The search was stopped."""


Probe = tuple[float, Result]


def search(goal: Goal, start: float = 1.0, looks: int = LOOKS) -> Search:
    """Ask for results at speeds, until the limit is known.  Loss need not grow with the speed (how frames fall on interrupts and ticks
    changes), so that what was found is looked at again from below, so many times, and the least speed that does not hold counts."""
    good, bad, line_full = yield from _bracket(goal, start)
    for look in range(looks + 1):
        if good is not None and bad is not None:
            good, bad = yield from _narrow(goal, good, bad)
        if good is None or look == looks:
            break
        below = [_rounded(good[0] * f) for f in BELOW]
        probes = [*zip(below, (yield below), strict=True), good]
        failed = next((i for i, (_, result) in enumerate(probes) if not goal.holds(result)), None)
        if failed is None:
            break
        bad, line_full = probes[failed], False
        good = probes[failed - 1] if failed else None
        if good is None:                                    # the first of them: further down, as from a new start
            good, bad, line_full = yield from _bracket(goal, _rounded(bad[0] / 2))
    return Found(good[0] if good else None, bad[0] if bad else None, good[1] if good else None, bad[1] if bad else None, line_full)


def _bracket(goal: Goal, start: float) -> Generator[list[float], list[Result], tuple[Probe | None, Probe | None, bool]]:
    """(a speed that holds, one at most twice that which does not, whether the line ended it instead: then the speed that it carries)."""
    good: Probe | None = None
    bad: Probe | None = None
    whole = 0.0                                             # ns at its own speed, by what the line did not hold up
    x = start
    while good is None or bad is None:
        up = bad is None
        pair = [x, _rounded(x * 2 if up else x / 2)]
        for speed, result in zip(pair, (yield pair), strict=True):
            if result.error is not None:
                raise BadInput(result.error)
            if not goal.holds(result):
                bad = (speed, result) if bad is None or speed < bad[0] else bad
            else:
                whole = min(whole or speed * result.span_ns, speed * result.span_ns)
                if good is not None and up and speed > good[0] and result.span_ns > LINE_FULL * good[1].span_ns:
                    return (_rounded(whole / max(result.span_ns, 1)), result), None, True
                good = (speed, result) if good is None or speed > good[0] else good
            if good and bad:
                break
        x = _rounded(pair[1] * 2 if bad is None else min(pair) / 2)
        if x > FASTEST or x < SLOWEST:
            break
    return good, bad, False


def _narrow(goal: Goal, good: Probe, bad: Probe) -> Generator[list[float], list[Result], tuple[Probe, Probe]]:
    """Two points at a time, until a per cent is left."""
    while bad[0] > good[0] * PRECISION:
        step = (bad[0] / good[0]) ** (1 / 3)
        pair = sorted({_rounded(good[0] * step), _rounded(good[0] * step * step)} - {good[0], bad[0]})
        if not pair:
            break
        for speed, result in zip(pair, (yield pair), strict=True):
            if not goal.holds(result):
                bad = (speed, result)
                break
            good = (speed, result)
    return good, bad


def _rounded(speed: float) -> float:
    """The cable's resolution."""
    return round(speed, 4) if speed > 0.01 else round(speed, 6)


Known = dict[tuple[tuple[str, ...], float], Result]         # (overrides, speed): what was run


def drive(pool: Pool, searches: Iterable[tuple[Unit, Search]], known: Known, stop: Stop | None = None) -> list[Found]:
    """Run searches in step to their ends.  known is used and filled: nothing is run twice."""
    found: dict[int, Found] = {}
    going = [(i, unit, one, next(one)) for i, (unit, one) in enumerate(searches)]
    while going:
        evaluate(pool, [(unit, s) for _, unit, _, speeds in going for s in speeds], known, stop)
        still = []
        for i, unit, one, speeds in going:
            try:
                still.append((i, unit, one, one.send([known[unit.overrides, s] for s in speeds])))
            except StopIteration as end:
                found[i] = end.value
        going = still
    return [found[i] for i in sorted(found)]


def evaluate(pool: Pool, wanted: Iterable[tuple[Unit, float]], known: Known, stop: Stop | None = None) -> None:
    """Run units at speeds, those that are not known yet."""
    new = {(unit.overrides, speed): dataclasses.replace(unit, speed=speed) for unit, speed in wanted
           if (unit.overrides, speed) not in known}
    keys = list(new)
    for index, result in pool.run_all(list(new.values()), stop=stop):
        known[keys[index]] = result
    if any(key not in known for key in keys):
        raise Interrupted
