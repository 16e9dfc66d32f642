"""Each candidate is run again: the same traffic, the same host, one knob changed; then what helped only in part is tried together.

All ladders are climbed at the same time, a round on all cores (climb.py).  Long traffic is searched on its beginning, as much of it as
tells what all of it does (runs.py); what helped there is run on all of it.  Nothing is believed: rules choose what is tried, figures decide
what helped (verdict.py)."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rxpath.workbench.advice import candidates, sayings, values
from rxpath.workbench.advice.answer import Tried, WhatIf
from rxpath.workbench.advice.candidates import Ladder
from rxpath.workbench.advice.climb import Climb
from rxpath.workbench.advice.facts import Seen, measure
from rxpath.workbench.advice.goal import GOALS
from rxpath.workbench.advice.rules import Rules, load
from rxpath.workbench.advice.runs import Runs
from rxpath.workbench.advice.sensitivity import sensitivity
from rxpath.workbench.advice.settings import Set
from rxpath.workbench.advice.shell import commands
from rxpath.workbench.advice.sure import Chance, Sure
from rxpath.workbench.advice.verdict import PART, SAME, YES, Verdicts
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.jobs.spread import Spread, seed_of, spread
from rxpath.workbench.jobs.unit import Result
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.where_lost import STEPS
from rxpath.workbench.traffic.settings import split

DEEPEST, PAIRED = 4, 6                                      # knobs together at most; of those that helped in part, so many are paired
NOISE = 0.05                                                # two p99, two CPU times that count as one
FIRMER = 4                                                  # steps up at most until a setting saves as much with every seed


def what_if(run: Outcome, runs: Runs, goal: str | None = None, rules: Rules | None = None) -> WhatIf | None:
    """run: what came of the host as it is.  None: it was interrupted."""
    if run.interrupted:
        return None
    rules = rules or load()
    if goal in (None, "loss") and runs.whole.lost == 0:
        varies = as_it_is(runs)
        each = varies["lost"].each if varies is not None else (0,)
        runs.search_again()
        if max(each) and (found := runs.outcome_of(each.index(max(each)))) is not None:
            return _Search(found, "loss", rules, runs).answer()
    if goal is None and not run.dropped:
        varies = as_it_is(runs)
        runs.back_to_settings()
        return WhatIf("loss", (), (), sensitivity=tuple(sensitivity(runs)), runs=runs.count, packets=runs.packets, budget=runs.budget,
                      interrupted=runs.interrupted, asked=False, spread=varies, seeds=runs.wanted_seeds, seed=runs.seed)
    return _Search(run, goal or "loss", rules, runs).answer()


def as_it_is(runs: Runs) -> Spread | None:
    """The host as it is, over seeds; None: the run alone, or it was stopped, or the budget was too small."""
    if runs.seeds < 2 or runs.interrupted:
        return None
    runs.turn_to_seeds()
    found = runs.repeat([()])[0]
    return None if found is None else _over_seeds(runs, found)


def _over_seeds(runs: Runs, others: Sequence[Result]) -> Spread:
    return spread([seed_of(runs.host, k) for k in runs.order[:runs.seeds]], [runs.base, *others], runs.part)


class _Search:
    def __init__(self, run: Outcome, goal: str, rules: Rules, runs: Runs) -> None:
        assert goal in GOALS
        self.run, self.goal, self.rules, self.runs, self.host = run, goal, rules, runs, runs.host
        self.seen, self.facts = Seen(replace(run, host=runs.host), runs.spec), measure(run)
        self.fired = [r for r in rules.fired(self.facts, goal) if goal != "loss" or r.only() or candidates.worth(r, rules, self.facts)]
        self.may = {reason for r in self.fired for reason in r.savable}
        self.whole = self.now = self.on_part = Verdicts(goal, rules, self.may, runs.whole)
        self.chance: Chance | None = None

    # ------------------------------------------------------------ the search
    def answer(self) -> WhatIf:
        ladders = candidates.ladders(self.seen, self.rules, self.facts, self.goal) if self.worthwhile() else []
        climbs = [Climb(ladder, (ladder.knob,)) for ladder in ladders if ladder.steps]
        part = 1
        if climbs:
            self.runs.choose_part(self.whole.tells)
            part = self.runs.part
            self.now = self.on_part = Verdicts(self.goal, self.rules, self.may, self.runs.base)
            self.climb(climbs)
            climbs += self.combine(climbs)
            if part > 1:
                self.on_all_of_it(climbs)
        varies = self.repeat(climbs) if climbs else as_it_is(self.runs)
        self.runs.back_to_settings()
        hangs = tuple(sensitivity(self.runs))
        knobs = tuple(self.ranked(climbs))
        not_tried = tuple((item.title, item.not_tried) for item in ladders if self.tells(item, knobs))
        unfinished = tuple(c.ladder.title for c in climbs if not c.over or not c.done)
        return WhatIf(self.goal, tuple((r.id, r.title, r.cause) for r in self.fired), knobs,
                      (*self.of_another_seed(),
                       *sayings.all_of(self.run, self.facts, self.fired, self.whole, knobs, self.runs, bool(unfinished))),
                      not_tried, unfinished, self.runs.settings, self.runs.count, self.runs.packets, part, self.runs.budget,
                      self.runs.interrupted, hangs, varies, self.runs.wanted_seeds, seed=self.runs.seed)

    def of_another_seed(self) -> list[str]:
        """Which seed the knobs were tried with, where that is not the one that is shown."""
        if self.runs.seed == self.host.seed:
            return []
        return [f"nothing is lost with seed {self.host.seed}; knobs are tried with seed {self.runs.seed}, which loses most: "
                f"{self.runs.whole.lost:,}"]

    def worthwhile(self) -> bool:
        """Can a knob change anything?"""
        return self.goal != "loss" or self.whole.savable > 0

    def tells(self, item: Ladder, knobs: Sequence[Tried]) -> bool:
        """Is it worth saying that it was not tried?"""
        knob = self.rules.knob[item.knob]
        if not item.tells or not item.rule or item.placebo:
            return False
        return not knob.unless or any(t.knobs == (knob.unless,) and t.helped != "yes" for t in knobs)

    def climb(self, climbs: Sequence[Climb]) -> None:
        """All ladders, a step of each in a round, until none goes on."""
        while not self.runs.over():
            steps = [(c, i) for c in climbs if (i := c.next(self.now.gain, c.ladder.placebo and self.postpones(c))) is not None]
            if not steps:
                break
            for (c, i), result in zip(steps, self.runs.do([c.ladder.steps[i] for c, i in steps]), strict=True):
                if result is None:                          # it cannot be run: the ladder ends below it
                    c.over = not self.runs.over()
                    c.ladder.steps = c.ladder.steps[:i] if c.over and not c.ladder.grows else c.ladder.steps
                else:
                    c.done[i] = result

    def on_all_of_it(self, climbs: Sequence[Climb]) -> None:
        """What helped on the beginning, on all of the traffic, best first; where that takes more than the beginning did, further up."""
        good = sorted((c for c in climbs if c.done and self.now.helps(self.stand(c)[1])), key=lambda c: self.order(c, self.stand(c)[1]))
        wanted = [(c, *c.stand(self.now.gain, self.now.tolerance), self.now.gain(self.stand(c)[1])) for c in good]
        for c in climbs:
            c.part = self.runs.part
        self.runs.all_of_it()
        self.now = self.whole
        on: list[Climb] = []
        for (c, i, _, _, before), result in zip(wanted, self.runs.do([w[2] for w in wanted]), strict=True):
            if result is None:
                c.over = False
                continue
            c.part, c.done, c.above = 1, {i: result}, i
            c.over = self.now.gain(result) >= before - PART or i == len(c.ladder.steps) - 1
            on += [] if c.over else [c]
        self.climb(on)

    # ------------------------------------------------------------ with other seeds
    def repeat(self, climbs: Sequence[Climb]) -> Spread | None:
        """The host as it is, and what is said to help or to make it worse, best first."""
        runs = self.runs
        if runs.seeds < 2 or runs.interrupted:
            return None
        runs.turn_to_seeds()
        good = sorted((c for c in climbs if c.done and (c.part == 1 or runs.part > 1) and self.of(c).word(self.stand(c)[1]) != "no"),
                      key=lambda c: self.order(c, self.stand(c)[1]))
        steps = [(c, *c.stand(self.of(c).gain, self.of(c).tolerance)[:2]) for c in good]
        others, *rows = runs.repeat([(), *(settings for _, _, settings in steps)])
        if others is None:
            return None
        self.chance = Chance([Verdicts(self.goal, self.rules, self.may, before) for before in (runs.base, *others)])
        for (c, i, settings), row in zip(steps, rows, strict=True):
            shown = runs.do([settings])[0]
            if row is not None and shown is not None:
                c.seeds[i] = (shown, *row)
        if self.goal == "loss" and runs.part == 1:
            self.firmer(good)
        return _over_seeds(runs, others)

    def firmer(self, climbs: Sequence[Climb]) -> None:
        """What saves all with the shown seed, but not with another one, is taken further up: a buffer is sized for more than one run."""
        assert self.chance is not None
        weak = [c for c in climbs if c.seeds]
        for _ in range(FIRMER):
            up = []
            for c in weak:
                i = max(c.seeds)
                saves = self.whole.gain(c.seeds[i][0])
                if i + 1 < len(c.ladder.steps) and saves >= YES and self.chance.worst(c.seeds[i]) < saves - SAME:
                    up.append((c, i))
            settings = [c.ladder.steps[i + 1] for c, i in up]
            weak = []
            for (c, i), shown, row in zip(up, self.runs.do(settings), self.runs.repeat(settings), strict=True):
                if shown is not None and row is not None and self.chance.worst((shown, *row)) > self.chance.worst(c.seeds[i]):
                    c.done[i + 1], c.seeds[i + 1], c.least = shown, (shown, *row), i + 1
                    weak.append(c)
            if not weak:
                return

    def sure(self, c: Climb) -> Sure | None:
        """What came of the step that stands in every seed, if it was repeated."""
        row = c.seeds.get(c.stand(self.of(c).gain, self.of(c).tolerance)[0])
        return self.chance.sure(row) if row is not None and self.chance is not None else None

    def word(self, c: Climb, result: Result) -> str:
        """Of the median of all seeds, where there are others; no effect, where it is inside their spread."""
        sure = self.sure(c)
        if sure is None:
            return self.of(c).word(result)
        return self.of(c).word_of(sure.gain) if sure.told_apart else "no"

    # ------------------------------------------------------------ together
    def combine(self, climbs: Sequence[Climb]) -> list[Climb]:
        """What helped most with one knob more, as long as that brings something.  A knob that cured its own place and only moved the loss
        on is a beginning too: two places in a row that are too slow need two knobs."""
        out: list[Climb] = []
        best = max((self.now.gain(self.stand(c)[1]) for c in climbs if c.done and not self.postpones(c)), default=0.0)
        seeds = self.beginnings(climbs) if best < YES and self.goal == "loss" else []
        while seeds and not self.runs.over():
            more = self.without_repeats([m for seed in seeds for m in self.with_one_more(*seed, climbs)])
            self.climb(more)
            found = max((c for c in more if c.done), key=lambda c: self.now.gain(self.stand(c)[1]), default=None)
            if found is None or self.now.gain(self.stand(found)[1]) < best + PART:
                break
            out.append(found)
            best = self.now.gain(self.stand(found)[1])
            seeds = [(self.stand(found), found.names)] if best < YES and len(found.names) < DEEPEST else []
        if out:
            self.shrink(out[-1])
        return out

    def beginnings(self, climbs: Sequence[Climb]) -> list[tuple[tuple[Set, Result], tuple[str, ...]]]:
        """The best alone, and for each place where frames were lost the knob that saved most of them there."""
        usable = [c for c in climbs if c.done and c.ladder.rule and not self.postpones(c)]
        chosen: list[tuple[Climb, tuple[Set, Result]]] = []
        for c in sorted(usable, key=lambda c: -self.now.gain(self.stand(c)[1]))[:1]:
            if self.now.gain(self.stand(c)[1]) >= PART:
                chosen.append((c, self.stand(c)))
        for place in STEPS:
            lost = self.runs.base.lost_at_step.get(place, 0)
            if lost < PART * self.now.savable:
                continue
            tries = [(r.lost_at_step.get(place, 0), self.now.lost(r), n, c, c.ladder.steps[i], r)
                     for n, c in enumerate(usable) for i, r in sorted(c.done.items())]
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
    def without_repeats(more: Sequence[Climb]) -> list[Climb]:
        """A with B is B with A."""
        known: set[frozenset[str]] = set()
        return [c for c in more if not (frozenset(c.names) in known or known.add(frozenset(c.names)))]      # type: ignore[func-returns-value]

    def shrink(self, c: Climb) -> None:
        """Of several together a smaller step of one may do: what it took alone is often too much."""
        settings, result = self.stand(c)
        for key, value in [text.split("=", 1) for text in settings]:
            present = values.present(key, self.seen)
            if not value.isdigit() or not isinstance(present, int) or isinstance(present, bool):
                continue
            low, high = present, int(value)
            while high // 2 > low > 0 and not self.runs.over():
                step = candidates.join(settings, (f"{key}={high // 2}",))
                found = self.runs.do([step])[0] if candidates.possible(self.host, step) else None
                if found is None or self.now.gain(found) < self.now.gain(result) - 0.01:
                    break
                settings, result, high = step, found, high // 2
        c.ladder.steps, c.done = [settings], {0: result}

    def with_one_more(self, best: tuple[Set, Result], names: tuple[str, ...], climbs: Sequence[Climb]) -> list[Climb]:
        """To these settings, each of the knobs that the rules name for what is then lost, and what helped alone."""
        outcome = self.runs.outcome(best[0])
        if outcome is None:
            return []
        facts = measure(outcome)
        then = candidates.ladders(Seen(replace(outcome, host=self.after(best[0])), self.runs.spec), self.rules, facts, self.goal)
        wanted = {item.knob: item for item in then
                  if item.steps and not item.placebo and item.rule and not self.rules.knob[item.knob].hypothetical}
        helpful = [c for c in climbs if c.done and self.now.gain(self.stand(c)[1]) >= PART and not self.postpones(c)]
        for c in sorted(helpful, key=lambda c: -self.now.gain(self.stand(c)[1]))[:PAIRED]:
            wanted.setdefault(c.ladder.knob, c.ladder)
        title = ", and ".join(self.rules.knob[n].title for n in names)
        more = []
        for name, ladder in wanted.items():
            if name in names:
                continue
            steps = [candidates.join(best[0], step) for step in ladder.steps]
            steps = [s for s in steps if len(s) > len(best[0]) and candidates.possible(self.host, s)]
            if steps:
                made = Ladder("+".join((*names, name)), f"{title}, and {ladder.title}", ladder.rule, False, ladder.grows, steps)
                more.append(Climb(made, (*names, name)))
        return more

    def after(self, settings: Set) -> Host:
        of_host = split(settings)[1]
        return hostfile.apply_overrides(self.host, of_host) if of_host else self.host

    # ------------------------------------------------------------ ranking
    def of(self, c: Climb) -> Verdicts:
        """The verdicts on the part of the traffic that a climb was run on."""
        return self.now if c.part == 1 else self.on_part

    def stand(self, c: Climb) -> tuple[Set, Result]:
        """The smallest step that does what the best one does."""
        v = self.of(c)
        return c.stand(v.gain, v.tolerance)[1:]

    def ranked(self, climbs: Iterable[Climb]) -> list[Tried]:
        rows = [(self.order(c, result), self.tried(c, settings, result)) for c in climbs if c.done
                for settings, result in [self.stand(c)]]
        return [row for _, row in sorted(rows, key=lambda item: item[0])]

    def order(self, c: Climb, result: Result) -> tuple[object, ...]:
        """Best first.  Of what saves as much, what takes the least effort; latency counts where it differs by more than noise."""
        v = self.of(c)
        helped, sure = {"yes": 0, "partly": 0, "no": 2, "worse": 3}[self.word(c, result)], self.sure(c)
        figures = (v.lost(result), result.p99_ns, result.busy_ns) if sure is None else \
            (sure.lost_after.median, sure.p99_ns.median, sure.cpu_ns.median)
        lost, p99, cpu = round(figures[0] / max(1.0, SAME * v.savable)), _about(figures[1]), _about(figures[2])
        effort, size = self.effort(c), len(self.stand(c)[0])
        memory = self.memory(c, result)
        rest = {"loss": (lost, effort, size, memory, p99, cpu), "latency": (p99, effort, size, lost, memory, cpu),
                "cpu": (cpu, effort, size, lost, memory, p99)}[self.goal]
        return (helped, c.part > 1, self.postpones(c), *rest, len(c.names), c.ladder.knob)

    def effort(self, c: Climb) -> int:
        return sum(self.rules.knob[n].effort for n in c.names)

    def postpones(self, c: Climb) -> bool:
        """Not to be recommended: nobody can type it, or it is a buffer in lasting overload, which a short capture flatters."""
        return any(self.rules.knob[n].hypothetical for n in c.names) or \
            (len(c.names) == 1 and c.ladder.placebo and self.rules.knob[c.names[0]].buffer)

    def memory(self, c: Climb, result: Result) -> int:
        return result.memory_bytes - self.of(c).before.memory_bytes

    def tried(self, c: Climb, settings: Set, result: Result) -> Tried:
        v = self.of(c)
        helped, b, sure = self.word(c, result), v.before, self.sure(c)
        return Tried(settings, c.ladder.title, c.ladder.rule, helped, self.why(c, result, helped), tuple(commands(self.host, settings)),
                     v.lost(b), v.lost(result), result.saved(b), result.queued, result.dropped,
                     b.p99_ns / 1000, result.p99_ns / 1000, b.busy_ns, result.busy_ns, self.memory(c, result),
                     self.effort(c), c.ended(v.gain), c.part, c.names, not self.postpones(c), sure)

    def why(self, c: Climb, result: Result, helped: str) -> str:
        """A sentence: the rule's, or what the figures say."""
        knob = self.rules.knob[c.names[-1]]
        useless = next((s.text for s in knob.useless if s.holds(self.facts) and s.is_reason(self.goal)), "")
        v = self.of(c)
        if helped in ("yes", "partly"):
            if c.ladder.placebo and knob.buffer:
                return "only because this traffic ends" + (f": {useless}" if useless else "")
            rule = next((r for r in self.fired if r.id == c.ladder.rule), None)     # a second knob's may have fired only with the first
            moved = v.moved(result) if helped == "partly" else ""
            return "; ".join(x for x in (rule.title if rule and not c.ladder.placebo else "", knob.applies, moved) if x)
        sure = self.sure(c)
        if sure is not None and self.chance is not None and not sure.told_apart:
            return self.chance.inside(sure)
        gain = v.gain(result) if sure is None else sure.gain
        much = 0.01 if v.gain(result) < PART else 0.0       # the seed that is shown may be the one that gains
        little = f"it saves too little: {gain:.1%} of them" if self.goal == "loss" and gain >= much else ""
        return v.moved(result) or little or useless or (v.still(result) if self.goal == "loss" else "")


def _about(value: int) -> int:
    """Figures within NOISE of each other are one, more or less."""
    n = 0
    while value > 1000:
        value, n = int(value / (1 + NOISE)), n + 1
    return n
