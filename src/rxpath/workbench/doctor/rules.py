"""The doctor's rules as data: rules.toml read, checked and typed.  Mistakes are one line: file, rule, key, what is allowed.

A condition has three answers: it holds, it does not, or the fact is not known; then the missing fact says which reading would tell."""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import Field

from rxpath.workbench.toml_in.rule_files import Comparison, Part, RuleError, Text, parsed
from rxpath.workbench.words import units

FILE = Path(__file__).with_name("rules.toml")
LOSSES = ("lost", "damaged")                                # kinds that make the exit status 1
PLACES = ("subject", "device", "cpu", "socket", "pid", "program", "driver")     # what sentences may name beside facts

Scope = Literal["host", "device", "cpu", "socket"]
Kind = Literal["lost", "damaged", "open", "refused", "elsewhere", "busy", "note"]


@dataclass(frozen=True, slots=True)
class Missing:
    """A fact that the readings do not give.  reading: what would."""

    reading: str


Value = float | str | Missing
Facts = Mapping[str, Value]


class Condition(Comparison):
    """A fact against a number."""

    def holds(self, facts: Facts) -> bool | Missing:
        value = facts[self.fact]
        if isinstance(value, Missing):
            return value
        return self.of(float(value))


def all_hold(conditions: Iterable[Condition], facts: Facts) -> bool | Missing:
    """False if one does not hold, whatever is missing; else the first that is missing; else True."""
    missing: Missing | None = None
    for condition in conditions:
        answer = condition.holds(facts)
        if answer is False:
            return False
        if isinstance(answer, Missing) and missing is None:
            missing = answer
    return missing or True


class Sentence(Part):
    """What is said, and the facts that make it true."""

    text: Text
    when: tuple[Condition, ...] = ()


Said = Text | Sentence | tuple[Text, ...]                   # several texts: the first that can be said


class Finding(Part):
    """Something that was counted between two readings.  reading: what shows its count.  when: what makes it one, in place of count > 0.
    optional: many hosts do not have what would count it, so that nobody misses it where it was not read."""

    scope: Scope
    count: Text
    unit: Text
    kind: Kind
    short: Text
    title: Text | tuple[Text, ...]
    means: Text
    reading: Text
    when: tuple[Condition, ...] = ()
    optional: bool = False

    def found(self, facts: Facts) -> bool | Missing:
        return all_hold(self.when or (Condition(fact=self.count, op=">", value=0),), facts)


class Rule(Part):
    """A cause that findings may have."""

    id: Annotated[str, Field(pattern=r"^D\d+[a-z]?$")]
    findings: tuple[Text, ...] = Field(min_length=1)
    title: Text
    when: tuple[Condition, ...] = Field(min_length=1)
    decided: Text | tuple[Text, ...]
    supports: tuple[Condition, ...] = ()
    beats: tuple[Text, ...] = ()
    cause: Text
    look: tuple[Said, ...] = ()
    change: tuple[Said, ...] = ()
    no_help: tuple[Said, ...] = ()
    it_is_not: tuple[Said, ...] = ()
    mark: Literal["N", "R", "C"]
    source: Text

    def holds(self, facts: Facts) -> bool | Missing:
        return all_hold(self.when, facts)


class Rules(Part):
    """The whole file."""

    version: Literal[1]
    finding: dict[str, Finding]
    rule: tuple[Rule, ...]

    def of(self, finding: str) -> list[Rule]:
        return [r for r in self.rule if finding in r.findings]


def loads(text: str, place: str, known: Mapping[str, Any]) -> Rules:
    """From TOML.  known: the facts that there are, by name, each with a scope.  Raises RuleError."""
    rules = parsed(Rules, text, place)
    _check(rules, place, known)
    return rules


def named(text: str) -> list[str]:
    """The facts and places that a sentence names in braces."""
    return [re.split(r"[.\[]", field)[0] for _, field, _, _ in Formatter().parse(text) if field]


def _check(rules: Rules, place: str, known: Mapping[str, Any]) -> None:
    """What one field alone does not show: names that lead somewhere, in the scope where they stand."""
    def fact(where: str, name: str, scope: str) -> None:
        if name not in known:
            near = units.nearest(name, [*known, *PLACES])
            raise RuleError(f"{place}: {where}: unknown fact {name!r}" + (f"; did you mean {near}?" if near else ""))
        if known[name].scope not in ("host", scope):
            raise RuleError(f"{place}: {where}: {name} is a fact of a {known[name].scope}, not of a {scope}")

    def sentence(where: str, said: Said, scope: str) -> None:
        texts = (said,) if isinstance(said, str) else (said.text,) if isinstance(said, Sentence) else said
        for name in (name for text in texts for name in named(text)):
            if name not in PLACES:
                fact(where, name, scope)
        for condition in said.when if isinstance(said, Sentence) else ():
            fact(where, condition.fact, scope)

    for name, finding in rules.finding.items():
        where = f"finding.{name}"
        for condition in finding.when:
            fact(f"{where}: when", condition.fact, finding.scope)
        fact(f"{where}: count", finding.count, finding.scope)
        for key in ("title", "means", "reading"):
            sentence(f"{where}: {key}", getattr(finding, key), finding.scope)
    seen: set[str] = set()
    for rule in rules.rule:
        where = f"rule {rule.id}"
        if rule.id in seen:
            raise RuleError(f"{place}: {where}: id: appears twice")
        seen.add(rule.id)
        for finding_name in rule.findings:
            if finding_name not in rules.finding:
                raise RuleError(f"{place}: {where}: findings: unknown finding {finding_name!r}")
            scope = rules.finding[finding_name].scope
            for key, conditions in (("when", rule.when), ("supports", rule.supports)):
                for condition in conditions:
                    fact(f"{where}: {key}", condition.fact, scope)
            for key, texts in (("title", (rule.title,)), ("decided", (rule.decided,)), ("cause", (rule.cause,)), ("look", rule.look),
                               ("change", rule.change), ("no_help", rule.no_help), ("it_is_not", rule.it_is_not)):
                for said in texts:
                    sentence(f"{where}: {key}", said, scope)
    for rule in rules.rule:
        for other in rule.beats:
            if other not in seen:
                raise RuleError(f"{place}: rule {rule.id}: beats: unknown rule {other!r}")


@cache
def _load(known: tuple[tuple[str, Any], ...]) -> Rules:
    return loads(FILE.read_text(), FILE.name, dict(known))


def load(known: Mapping[str, Any]) -> Rules:
    """The rules that come with rxpath."""
    return _load(tuple(known.items()))
