"""Each candidate is run again: the same traffic, the same host, one knob changed; then what helped only in part is tried together.

A knob's ladder is climbed until a step brings nothing more, all ladders at the same time, a round on all cores.  The smallest step that
does what the best one does stands for the knob.  Nothing is believed: rules choose what is tried, figures decide what helped."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from rxpath.workbench.advice import candidates
from rxpath.workbench.advice.candidates import Ladder, Set
from rxpath.workbench.advice.facts import Seen, measure
from rxpath.workbench.advice.goal import GOALS
from rxpath.workbench.advice.rules import Rules, load
from rxpath.workbench.advice.shell import commands
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.jobs import unit as units
from rxpath.workbench.jobs.pool import Pool
from rxpath.workbench.jobs.unit import Result, Unit
from rxpath.workbench.run import replay
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.where_lost import STEPS
from rxpath.workbench.words.units import ipv4_text

BUDGET_S = 10.0
ALL, PART = 0.99, 0.05                                      # of what can be saved: helped, partly
SAME = 0.005                                                # of what can be saved: two losses that count as one
GAIN = {"latency": (0.10, 0.03), "cpu": (0.10, 0.03)}       # p99, CPU time: helped, partly
DEEPEST, PAIRED = 3, 6                                      # knobs together at most; of those that helped in part, so many are paired
NO_CONNECTION = "nobody listens on that port, or they are of an open connection, which is not built here: a real kernel would take those"
Progress = Callable[[float, int], None]
Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Tried:
    """A knob (or some together) and what it changed.  helped: yes, partly, no, worse.  memory_bytes: what its queues can hold more."""
    set: Set
    title: str
    rule: str
    helped: str
    why: str
    commands: tuple[str, ...]
    lost_before: int
    lost_after: int
    dropped_after: dict[str, int]
    p99_us_before: float
    p99_us_after: float
    cpu_before: int                                         # ns, all CPUs, all contexts
    cpu_after: int
    memory_bytes: int
    knobs: tuple[str, ...] = ()
    lasting: bool = True                                    # false: nobody can type it, or it only puts the loss off


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The answer.  knobs: best first, then those that did not help.  says: what must be said when there is no recommendation."""
    goal: str
    fired: tuple[tuple[str, str, str], ...]                 # (id, title, cause)
    knobs: tuple[Tried, ...]
    says: tuple[str, ...] = ()
    not_tried: tuple[tuple[str, str], ...] = ()             # (title, why)
    runs: int = 0
    left_out: int = 0
    interrupted: bool = False

    @property
    def recommended(self) -> Tried | None:
        return next((t for t in self.knobs if t.helped in ("yes", "partly") and t.lasting), None)


@dataclass(slots=True)
class _Climb:
    """A ladder under way: what each step gave."""
    ladder: Ladder
    done: list[tuple[Set, Result]] = field(default_factory=list)        # in the order of the ladder
    names: tuple[str, ...] = ()
    over: bool = False
    largest: Result | None = None                           # of the last step, when that was run first


def what_if(run: Outcome, unit: Unit, host: Host, goal: str | None = None, budget: float = BUDGET_S, jobs: int | None = None,
            progress: Progress | None = None, stop: Stop | None = None, rules: Rules | None = None) -> WhatIf | None:
    """run: what came of `unit` on `host`.  None: nothing was lost and nothing was asked.  budget: seconds."""
    if run.interrupted or (goal is None and not run.dropped):
        return None
    return _Search(run, unit, host, goal or "loss", budget, jobs, progress, stop, rules or load()).answer()


