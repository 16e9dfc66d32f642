"""Where a finding was seen: the counters that moved, under their own names, and what feeds them on this driver."""
from __future__ import annotations

from collections.abc import Iterable

from rxpath.drivers.counters import COUNTERS, MEANING
from rxpath.workbench.doctor import card_facts, cards, sockets
from rxpath.workbench.doctor.evidence import Evidence, NotKnown
from rxpath.workbench.doctor.facts import FACTS, RCVBUF, Known, summed
from rxpath.workbench.doctor.rules import Finding
from rxpath.workbench.readings.losses import Found


def seen(e: Evidence, name: str, finding: Finding, facts: Known, subject: str) -> list[str]:
    """The counters that moved, under their own names."""
    if finding.scope == "device" and finding.count in card_facts.CLASSES:
        return _seen_on_card(e, finding, subject)
    if finding.count in card_facts.STANDARD:
        return _seen_as_standard(e, card_facts.STANDARD[finding.count], subject)
    if name == "socket":
        s = sockets.one(e, subject)
        lines = [f"drops of {subject} +{s.drops:,}"]
        try:
            lines.append(f"RcvbufErrors +{summed(e, *RCVBUF):,} in all (InErrors has the same datagrams again)")
        except NotKnown:
            pass
        return lines
    if finding.scope == "cpu" and finding.count == "backlog_lost":
        row = e.on(int(subject))
        lines = [f"softnet_stat of CPU {subject}: dropped +{row.dropped:,}, processed +{row.processed:,}"]
        return lines + ([f"received_rps +{row.received_rps:,}"] if row.received_rps else [])
    return [f"{counter} +{n:,}" for counter in FACTS[finding.count].counters if (n := _moved(e, counter))]


def _seen_on_card(e: Evidence, finding: Finding, device: str) -> list[str]:
    found = cards.classes(e, device).get(card_facts.CLASSES[finding.count], Found())
    lines = [f"{name} +{n:,}" for name, n in sorted(found.counters.items(), key=lambda c: -c[1])[:6]]
    if len(found.counters) > 6:
        lines.append(f"and {len(found.counters) - 6} more counters of {device}")
    lines += [f"{name} +{n:,} (how often, not how many)" for name, n in list(found.events.items())[:3]]
    name = cards.driver_or_none(e, device)
    row = COUNTERS.get(name or "")
    standard = [s for s, fed in (row.rtnl.items() if row is not None else ()) if any(cards.mentions(fed, c) for c in found.counters)]
    if standard:
        lines.append(f"on {name} ip -s link shows them in {', '.join(standard)}")
    elif row is not None and any(cards.mentions(row.hidden, c) for c in found.counters):
        lines.append(f"on {name} no standard counter (ip -s link, /proc/net/dev) shows them")
    return lines


def _seen_as_standard(e: Evidence, names: Iterable[str], device: str) -> list[str]:
    """With what feeds them on this driver."""
    name, lines = cards.driver_or_none(e, device), []
    row = COUNTERS.get(name or "")
    for standard in names:
        if moved := _standard(e, device, standard):
            lines.append(f"{standard} of {device} +{moved:,}")
            if row is not None and standard in row.rtnl:
                loss = row.loss(row.rtnl[standard].split(" (")[0])
                lines.append(f"on {name} it counts {row.rtnl[standard]}" + (f": {MEANING[loss]}" if loss is not None else ""))
    return lines


def _standard(e: Evidence, device: str, name: str) -> int:
    try:
        return e.standard(device, name)
    except NotKnown:
        return 0


def _moved(e: Evidence, counter: str) -> int:
    group, _, name = counter.partition(".")
    try:
        return e.snmp(group, name)
    except NotKnown:
        return 0
