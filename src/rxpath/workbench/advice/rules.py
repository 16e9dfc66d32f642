"""The rules as data: rules.toml read, checked and typed.  Mistakes are one line: file, rule, key, what is allowed.

    rules = load()
    rules.knob["ring"].title, rules.fired({"lost.RX_MISSED": 3, ...}, "loss")

rules.schema.json is made from these models (`python -m rxpath.workbench.advice.rules`); a test holds both together."""
from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from rxpath.abi.reasons import LOSSES
from rxpath.workbench.advice.facts import FACTS
from rxpath.workbench.run.where_lost import STEPS
from rxpath.workbench.toml_in.rule_files import Comparison, Part, RuleError, Text, parsed
from rxpath.workbench.words import units

FILE, SCHEMA = Path(__file__).with_name("rules.toml"), Path(__file__).with_name("rules.schema.json")
VERDICT = {d.name: d.row.verdict for d in LOSSES if d.row.verdict}          # losses that no setting here changes, and what to say

Goal = Literal["loss", "latency", "cpu"]
Place = Literal["NIC", "link", "IP", "transport", "socket", "application"]


class Condition(Comparison):
    """A fact against a number: all of a list must hold."""
    def holds(self, facts: Mapping[str, float]) -> bool:
        return self.of(facts[self.fact])


class Sentence(Part):
    """What is said, and the facts that make it true: it is printed only where all of them hold."""
    text: Text
    when: tuple[Condition, ...] = ()

    def holds(self, facts: Mapping[str, float]) -> bool:
        return all(c.holds(facts) for c in self.when)

    def is_reason(self, goal: str) -> bool:
        """That nothing was lost somewhere is no reason why latency or CPU time stays as it is."""
        return goal == "loss" or not self.when or not all(c.fact.startswith(("lost", "buffer_lost")) for c in self.when)


class Setting(Part):
    """A key of a host file and what it is set to, step after step.  max: the largest that the kernel takes, or a word with @."""
    key: Text
    to: tuple[int | bool | str, ...] = Field(min_length=1)
    max: int | str | None = None


class Together(Part):
    """knobs: at least one of these must be turned for it to matter.  unless: a condition that is enough without."""
    knobs: tuple[Text, ...] = ()
    unless: tuple[Condition, ...] = Field(min_length=1)


class Knob(Part):
    """Something that a person could turn."""
    title: Text
    place: Place
    set: tuple[Setting, ...]
    needs: tuple[Condition, ...] = ()
    since: str | None = None
    modelled: bool = True
    reason: str = ""
    effort: int = Field(ge=1, le=5)                         # 1: undone at once ... 5: not on this host
    useless: tuple[Sentence, ...] = ()                      # why it changed nothing: the first that holds
    applies: str = ""
    buffer: bool = False                                    # it makes packets wait: the larger, the more is saved
    unless: str = ""                                        # where it cannot be tried, that is said only if this knob does not save all
    only_with: Together | None = None                       # what it needs to matter that other knobs may bring; None: nothing
    hypothetical: bool = False                              # shows what it would bring; nobody can type it, so it ranks last


class Discriminator(Part):
    """What tells the rule from its look-alikes: a sentence, and where it can be measured, conditions."""
    text: Text
    when: tuple[Condition, ...] = ()


class Rule(Part):
    id: Annotated[str, Field(pattern=r"^[RT]\d+b?$")]
    title: Text
    goals: tuple[Goal, ...] = ("loss",)
    symptom: tuple[Condition, ...] = Field(min_length=1)
    discriminator: Discriminator
    cause: Text
    knobs: tuple[str, ...]
    wont_help: tuple[str, ...] = ()                         # popular advice that will not: run all the same
    source: Text
    savable: tuple[str, ...] = ()                           # losses that its knobs may save although their rows have a verdict
    since: str | None = None
    modelled: bool = True
    reason: str = ""

    def fires(self, facts: Mapping[str, float]) -> bool:
        return self.modelled and all(c.holds(facts) for c in (*self.symptom, *self.discriminator.when))

    def explains(self, facts: Mapping[str, float]) -> float:
        """Frames lost to what its symptom names."""
        name = self.symptom[0].fact
        return facts[name] if name.startswith("lost.") or name in ("load_lost", "buffer_lost", "reassembly_failed") else 0.0

    def only(self) -> bool:
        """Is its symptom a loss that no knob saves, and nothing else?"""
        return self.symptom[0].fact.removeprefix("lost.") in VERDICT