class _Search:
    def __init__(self, run: Outcome, unit: Unit, host: Host, goal: str, budget: float, jobs: int | None, progress: Progress | None,
                 stop: Stop | None, rules: Rules) -> None:
        assert goal in GOALS
        self.run, self.unit, self.host, self.goal, self.rules = run, unit, host, goal, rules
        self.progress, self.stop, self.jobs = progress, stop, jobs
        self.started = time.monotonic()
        self.deadline, self.budget = self.started + budget, budget
        self.seen, self.facts = Seen(run), measure(run)
        self.before = _of(run)
        self.fired = [r for r in rules.fired(self.facts, self.goal) if self.goal != "loss" or r.only()
                      or candidates.worth(r, rules, self.facts)]
        self.may = {reason for r in self.fired for reason in r.savable}
        self.savable = sum(n for r, n in run.dropped.items() if r in self.may or not rules.saved_by_no_knob(r))
        self.runs = self.left_out = 0
        self.interrupted = False
        self.failed: str | None = None

    # ------------------------------------------------------------ the search
    def answer(self) -> WhatIf:
        seen = replace(self.run, host=self.host)
        ladders = candidates.ladders(Seen(seen), self.rules, self.facts, self.goal) if self.worthwhile() else []
        climbs = [_Climb(ladder, names=(ladder.knob,)) for ladder in ladders if ladder.steps]
        with Pool(self.jobs) as pool:
            self.pool = pool
            self.climb(climbs)
            together = self.combine(climbs) if self.worthwhile() else []
        self.left_out = sum(not c.done for c in climbs) if self.over() else 0
        tried = self.ranked([*climbs, *together])
        return WhatIf(self.goal, tuple((r.id, r.title, r.cause) for r in self.fired), tuple(tried), tuple(self.sayings(tried)),
                      tuple((item.title, item.not_tried) for item in ladders
                            if item.not_tried and item.rule and not item.placebo and self.tells(item)),
                      self.runs, self.left_out, self.interrupted)

    def worthwhile(self) -> bool:
        """Can a knob change anything?"""
        return self.goal != "loss" or self.savable > 0

    def climb(self, climbs: Sequence[_Climb]) -> None:
        """All ladders, a step of each in a round, until none goes on.  What should not help starts with its largest step: when even that
        brings nothing, no smaller one is run."""
        top = [c for c in climbs if c.ladder.placebo and len(c.ladder.steps) > 1]
        tops = {id(c) for c in top}
        going = list(climbs)
        while going and not self.over():
            first = {id(c) for c in going if id(c) in tops and c.largest is None}
            results = self.do([c.ladder.steps[-1 if id(c) in first else len(c.done)] for c in going])
            for c, result in zip(going, results, strict=True):
                if result is None:
                    c.over = True
                elif id(c) in first:
                    c.largest, c.over = result, self.gain(result) < PART
                    c.done += [(c.ladder.steps[-1], result)] if c.over else []
                else:
                    self.step(c, result)
            going = [c for c in going if not c.over and len(c.done) < len(c.ladder.steps)]

    def step(self, c: _Climb, result: Result) -> None:
        c.over = self.settled(c, result)
        c.done.append((c.ladder.steps[len(c.done)], result))
        if c.over and c.largest is not None and len(c.done) < len(c.ladder.steps):
            c.done.append((c.ladder.steps[-1], c.largest))

    def settled(self, c: _Climb, result: Result) -> bool:
        """Nothing left to gain, or nothing gained by the last steps."""
        gains = [*(self.gain(r) for _, r in c.done), self.gain(result)]
        if gains[-1] >= 0.999:
            return True
        return len(gains) >= (3 if self.goal == "loss" else 2) and gains[-1] < gains[-2] + 0.01

    def do(self, sets: Sequence[Set]) -> list[Result | None]:
        """Run them; None where time or patience ran out."""
        out: list[Result | None] = [None] * len(sets)
        if not sets:
            return out
        work = [replace(self.unit, host=self.host, overrides=s) for s in sets]
        for i, result in self.pool.run_all(work, None, self.deadline, self.stop):
            self.runs += 1
            if result.error is not None:
                self.failed = result.error
            elif not result.interrupted:
                out[i] = result
            if self.progress:
                self.progress(min(1.0, (time.monotonic() - self.started) / self.budget), self.runs)
        self.interrupted = self.interrupted or bool(self.stop and self.stop())
        return out

    def over(self) -> bool:
        return self.interrupted or time.monotonic() >= self.deadline

    def combine(self, climbs: Sequence[_Climb]) -> list[_Climb]:
        """What helped most with one knob more, as long as that brings something.  A knob that cured its own place and only moved the loss
        on is a beginning too: two places in a row that are too slow need two knobs."""
        out: list[_Climb] = []
        best = max((self.gain(self.stand(c)[1]) for c in climbs if c.done and not self.postpones(c)), default=0.0)
        seeds = self.beginnings(climbs) if best < ALL and self.goal == "loss" else []
        while seeds and not self.over():
            more = self.without_repeats([m for seed in seeds for m in self.with_one_more(*seed, climbs)])
            self.climb(more)
            found = max((c for c in more if c.done), key=lambda c: self.gain(self.stand(c)[1]), default=None)
            if found is None or self.gain(self.stand(found)[1]) < best + PART:
                break
            out.append(found)
            best = self.gain(self.stand(found)[1])
            seeds = [(self.stand(found), found.names)] if best < ALL and len(found.names) < DEEPEST else []
        if out:
            self.shrink(out[-1])
        return out

    def beginnings(self, climbs: Sequence[_Climb]) -> list[tuple[tuple[Set, Result], tuple[str, ...]]]:
        """The best alone, and for each place where frames were lost the knob that saved most of them there."""
        usable = [c for c in climbs if c.done and c.ladder.rule and not self.postpones(c)]
        chosen: list[tuple[_Climb, tuple[Set, Result]]] = []
        for c in sorted(usable, key=lambda c: -self.gain(self.stand(c)[1]))[:1]:
            if self.gain(self.stand(c)[1]) >= PART:
                chosen.append((c, self.stand(c)))
        for place in STEPS:
            lost = _lost_at(self.before, place)
            if lost < PART * self.savable:
                continue
            tries = [(_lost_at(r, place), r.lost, i, c, s, r) for i, c in enumerate(usable) for s, r in c.done]
            tries = [t for t in tries if t[0] <= 0.5 * lost]
            if tries:
                _, _, _, c, s, r = min(tries, key=lambda t: t[:3])
                chosen.append((c, (s, r)))
        known: set[Set] = set()
        out = []
        for c, stand in chosen:
            if stand[0] not in known:
                known.add(stand[0])
                out.append((stand, c.names))
        return out

    @staticmethod
    def without_repeats(more: Sequence[_Climb]) -> list[_Climb]:
        """A with B is B with A."""
        known: set[frozenset[str]] = set()
        return [c for c in more if not (frozenset(c.names) in known or known.add(frozenset(c.names)))]      # type: ignore[func-returns-value]

    def shrink(self, c: _Climb) -> None:
        """Of several together a smaller step of one may do: what it took alone is often too much."""
        settings, result = self.stand(c)
        for key, value in [text.split("=", 1) for text in settings]:
            present = candidates.present(key, self.seen)
            if not value.isdigit() or not isinstance(present, int) or self.over():
                continue
            smaller = [candidates.join(settings, (f"{key}={int(value) >> n}",)) for n in range(1, 7) if int(value) >> n > present > 0]
            for step, r in zip(smaller, self.do(smaller), strict=True):
                if r is not None and self.gain(r) >= self.gain(result) - 0.01:
                    settings, result = step, r
        c.done = [(settings, result)]

    def with_one_more(self, best: tuple[Set, Result], names: tuple[str, ...], climbs: Sequence[_Climb]) -> list[_Climb]:
        """To these settings, each of the knobs that the rules name for what is then lost, and what helped alone."""
        outcome = self.whole(best[0])
        if outcome is None:
            return []
        facts = measure(outcome)
        then = candidates.ladders(Seen(replace(outcome, host=self.after(best[0]))), self.rules, facts, self.goal)
        wanted = {item.knob: item for item in then
                  if item.steps and not item.placebo and item.rule and not self.rules.knob[item.knob].hypothetical}
        helpful = [c for c in climbs if c.done and self.gain(self.stand(c)[1]) >= PART and not self.postpones(c)]
        for c in sorted(helpful, key=lambda c: -self.gain(self.stand(c)[1]))[:PAIRED]:
            wanted.setdefault(c.ladder.knob, c.ladder)
        title = ", and ".join(self.rules.knob[n].title for n in names)
        more = []
        for name, ladder in wanted.items():
            if name in names:
                continue
            steps = [candidates.join(best[0], step) for step in ladder.steps]
            steps = [s for s in steps if len(s) > len(best[0]) and candidates.possible(self.host, s)]
            if steps:
                made = Ladder("+".join((*names, name)), f"{title}, and {ladder.title}", ladder.rule, "", steps)
                more.append(_Climb(made, names=(*names, name)))
        return more

    def after(self, settings: Set) -> Host:
        return hostfile.apply_overrides(self.host, settings) if settings else self.host

    def whole(self, settings: Set) -> Outcome | None:
        """A whole outcome, in this process: the rules want more than a Result has."""
        unit = replace(self.unit, host=self.host, overrides=settings)
        try:
            host = units.the_host(unit)
            outcome = replay.replay(unit.capture, host, listen=unit.listen, local=unit.local, speed=unit.speed, rate=unit.rate,
                                    loop=unit.loop, receiver=units.receiver(unit, host),
                                    stop=lambda: self.over() or bool(self.stop and self.stop()))
        except ValueError:
            return None
        self.runs += 1
        return None if outcome.interrupted else outcome

    def tells(self, item: Ladder) -> bool:
        """Is it worth saying that it was not tried?"""
        return not self.rules.knob[item.knob].modelled or "since" in item.not_tried

    # ------------------------------------------------------------ judging
    def gain(self, result: Result) -> float:
        """What was won of what could be: 1 is all of it."""
        if self.goal == "loss":
            gone = self.before.lost + self.before.queued - result.lost - result.queued      # what is still under way is not saved
            return gone / max(self.savable, 1)
        if result.lost > self.before.lost + 0.01 * self.before.offered:
            return -1.0
        old, new = (r.latency_ns["p99"] if self.goal == "latency" else _busy(r) for r in (self.before, result))
        return (old - new) / max(old, 1)

    def stand(self, c: _Climb) -> tuple[Set, Result]:
        """The smallest step that does what the best one does."""
        best = max(self.gain(r) for _, r in c.done)
        enough = best - (0.01 if best >= PART else PART) if self.goal == "loss" else 0.8 * best if best > 0 else best
        return next((s, r) for s, r in c.done if self.gain(r) >= enough)

    def verdict(self, result: Result) -> str:
        gain = self.gain(result)
        some, little = (ALL, PART) if self.goal == "loss" else GAIN[self.goal]
        return "yes" if gain >= some else "partly" if gain >= little else "worse" if gain <= -PART else "no"

    def ranked(self, climbs: Iterable[_Climb]) -> list[Tried]:
        rows = []
        for c in climbs:
            if c.done:
                settings, result = self.stand(c)
                rows.append((self.order(c, result), self.tried(c, settings, result)))
        return [row for _, row in sorted(rows, key=lambda item: item[0])]

    def order(self, c: _Climb, result: Result) -> tuple[object, ...]:
        helped = {"yes": 0, "partly": 0, "no": 2, "worse": 3}[self.verdict(result)]
        lost = round(result.lost / max(1.0, SAME * self.savable))
        hypothetical = self.postpones(c)
        p99, cpu = result.latency_ns["p99"], _busy(result)
        goal = {"loss": (lost, p99, cpu), "latency": (p99, lost, cpu), "cpu": (cpu, lost, p99)}[self.goal]
        return (helped, hypothetical, *goal, self.memory(result), len(c.names), c.ladder.knob)

    def postpones(self, c: _Climb) -> bool:
        """Not to be recommended: nobody can type it, or it is a buffer in lasting overload, which a short capture flatters."""
        return any(self.rules.knob[n].hypothetical for n in c.names) or \
            (len(c.names) == 1 and bool(c.ladder.placebo) and self.rules.knob[c.names[0]].buffer)

    def memory(self, result: Result) -> int:
        return result.memory_bytes - self.before.memory_bytes

    def tried(self, c: _Climb, settings: Set, result: Result) -> Tried:
        helped = self.verdict(result)
        b = self.before
        return Tried(settings, c.ladder.title, c.ladder.rule, helped, self.why(c, result, helped), tuple(commands(self.host, settings)),
                     b.lost, result.lost, result.dropped, b.latency_ns["p99"] / 1000, result.latency_ns["p99"] / 1000,
                     _busy(b), _busy(result), self.memory(result), c.names, not self.postpones(c))

    def why(self, c: _Climb, result: Result, helped: str) -> str:
        """A sentence: the rule's, or what the figures say."""
        knob = self.rules.knob[c.names[-1]]
        if helped in ("yes", "partly"):
            if c.ladder.placebo and knob.buffer:
                return f"only because this traffic ends; {c.ladder.placebo}"
            rule = next((r for r in self.rules.rule if r.id == c.ladder.rule), None)
            moved = self.moved(result)
            return "; ".join(x for x in (rule.title if rule else "", knob.applies, moved if helped == "partly" else "") if x)
        if c.ladder.placebo:
            return c.ladder.placebo
        for rule in self.fired:
            for p in rule.wont_help:
                if p.knob == c.names[-1]:
                    return p.why
        gain = self.gain(result)
        too_little = f"it saves too little: {gain:.1%} of them" if gain >= 0.01 and self.goal == "loss" else ""
        return self.moved(result) or too_little or self.useless(c.names[-1])

    def useless(self, name: str) -> str:
        """What the rules say of a knob that changed nothing, unless this run says otherwise."""
        if name != "rmem_default" or not self.before.dropped.get("SOCKET_RCVBUFF"):
            return self.rules.knob[name].useless
        full = [place for place in self.before.dropped_at if place.startswith("socket udp ")]
        own = {f"socket udp {ipv4_text(a)}:{p}" for s in self.host.sockets if s.rcvbuf or s.rcvbufforce for a, p in s.endpoints()}
        if full and own >= set(full):
            return "the sockets that overflow set their own size (SO_RCVBUF): rmem_default is for those that do not"
        return "it does not change what is lost: receive buffers do overflow"

    def moved(self, result: Result) -> str:
        """Losses that only went elsewhere."""
        more = {r: result.dropped.get(r, 0) - self.before.dropped.get(r, 0) for r in {*result.dropped, *self.before.dropped}}
        up = [r for r, n in more.items() if n > 0.05 * self.savable and not self.rules.saved_by_no_knob(r)]
        down = [r for r, n in more.items() if n < -0.05 * self.savable]
        return f"frames that {' and '.join(sorted(down))} took are lost to {' and '.join(sorted(up))} instead" if up and down else ""

    def sayings(self, tried: Sequence[Tried]) -> list[str]:
        """What a reader must know beside the table."""
        out = []
        if self.failed:
            out.append(f"a candidate could not be run: {self.failed}")
        best = next((t for t in tried if t.helped in ("yes", "partly") and t.lasting), None)
        if self.goal == "loss":
            for reason, n in sorted(self.before.dropped.items(), key=lambda item: (-item[1], item[0])):
                word = self.rules.saved_by_no_knob(reason)
                if best is not None and reason in self.may:
                    n = min(n, best.dropped_after.get(reason, 0))
                segments = self.segments_without_connection(n) if reason == "NO_SOCKET" else 0
                if word and n - segments:
                    out.append(f"{n - segments:,} {reason}{' (UDP)' if segments else ''}: {word}")
                if segments:
                    out.append(f"{segments:,} {reason} (TCP): {NO_CONNECTION}")
        if self.worthwhile() and best is None:
            out.append(self.cannot_tell())
        elif best is not None and self.goal == "loss" and best.lost_before - best.lost_after < self.savable / 2:
            out.append(f"the best of them saves less than half: {self.limit() or 'nothing else that rxpath models saves more'}")
        return out

    def segments_without_connection(self, lost: int) -> int:
        """Of the frames that found no socket, those of TCP: UDP's own counter says how many were not."""
        return max(0, min(lost, self.before.dropped.get("NO_SOCKET", 0) - self.run.books.snmp.get("Udp.NoPorts", 0)))

    def cannot_tell(self) -> str:
        """Why there is no recommendation."""
        if self.interrupted:
            return "nothing that was tried until then helps"
        if self.left_out:
            return f"nothing that was tried within the budget helps; {self.left_out} knobs were not tried (--budget)"
        if self.goal != "loss":
            return f"nothing that rxpath can turn makes the {'latency' if self.goal == 'latency' else 'CPU time'} better on this host"
        limit = self.limit()
        return f"no setting of this host saves them: {limit}" if limit else \
            "rxpath cannot tell what would have saved them: none of the knobs that it models does"

    def limit(self) -> str:
        """What is overloaded for good, if anything is."""
        if self.facts["reader_demand"] >= 1 > self.facts["reader_load"] and self.facts["buffer_lost"]:
            taken = self.facts["reader_cpu_softirq"]
            if taken >= 0.995:                                          # they go on after the last frame: not "104% of it"
                return "interrupts and softirqs take all of the program's CPU"
            return f"interrupts and softirqs take {taken:.0%} of the program's CPU, and it needs more than is left"
        if self.facts["reader_load"] >= 1 and self.facts["buffer_lost"]:
            return (f"the program gets {self.facts['reader_load']:.1f} times what it can read; it needs less work for each datagram, or "
                    "more CPUs and sockets")
        if self.facts["ring_load"] >= 1 and self.facts["lost.RX_MISSED"]:
            return (f"the CPU that polls gets {self.facts['ring_load']:.1f} times what it can do; it needs a faster CPU, more CPUs with "
                    "flows that differ, or less traffic")
        if self.facts["backlog_load"] >= 1:
            return f"the CPU that works the backlog off gets {self.facts['backlog_load']:.1f} times what it can do"
        return ""


def _of(run: Outcome) -> Result:
    return units.of(run)


def _lost_at(result: Result, place: str) -> int:
    return result.lost_at_step.get(place, 0)


def _busy(result: Result) -> int:
    return sum(n for k, n in result.cpu_ns.items() if k != "idle")
