"""rxpath.headroom(): how much faster may the same traffic come before something gives way, what gives way first, and what next once that
is lifted.

    room = rxpath.headroom("first", loss="0.1%")
    room.factor, room.limits[0].limit.place, room.limits[0].lift

The speed is found by search (search.py); the limit is where the first frames are lost at the least speed that does not hold (limits.py).
Every setting that might lift it - the knobs of the rules that fire there (advice/) - gets a search of its own, and the one that carries
furthest, at the least memory, is kept for the next."""
from __future__ import annotations

import contextlib
import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rxpath.workbench.advice.goal import SEEDS, checked_seeds
from rxpath.workbench.advice.shell import commands
from rxpath.workbench.advice.states import LASTING, NEAR, states
from rxpath.workbench.host.given import GivenHost
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.jobs import unit
from rxpath.workbench.jobs.pool import Pool, Stop
from rxpath.workbench.jobs.spread import reseeded
from rxpath.workbench.jobs.unit import Result, Unit
from rxpath.workbench.jobs.where import Jobs, the_pool
from rxpath.workbench.many import limits
from rxpath.workbench.many.limits import Limit, Setting
from rxpath.workbench.many.search import FASTEST, Found, Goal, Interrupted, Known, _rounded, behind, drive, evaluate, search
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.traffic.settings import Settings, listed, split
from rxpath.workbench.traffic.spec import Spec
from rxpath.workbench.words import figures
from rxpath.workbench.words.mistakes import BadInput
from rxpath.workbench.words.units import LARGEST

if TYPE_CHECKING:
    from rxpath.workbench.run.own import Program

CURVE = (0.25, 0.5, 0.7, 0.85, 1, 1.2, 1.5, 2, 3, 4, 6, 8)  # speeds of a curve, of its limit's
OUTLASTED = 1.1                                             # a queue that holds so much longer than the CPU lasts is no lift
LIFTED = 1.05                                               # how much further a setting must carry to count
LIMITS_MAX = 20
SCHEMA_VERSION = 1
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Tried:
    """A setting that might have lifted a limit: how far it carries."""
    set: Setting
    factor: float
    memory_bytes: int                                       # more than before
    lasting: float                                          # as Step.lasting


@dataclass(frozen=True, slots=True)
class Step:
    """One limit.  factor: the goal holds up to this speed; bad: and not at this one; pps: frames a second at the factor."""
    settings: Setting                                       # lifted until here
    factor: float
    bad: float | None
    pps: int
    lost: int                                               # at `bad`
    offered: int
    limit: Limit | None                                     # None: nothing gave way at any speed
    lasting: float                                          # the speed at which the busiest CPU has as much to do as the traffic lasts:
    lasting_cpu: int                                        # beyond it, it holds because queues keep the rest until the capture ends
    tried: tuple[Tried, ...] = ()
    commands: tuple[str, ...] = ()                          # what a person types for the lift

    @property
    def lift(self) -> Tried | None:
        """What carries furthest, if anything does; a program that works less only where no knob helps."""
        further = [t for t in self.tried if min(t.factor, t.lasting) > self.factor * LIFTED] or \
            [t for t in self.tried if t.factor > self.factor * LIFTED]
        further = [t for t in further if not limits.is_program(t.set)] or further
        return max(further, default=None,
                   key=lambda t: (_about(min(t.factor, t.lasting)), _about(t.factor), -t.memory_bytes, -len(t.set), t.factor))


def kept_by_queues(at: Tried | Step) -> bool:
    """It holds at its speed only because queues keep until the capture ends what the busiest CPU has not done."""
    return at.factor > 1.02 * at.lasting


def _about(factor: float) -> int:
    """Speeds within some two per cent count as one."""
    return round(50 * math.log(max(factor, 1e-6)))


