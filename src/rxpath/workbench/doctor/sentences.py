"""Sentences of the rules with their figures: facts by name, and the places of a subject.  Where one is not known, nothing is said."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rxpath.workbench.doctor import cards, sockets
from rxpath.workbench.doctor.evidence import NotKnown
from rxpath.workbench.doctor.facts import FACTS, Known
from rxpath.workbench.doctor.rules import Missing, Said, Sentence, named


class _Words(Mapping[str, Any]):
    """What sentences may name: facts, and the places of a subject."""

    def __init__(self, facts: Known) -> None:
        self.facts = facts

    def __getitem__(self, name: str) -> Any:
        value = _place(self.facts, name) if name not in FACTS else self.facts[name]
        if value is None or isinstance(value, Missing):
            raise KeyError(name)
        return int(value) if isinstance(value, float) and value.is_integer() and name.endswith(("_cpu", "_on")) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self.facts)

    def __len__(self) -> int:
        return len(self.facts)


def _place(facts: Known, name: str) -> str | None:
    if name == "subject" or name == facts.scope:
        return facts.subject or "the card"
    if name == "driver" and facts.scope == "device":
        return cards.driver_or_none(facts.e, facts.subject)
    if name in ("pid", "program") and facts.scope == "socket":
        try:
            held = sockets.programs(facts.e, sockets.one(facts.e, facts.subject).now)
        except NotKnown:
            return None
        return None if not held else str(held[0].pid) if name == "pid" and held[0].pid else held[0].name if name == "program" else None
    return None


def said(text: Said, facts: Known) -> str | None:
    """A sentence with its figures; None where one is not known, or where its conditions do not hold."""
    if isinstance(text, tuple):
        return next((found for one in text if (found := said(one, facts)) is not None), None)
    if isinstance(text, Sentence):
        if any(c.holds(facts) is not True for c in text.when):
            return None
        text = text.text
    words = _Words(facts)
    try:
        return text.format_map({name: words[name] for name in named(text)})
    except KeyError:
        return None


def every(texts: Iterable[Said], facts: Known) -> list[str]:
    return [s for text in texts if (s := said(text, facts)) is not None]