class Popular(Part):
    """What people try for a goal: everywhere, or for losses at a place."""
    knobs: tuple[str, ...] = ()
    places: dict[Place, tuple[str, ...]] = Field({})


class Rules(Part):
    """The whole file."""
    version: Literal[1]
    goal: dict[Goal, Popular]
    knob: dict[str, Knob]
    rule: tuple[Rule, ...]

    @property
    def modelled(self) -> int:
        """Rules that can fire."""
        return sum(r.modelled for r in self.rule)

    def fired(self, facts: Mapping[str, float], goal: str = "loss") -> list[Rule]:
        """Those that say the most first: by the losses that they explain."""
        found = [r for r in self.rule if goal in r.goals and r.fires(facts)]
        return sorted(found, key=lambda r: -r.explains(facts)) if goal == "loss" else found

    def saved_by_no_knob(self, reason: str) -> str | None:
        """What to say of a loss that no queue's setting changes."""
        return VERDICT.get(reason)


def loads(text: str, place: str) -> Rules:
    """From TOML; raises RuleError."""
    rules = parsed(Rules, text, place)
    _check(rules, place)
    return rules


def _check(rules: Rules, place: str) -> None:
    """What one field alone does not show: names that lead somewhere."""
    def known(where: str, what: str, name: str, there: Any) -> None:
        if name not in there:
            near = units.nearest(name, list(there))
            raise RuleError(f"{place}: {where}: unknown {what} {name!r}" + (f"; did you mean {near}?" if near else ""))

    seen: set[str] = set()
    for rule in rules.rule:
        where = f"rule {rule.id}"
        if rule.id in seen:
            raise RuleError(f"{place}: {where}: id: appears twice")
        seen.add(rule.id)
        for key, conditions in (("symptom", rule.symptom), ("discriminator.when", rule.discriminator.when)):
            for condition in conditions:
                known(f"{where}: {key}", "fact", condition.fact, FACTS)
        for key, names in (("knobs", rule.knobs), ("wont_help", rule.wont_help)):
            for name in names:
                known(f"{where}: {key}", "knob", name, rules.knob)
        if rule.modelled == bool(rule.reason):
            raise RuleError(f"{place}: {where}: reason: belongs to modelled = false, and only to that")
    for name, knob in rules.knob.items():
        if knob.modelled == bool(knob.reason) or knob.modelled != bool(knob.set):
            if knob.modelled == bool(knob.reason) or knob.modelled:
                raise RuleError(f"{place}: knob.{name}: reason: belongs to modelled = false, and only to that; set: to modelled = true")
        for key, conditions in (("needs", knob.needs), *(("useless", s.when) for s in knob.useless)):
            for condition in conditions:
                known(f"knob.{name}: {key}", "fact", condition.fact, FACTS)
        if knob.only_with:
            for condition in knob.only_with.unless:
                known(f"knob.{name}: only_with.unless", "fact", condition.fact, FACTS)
            for other in knob.only_with.knobs:
                known(f"knob.{name}: only_with.knobs", "knob", other, rules.knob)
                if rules.knob[other].only_with:
                    raise RuleError(f"{place}: knob.{name}: only_with.knobs: {other} exists itself only with others: name those")
        if knob.unless:
            known(f"knob.{name}: unless", "knob", knob.unless, rules.knob)
    for goal, popular in rules.goal.items():
        for name in (*popular.knobs, *(n for names in popular.places.values() for n in names)):
            known(f"goal.{goal}", "knob", name, rules.knob)
        for step in popular.places:
            assert step in STEPS


@cache
def load() -> Rules:
    """The rules that come with rxpath."""
    return loads(FILE.read_text(), FILE.name)


def schema() -> str:
    """rules.schema.json"""
    made = Rules.model_json_schema()
    made["$schema"], made["title"] = "https://json-schema.org/draft/2020-12/schema", "rxpath rules"
    return json.dumps(made, indent=1) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema())
    sys.exit(0)