@dataclass(frozen=True, slots=True)
class Now:
    """The traffic as it is, before any speed is tried: can this host take it for good?  lasts None: it is too short to
    say, or it is as much as the host can take, more or less."""
    lasts: bool | None
    says: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of the curve."""
    speed: float
    offered_pps: int
    delivered_pps: int
    lost_share: float
    p99_ns: int


@dataclass(frozen=True, slots=True)
class Headroom:
    capture: str
    goal: Goal
    kernel: str
    profile: str
    seed: int
    limits: tuple[Step, ...]
    curves: tuple[tuple[Setting, tuple[Dot, ...]], ...]     # of the host as it is, and with all that was lifted
    runs: int
    interrupted: bool = False
    now: Now | None = None
    factors: tuple[float, ...] = ()                         # the first limit's in every seed, the shown one first; (): it was not repeated

    @property
    def factor(self) -> float:
        """How much faster it may come; below 1 it comes too fast already, 0 when not even the slowest holds."""
        return self.limits[0].factor if self.limits else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {"schema": SCHEMA_VERSION, "capture": self.capture, "kernel": self.kernel, "profile": self.profile, "seed": self.seed,
                "goal": {"loss": self.goal.loss, "p99_ns": self.goal.p99_ns, "text": self.goal.text()}, "factor": self.factor,
                **({"spread": {"seeds": [(self.seed + k) % (LARGEST + 1) for k in range(len(self.factors))], "factor": {
                    "min": min(self.factors), "median": statistics.median_low(self.factors), "max": max(self.factors),
                    "each": list(self.factors)}}} if self.factors else {}),
                "now": dataclasses.asdict(self.now) if self.now else None,
                "limits": [_step(s) for s in self.limits],
                "curves": [{"set": list(s), "points": [dataclasses.asdict(d) for d in dots]} for s, dots in self.curves],
                "runs": self.runs, "interrupted": self.interrupted}


def _step(step: Step) -> dict[str, Any]:
    lift = step.lift
    return {**dataclasses.asdict(step), "settings": list(step.settings), "limit": dataclasses.asdict(step.limit) if step.limit else None,
            "lift": dataclasses.asdict(lift) if lift else None}


def headroom(capture: str | Path | Spec, host: GivenHost = None, *, overrides: Settings = (),
             seed: int | None = None, listen: str | Sequence[str] = (), local: str | None = None, loop: int = 1,
             loss: str | float | None = None, p99: str | int | None = None, steps: int = 3, seeds: int = SEEDS,
             jobs: Jobs = None, say: Say | None = None, stop: Stop | None = None, programs: Sequence[Program] = (),
             curve: bool = True) -> Headroom:
    """Search for the speed at which the first frame is lost - or more than `loss` ("0.1%"), or p99 is above `p99` ("500us") - and for
    what comes next, up to `steps` limits.  seeds: how many the first of them is searched with.  programs: of your own, as in
    rxpath.sweep().  curve: also delivered against offered.  The others as in rxpath.replay().  Raises BadInput or HostError."""
    checked_seeds(seeds)
    if not 1 <= steps <= LIMITS_MAX:
        raise BadInput(f"--limits {steps}: 1 to {LIMITS_MAX}")
    goal = Goal.of(loss, p99)
    of_traffic, of_host = split(overrides)
    base = Unit(str(capture) if isinstance(capture, Path) else capture, str(host) if isinstance(host, Path) else host,
                of_host, seed, listed(listen), local, loop=loop, traffic=of_traffic)
    if base.capture == "-":
        raise BadInput("standard input cannot be read many times: save it to a file")
    base = unit.with_programs(base, programs, jobs)
    chosen = unit.the_host(base)
    traffic.listening(base.listen)
    traffic.changed_spec(base.capture, base.traffic)
    known: Known = {}
    found: list[Step] = []
    curves: list[tuple[Setting, tuple[Dot, ...]]] = []
    interrupted, now = False, None
    factors: tuple[float, ...] = ()
    with the_pool(jobs) as pool:
        try:
            now = _now(base, chosen, stop)
            _limits(pool, base, goal, steps, known, found, say or (lambda text: None), stop)
            curves = _curves(pool, base, found, known, stop) if curve else []
            if seeds > 1:
                (say or (lambda text: None))("the first limit with other seeds")
                factors = _seeds(pool, base, chosen, goal, seeds, found[0].factor, known, stop)
        except Interrupted:
            interrupted = True
    return Headroom(traffic.title(base.capture), goal, chosen.kernel, chosen.profile, chosen.seed, tuple(found), tuple(curves), len(known),
                    interrupted, now, factors)


def _seeds(pool: Pool, base: Unit, host: Host, goal: Goal, seeds: int, factor: float, known: Known, stop: Stop | None) -> tuple[float, ...]:
    """The first limit in every seed: a search for each, from where the shown one ended."""
    spec = traffic.changed_spec(base.capture, base.traffic, base.seed)
    others = [reseeded(base, host, spec, k) for k in range(1, seeds)]
    met = drive(pool, [(other, search(goal, factor or 1.0)) for other in others], known, stop)
    return (factor, *(end.good or 0.0 for end in met))


def _now(base: Unit, host: Host, stop: Stop | None) -> Now | None:
    """One run at the traffic's own speed; raises BadInput where it has none."""
    run = limits.outcome(base, host, stop)
    if run.interrupted:
        return None
    if not run.traffic.duration_ns:
        raise BadInput(f"{traffic.title(base.capture)}: {run.offered} frames come to the receiver: head-room needs two or more, at "
                       "different times")
    over = [state for state in states(run) if state.kind == "overload"]
    if over:                                                # where no demand is beyond what the run can tell, it is not known
        return Now(False if any(state.figures["demand"] >= NEAR for state in over) else None, " ".join(state.text for state in over))
    if run.traffic.duration_ns < LASTING:
        return Now(None, f"the traffic takes {figures.ns(run.traffic.duration_ns)}: too short to say what would last")
    most, cpu = limits.heaviest(unit.of(run))
    return Now(True, f"CPU {cpu} has most to do: {min(most, 1):.1%} of the time that it has")


