"""What may be set: the knobs of the rules (advice/rules.toml) that this host and its card have, or those that a user names.

A knob is a list of settings, and the first is today's.  Two knobs of the rules that write the same key are one knob here, so that no
combination says a thing twice.  A knob may exist only with others (only_with of the rules): a longer backlog, where something is steered
to backlogs.  Then it is at today's setting in every choice that turns none of them.  Which combinations the kernel refuses,
running them says."""
from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rxpath.workbench.advice import candidates, rules
from rxpath.workbench.advice.facts import Seen, measure
from rxpath.workbench.host.file import HostError
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.jobs import unit as units
from rxpath.workbench.jobs.pool import Stop
from rxpath.workbench.jobs.unit import Unit
from rxpath.workbench.many import grid, limits, sweep
from rxpath.workbench.many.search import Interrupted
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.words.mistakes import BadInput, one_line

EFFORT = 3                                                  # of a knob of the rules: 4 and more is another program, or another host
Setting = tuple[str, ...]
Choice = tuple[int, ...]                                    # of each knob, which of its settings; 0 is today's


@dataclass(frozen=True, slots=True)
class Knob:
    """name: the keys that it writes.  settings: texts of --set, today's () first.  effort: of each setting, as rules.toml has it.
    only_with: other knobs and those of their settings with which it exists, any of them; (): it does always."""
    name: str
    settings: tuple[Setting, ...]
    effort: tuple[int, ...]
    only_with: tuple[tuple[int, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Space:
    knobs: tuple[Knob, ...]

    @property
    def today(self) -> Choice:
        return (0,) * len(self.knobs)

    @property
    def order(self) -> list[int]:
        """The knobs, each behind those that it may exist with."""
        found: list[int] = []
        while len(found) < len(self.knobs):
            found += [k for k, knob in enumerate(self.knobs) if k not in found and all(other in found for other, _ in knob.only_with)]
        return found

    def exists(self, k: int, choice: Mapping[int, int] | Choice) -> bool:
        """Does it, with these settings of the others?"""
        given = self.knobs[k].only_with
        return not given or any(choice[other] in settings for other, settings in given)

    def existing(self, choice: Choice) -> Choice:
        """With today's setting of each knob that does not exist there."""
        found: dict[int, int] = {}
        for k in self.order:
            found[k] = choice[k] if self.exists(k, found) else 0
        return tuple(found[k] for k in range(len(choice)))

    def overrides(self, choice: Choice) -> Setting:
        """The texts of --set."""
        return tuple(text for knob, i in zip(self.knobs, choice, strict=True) for text in knob.settings[i])

    def size(self, choice: Choice) -> tuple[int, int, int]:
        """How large a change is: knobs, their effort, steps."""
        return (sum(i > 0 for i in choice), sum(k.effort[i] for k, i in zip(self.knobs, choice, strict=True)), sum(choice))


def of_user(given: Sequence[str], bases: Sequence[Unit]) -> Space:
    """--knob KEY=RANGE, as sweep's --set."""
    axes = []
    for text in given:
        try:
            axes.append(grid.parse(text))
        except BadInput as error:
            raise BadInput(str(error).replace("--set", "--knob")) from None
    keys = [a.key for a in axes]
    for key in keys:
        if keys.count(key) > 1:
            raise BadInput(f"--knob {key} is given twice: write all its values in one, {key}=V1,V2")
        if key in grid.TRAFFIC_KEYS or key == "seed" or key.startswith("traffic."):
            raise BadInput(f"--knob {key}: that is no setting of the host; rxpath sweep varies it")
    for base in bases:
        try:
            sweep.check(base, axes)
        except HostError as error:
            raise BadInput(one_line(error).replace("--set", "--knob")) from None
    return Space(tuple(Knob(a.key, ((), *((f"{a.key}={v}",) for v in a.values)), (0, *(1 for _ in a.values))) for a in axes))


def of_host(base: Unit, others: Sequence[Unit], stop: Stop | None) -> Space:
    """Every knob of the rules that is this host's to set and changes something there."""
    host = units.the_host(base)
    run = limits.outcome(base, host, stop)
    if run.interrupted:
        raise Interrupted
    spec = traffic.changed_spec(base.capture, base.traffic, base.seed)
    seen, facts = Seen(dataclasses.replace(run, host=host), spec), measure(run)
    groups: list[tuple[set[str], list[tuple[Setting, int]]]] = []
    brought = dict[str, list[Setting]]()                    # by knob of the rules
    needing = dict[Setting, tuple[str, ...]]()              # settings that say something only with one of these knobs
    for name, row in rules.load().knob.items():
        if row.hypothetical or row.effort > EFFORT:
            continue
        needed = () if row.only_with is None or any(c.holds(facts) for c in row.only_with.unless) else row.only_with.knobs
        if not needed and row.only_with and not any(c.holds(facts) for c in row.only_with.unless):
            continue                                        # nothing brings what it needs
        ladder = candidates.Ladder(name, row.title)
        candidates.fill(ladder, row, seen, facts)
        steps = [s for s in ladder.steps if not any(text.startswith("traffic.") for text in s) and _fits(s, others)]
        brought[name] = steps
        if steps:
            _add(groups, steps, row.effort)
            needing |= {step: needed for step in steps if needed}
    found = []
    for keys, settings in groups:
        unique = dict(settings)
        found.append(Knob("+".join(sorted(keys)), ((), *unique), (0, *unique.values())))
    if not found:
        raise BadInput("this host has no knob that could change anything here: name some, --knob KEY=RANGE")
    return Space(_together(found, {step: [s for name in names for s in brought.get(name, [])] for step, names in needing.items()}))


def _together(found: Sequence[Knob], needing: Mapping[Setting, Sequence[Setting]]) -> tuple[Knob, ...]:
    """With what each exists, if all its settings need others; without those whose others this host does not have."""
    def others(knob: Knob) -> tuple[tuple[int, tuple[int, ...]], ...]:
        wanted = {s for step in knob.settings[1:] for s in needing.get(step, ())}
        each = ((k, tuple(i for i, s in enumerate(other.settings) if s in wanted)) for k, other in enumerate(kept))
        return tuple((k, settings) for k, settings in each if settings)

    def conditional(knob: Knob) -> bool:
        return all(step in needing for step in knob.settings[1:])

    kept = [knob for knob in found if not conditional(knob) or any(needing[step] for step in knob.settings[1:])]
    return tuple(dataclasses.replace(knob, only_with=others(knob)) if conditional(knob) else knob for knob in kept)


def _fits(setting: Setting, others: Sequence[Unit]) -> bool:
    """Does it exist where the other captures are received?"""
    for unit in others:
        host: Host = units.the_host(unit)
        if not candidates.possible(host, setting):
            return False
    return True


def _add(groups: list[tuple[set[str], list[tuple[Setting, int]]]], steps: list[Setting], effort: int) -> None:
    """Into the group that writes one of these keys; groups that now share one become one."""
    keys = {text.partition("=")[0] for step in steps for text in step}
    same = [g for g in groups if g[0] & keys]
    together: tuple[set[str], list[tuple[Setting, int]]] = (keys, [])
    for group in same:
        together[0].update(group[0])
        together[1].extend(group[1])
    together[1].extend((s, effort) for s in steps if s not in dict(together[1]))
    if same:
        groups[groups.index(same[0])] = together
        for group in same[1:]:
            groups.remove(group)
    else:
        groups.append(together)
