"""From many trials to an answer: the front, the smallest change that is as good as the best, what each part of it does.

Nothing here is estimated: a knob matters if the answer without it, run again, is worse."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rxpath.workbench.many.tuning.runs import Came, Runs
from rxpath.workbench.many.tuning.space import Choice, Setting, Space
from rxpath.workbench.many.tuning.target import Wanted

STARTS = 3                                                  # trials that are made smaller; the smallest of what they come to is the answer
SAME = 0.01                                                 # of an objective, without a target: less than that is worth no setting
Good = Callable[[Came], bool]                               # is it as good as what is made smaller?


@dataclass(frozen=True, slots=True)
class Without:
    """The answer with one knob set back: its figures, None where that cannot be run."""
    knob: str
    set: Setting
    figures: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """set: texts of --set.  met: the target; None without one.  nothing: knobs that, added to it as far as they go, change no figure.
    not_needed: those that change one.  not_there: those that exist only with others, none of which the answer turns: which."""
    set: Setting
    figures: Mapping[str, float]
    met: bool | None
    matters: tuple[Without, ...]
    nothing: tuple[str, ...]
    not_needed: tuple[str, ...]
    not_there: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def front(wanted: Wanted, tried: Sequence[tuple[Choice, Mapping[str, float]]], space: Space) -> list[int]:
    """Which of them nothing beats in every objective; of those with equal figures the smallest change.  By the first objective."""
    best: dict[tuple[float, ...], int] = {}
    for i, (choice, figures) in enumerate(tried):
        at = tuple(figures[n] for n in wanted.objectives)
        if at not in best or space.size(choice) < space.size(tried[best[at]][0]):
            best[at] = i
    points = sorted(best)
    return [best[p] for p in points if not any(q != p and all(a <= b for a, b in zip(q, p, strict=True)) for q in points)]


def smallest(runs: Runs, wanted: Wanted, tried: Sequence[tuple[Choice, Mapping[str, float]]]) -> Choice:
    """Made smaller from the best trials: knob by knob back to today's setting, then to smaller steps, as long as it is as good."""
    space = runs.space
    ranked = sorted(tried, key=lambda t: (*wanted.order(t[1]), *space.size(t[0])))
    met = [t for t in ranked if wanted.limits and not wanted.beyond(t[1])]
    starts = sorted(met, key=lambda t: (*space.size(t[0]), *wanted.order(t[1]))) or ranked

    def end(choice: Choice, figures: Mapping[str, float]) -> Choice:
        def good(came: Came) -> bool:
            return _as_good(wanted, came, figures)
        return _smaller_steps(runs, _fewer_knobs(runs, choice, good), good)

    ends = [end(*start) for start in starts[:STARTS if met else 1]]
    return min(ends, key=lambda c: (*space.size(c), c))


def no_worse(runs: Runs, wanted: Wanted, choice: Choice, figures: Mapping[str, float]) -> Choice:
    """Made smaller while no objective gets worse."""
    def good(came: Came) -> bool:
        return came.figures is not None and all(came.figures[n] <= figures[n] for n in wanted.objectives)
    return _smaller_steps(runs, _fewer_knobs(runs, choice, good), good)


def _fewer_knobs(runs: Runs, choice: Choice, good: Good) -> Choice:
    """Each knob back to today's setting: those that alone are not needed all at once, and where that does not do, one after the other."""
    space = runs.space
    knobs = sorted((k for k, i in enumerate(choice) if i), key=lambda k: (-space.knobs[k].effort[choice[k]], -k))
    alone = [k for k, came in zip(knobs, runs.do([_with(space, choice, k, 0) for k in knobs]), strict=True) if good(came)]
    together = choice
    for k in alone:
        together = _with(space, together, k, 0)
    if good(runs.do([together])[0]):
        choice = together
    changed = True
    while changed:
        changed = False
        for k in knobs:
            back = _with(space, choice, k, 0)
            if choice[k] and good(runs.do([back])[0]):
                choice, changed = back, True
    return choice


def _smaller_steps(runs: Runs, choice: Choice, good: Good) -> Choice:
    space = runs.space
    for k, i in enumerate(choice):
        steps = [_with(space, choice, k, step) for step in range(1, i)]
        for step, came in zip(steps, runs.do(steps), strict=True):
            if good(came):
                choice = step
                break
    return choice


def _as_good(wanted: Wanted, came: Came, goal: Mapping[str, float]) -> bool:
    """Does it meet the target, or miss it by no more?  Without a target: is no objective worse?"""
    if came.figures is None:
        return False
    if wanted.limits:
        return wanted.beyond(came.figures) <= wanted.beyond(goal)
    return all(came.figures[n] <= goal[n] * (1 + SAME) for n in wanted.objectives)


def explained(runs: Runs, wanted: Wanted, choice: Choice) -> Answer:
    """What each knob of the answer does, and each of the others beside it."""
    space = runs.space
    inside = [k for k, i in enumerate(choice) if i]
    others = [k for k, i in enumerate(choice) if not i and space.exists(k, choice)]
    came = runs.do([choice, *(_with(space, choice, k, 0) for k in inside),
                    *(_with(space, choice, k, len(space.knobs[k].settings) - 1) for k in others)])
    own = came[0].figures
    assert own is not None
    without = tuple(Without(space.knobs[k].name, space.knobs[k].settings[choice[k]], one.figures)
                    for k, one in zip(inside, came[1:], strict=False))
    beside = dict(zip((space.knobs[k].name for k in others), came[1 + len(inside):], strict=True))
    nothing = tuple(name for name, one in beside.items() if one.figures == own)
    return Answer(space.overrides(choice), own, not wanted.beyond(own) if wanted.limits else None, without, nothing,
                  tuple(name for name in beside if name not in nothing),
                  {knob.name: tuple(space.knobs[k].name for k, _ in knob.only_with) for n, knob in enumerate(space.knobs)
                   if not space.exists(n, choice)})


def _with(space: Space, choice: Choice, k: int, i: int) -> Choice:
    """That knob at another setting; what does not exist any more goes back to today's."""
    return space.existing((*choice[:k], i, *choice[k + 1:]))