def _limits(pool: Pool, base: Unit, goal: Goal, steps: int, known: Known, found: list[Step], say: Say, stop: Stop | None) -> None:
    """One limit after the other, into `found`."""
    say("limit 1: how far it carries")
    met = drive(pool, [(base, search(goal))], known, stop)[0]
    normal = known[base.overrides, 1.0]
    lifted: Setting = ()
    while True:
        item = dataclasses.replace(base, overrides=base.overrides + lifted)
        step = _met(item, lifted, met, goal, normal)
        found.append(step)
        if step.limit is None or not step.factor or len(found) == steps:
            return
        say(f"limit {len(found)}, {step.limit.place}: what lifts it")
        work = step.limit.reason == limits.WORK
        if work:
            step = dataclasses.replace(step, tried=_eased(pool, base, item, found[-2], step, known, stop))
        else:
            step = dataclasses.replace(step, tried=_tried(pool, base, item, goal, met, step, known, stop))
        start = step.factor if work else _start(met)
        sure: Tried | None = None
        while sure is None or step.lift is not sure:        # the best one is looked at from below too, as the limit was
            found[-1] = step
            lift = step.lift
            if lift is None:
                return
            next_ = dataclasses.replace(base, overrides=base.overrides + join(lifted, lift.set))
            met = drive(pool, [(next_, search(goal, start))], known, stop)[0]
            then = _met(next_, join(lifted, lift.set), met, goal, normal)
            sure = dataclasses.replace(lift, factor=then.factor, lasting=then.lasting)
            step = dataclasses.replace(step, tried=tuple(sure if t is lift else t for t in step.tried))
        if step.limit is not None and step.limit.place != limits.LINE:          # a faster link is no command
            step = dataclasses.replace(step, commands=tuple(commands(unit.the_host(item), sure.set)))
        found[-1] = step
        lifted = join(lifted, sure.set)


def _start(met: Found) -> float:
    """Where a search for what lifts a limit begins: at the speed that failed."""
    return met.bad or _rounded((met.good or 1.0) * 1.25)


def _met(item: Unit, lifted: Setting, met: Found, goal: Goal, base: Result) -> Step:
    """The step that a search has come to."""
    host = unit.the_host(item)
    if met.line_full:
        limit: Limit | None = limits.line(host)
    else:
        limit = limits.find(host, met.at_bad, goal) if met.at_bad is not None and met.at_good is not None else None
        if met.at_bad is not None and met.at_good is None:
            limit = limits.hopeless(host, met.at_bad, goal)
    good, bad = met.at_good, met.at_bad
    lasting, cpu = _lasting(good or bad, base)
    factor, pps = met.good or 0.0, _pps(good.offered, good) if good else 0
    if lifted and factor > lasting * OUTLASTED:             # a queue was made so long that the capture ends before it is full
        factor, pps, limit = lasting, round(_pps(base.offered, base) * lasting), limits.work(host, cpu, factor)
    return Step(lifted, factor, met.bad, pps, bad.lost_to_load if bad else 0, (bad or good or Result()).offered, limit, lasting, cpu)


def _lasting(result: Result | None, base: Result) -> tuple[float, int]:
    """(how often the busiest CPU's work goes into the time that the traffic takes at its own speed, that CPU).  The work of a frame hardly
    depends on the speed."""
    if result is None:
        return 0.0, 0
    most, cpu = limits.heaviest(result)
    return round(base.span_ns / max(most * max(result.span_ns, 1), 1), 4), cpu


def join(*settings: Setting) -> Setting:
    """Settings together; of a key that is there twice the last counts."""
    last = {text.partition("=")[0]: text for part in settings for text in part}
    return tuple(last.values())


def _tried(pool: Pool, base: Unit, item: Unit, goal: Goal, met: Found, step: Step, known: Known, stop: Stop | None) -> tuple[Tried, ...]:
    """A search for every setting that might lift the limit and that the host takes; it ends at once where the setting does not carry
    to where the goal failed."""
    host, result, start = unit.the_host(item), met.at_bad or met.at_good, _start(met)
    assert result is not None and step.limit is not None
    possible: list[tuple[Setting, Unit]] = []
    for setting in limits.lifts(dataclasses.replace(item, speed=start), host, step.limit, stop):
        changed = dataclasses.replace(base, overrides=base.overrides + join(step.settings, setting))
        with contextlib.suppress(Exception):                # a setting that this host cannot have
            unit.the_host(changed)
            possible.append((setting, changed))
    evaluate(pool, [(u, start) for _, u in possible], known, stop)
    going = [(s, u) for s, u in possible if goal.holds(known[u.overrides, start])
             and (step.limit.place != limits.LINE or known[u.overrides, start].span_ns < 0.9 * result.span_ns)]
    ends = drive(pool, [(u, search(goal, start, looks=0)) for _, u in going], known, stop)
    reached = {s: end for (s, _), end in zip(going, ends, strict=True)}
    out, normal = [], known[base.overrides, 1.0]
    for setting, changed in possible:
        there = known[changed.overrides, start]
        end = reached.get(setting, Found(step.factor, start, None, there))
        out.append(Tried(setting, end.good or 0.0, there.memory_bytes - result.memory_bytes, _lasting(end.at_good or there, normal)[0]))
    return tuple(out)


def _eased(pool: Pool, base: Unit, item: Unit, before: Step, step: Step, known: Known, stop: Stop | None) -> tuple[Tried, ...]:
    """What gives a CPU less to do for each frame, or spreads it: tried where it has too much to do, on the host before its queues were
    lifted, since that is where the rules see it.  How far it lasts follows from the load of one run."""
    assert before.limit is not None
    speed = _rounded(step.factor * 1.5)
    under = dataclasses.replace(base, overrides=base.overrides + before.settings)
    possible: list[tuple[Setting, Unit]] = []
    for setting in limits.lifts(dataclasses.replace(under, speed=speed), unit.the_host(under), before.limit, stop):
        changed = dataclasses.replace(base, overrides=base.overrides + join(step.settings, setting))
        with contextlib.suppress(Exception):
            unit.the_host(changed)
            possible.append((setting, changed))
    evaluate(pool, [(u, speed) for u in (item, *(u for _, u in possible))], known, stop)
    now = known[item.overrides, speed]
    out, normal = [], known[base.overrides, 1.0]
    for setting, changed in possible:
        result = known[changed.overrides, speed]
        lasting = _lasting(result, normal)[0]
        out.append(Tried(setting, min(lasting, step.factor) if result.lost_to_load > now.lost_to_load else lasting,
                         result.memory_bytes - now.memory_bytes, lasting))
    return tuple(out)


def _pps(frames: int, result: Result, late_ns: int = 0) -> int:
    return round(frames * 1_000_000_000 / max(result.span_ns + late_ns, 1))


def _curves(pool: Pool, base: Unit, found: Sequence[Step], known: Known, stop: Stop | None) -> list[tuple[Setting, tuple[Dot, ...]]]:
    """Delivered against offered: around the first limit, and with all that was lifted around the last."""
    if not found:
        return []
    work = []
    for step in [found[0], *([found[-1]] if found[-1].settings else [])]:
        middle = step.factor or 1.0
        speeds = list(dict.fromkeys(_rounded(min(middle * f, FASTEST)) for f in CURVE))
        work.append((step.settings, dataclasses.replace(base, overrides=base.overrides + step.settings), speeds))
    evaluate(pool, [(u, speed) for _, u, speeds in work for speed in speeds], known, stop)
    curves = []
    for setting, item, speeds in work:
        dots = []
        for speed in speeds:
            r = known[item.overrides, speed]
            dots.append(Dot(speed, _pps(r.offered, r), _pps(r.delivered, r, behind(r)), round(r.lost_to_load / max(r.offered, 1), 6),
                            r.p99_ns))
        curves.append((setting, tuple(dots)))
    return curves
