"""What is wrong, and what decides it: every finding of the rules on every subject it has, with the causes that hold, those of which nobody
can tell, and what would not help.  Nothing is printed here."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from rxpath.abi.reasons import Drop, Row
from rxpath.drivers.counters import COUNTERS
from rxpath.workbench.doctor import card_facts, cards, socket_facts, sockets
from rxpath.workbench.doctor.evidence import Evidence, NotKnown
from rxpath.workbench.doctor.facts import FACTS, Known, summed
from rxpath.workbench.doctor.rules import LOSSES, Finding, Missing, Rule, Rules, Scope, load
from rxpath.workbench.doctor.seen import seen
from rxpath.workbench.doctor.sentences import every, said
from rxpath.workbench.readings.records import Drops
from rxpath.workbench.readings.settings import Surroundings

NOTHING, SOMETHING, CANNOT_TELL = 0, 1, 3                   # exit status; 2 is trouble
ARRIVED = ("Udp.InDatagrams", "Udp.InErrors", "Udp.NoPorts", "Udp6.InDatagrams", "Udp6.InErrors", "Udp6.NoPorts")
ALIKE = 5                                                    # findings of a name that are told at length
OUTSIDE = "what the host loses"                             # how rows of drivers/counters.py say that a guest cannot see it
SAID = 4                                                    # what the comparison of two readings said: wraps, what only one shows
LOOK = 3                                                    # things to look at, while nothing is decided
REFRESH = 3.0                                               # s: ixgbe, i40e and ice read their registers every 1 to 2 s
WITH_FACTS = (card_facts, socket_facts)                     # their facts are there once they are imported
ORDER = ("lost", "damaged", "open", "refused", "elsewhere", "busy", "note")


@dataclass(frozen=True, slots=True)
class Cause:
    """A rule that holds.  decided: what decided it; supports: what else speaks for it; against: what does not fit."""

    rule: Rule
    cause: str
    decided: str
    supports: tuple[str, ...] = ()
    against: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Open:
    """Rules of which nobody can tell, and the reading that would."""

    rules: tuple[Rule, ...]
    reading: str


@dataclass(frozen=True, slots=True)
class Case:
    """A finding on its subject.  rate: a second, None where the time is not known."""

    name: str
    kind: str
    subject: str
    title: str
    count: float
    unit: str
    rate: float | None
    means: str
    seen: tuple[str, ...]
    causes: tuple[Cause, ...]
    open: tuple[Open, ...]
    it_is_not: tuple[str, ...]
    look: tuple[str, ...]
    change: tuple[str, ...]
    no_help: tuple[str, ...]
    share: str = ""                                         # of what came


@dataclass(frozen=True, slots=True)
class Reason:
    """What a drop tool saw: packets that ended at a function, the kernel's reason by name, what that means ("" where nobody here knows)."""

    count: int
    reason: str
    function: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Alike:
    """Findings of one name, the largest first: those that are told at length, the others, and what those come to."""

    told: tuple[Case, ...]
    more: tuple[Case, ...]
    count: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """All of it.  unknown: findings that could not be looked for, by the reading that would show them."""

    found: tuple[Case, ...]
    unknown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    looked: int = 0
    seconds: float | None = None
    moments: int = 0
    notes: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()

    def alike(self) -> list[Alike]:
        """Findings by their names, in the order of the first of each."""
        groups: dict[str, list[Case]] = {}
        for case in self.found:
            groups.setdefault(case.name, []).append(case)
        return [Alike(tuple(g[:ALIKE]), tuple(g[ALIKE:]), sum(case.count for case in g[ALIKE:])) for g in groups.values()]

    @property
    def losses(self) -> tuple[Case, ...]:
        return tuple(f for f in self.found if f.kind in LOSSES)

    @property
    def status(self) -> int:
        if self.losses:
            return SOMETHING
        unclear = any(f.kind == "open" for f in self.found)
        return NOTHING if self.looked and self.moments > 1 and not unclear else CANNOT_TELL


def the_rules() -> Rules:
    """Those that come with rxpath, held against the facts that there are."""
    return load(FACTS)


def examine(e: Evidence, rules: Rules | None = None) -> Verdict:
    """The verdict on some readings."""
    rules = rules or the_rules()
    found: list[Case] = []
    unknown: dict[str, dict[str, None]] = {}
    looked = 0
    for name, finding in rules.finding.items():
        for subject in _subjects(e, finding.scope):
            facts = Known(e, finding.scope, subject)
            there = finding.found(facts)
            if isinstance(there, Missing):
                if finding.kind in LOSSES and not finding.optional and not _still(e, finding, subject):
                    unknown.setdefault(there.reading, {})[finding.short] = None
                continue
            looked += finding.kind in LOSSES
            if there:
                found.append(_found(e, name, finding, rules.of(name), facts, subject))
    found.sort(key=lambda f: (ORDER.index(f.kind), -f.count))
    missing = {reading: tuple(what) for reading, what in unknown.items()}
    return Verdict(tuple(found), missing, looked, _seconds(e), len(e.readings), tuple(_notes(e)), tuple(_reasons(e)))


def _reasons(e: Evidence) -> list[Reason]:
    """What perf, dropwatch, retis or pwru recorded, in any of the readings, most first."""
    counts: Counter[tuple[str, str]] = Counter()
    for reading in e.readings:
        for record in reading.of(Drops, ""):
            for drop in record.drops:
                counts[drop.reason, drop.function] += drop.count
    return [Reason(n, reason, function, f"{row.kind.value}: {row.meaning}" if (row := _known_reason(reason)) is not None else "")
            for (reason, function), n in counts.most_common()]


def _known_reason(name: str) -> Row | None:
    return Drop[name].row if name in Drop.__members__ else None


def _notes(e: Evidence) -> Iterator[str]:
    """What bounds the meaning of these readings."""
    around = e.setting(lambda r: r.first(Surroundings))
    if around is not None and around.container:
        yield ("This is a container's network namespace: softnet_stat, interrupts and CPU times are the whole machine's; the machine's "
               "cards cannot be seen from here, and what they lose has to be asked there (nsenter -t 1 -n rxpath doctor).")
    for device in e.devices:
        row = COUNTERS.get(cards.driver_or_none(e, device) or "")
        if row is not None and row.hidden.startswith(OUTSIDE):
            yield f"{device or 'the card'} ({cards.driver(e, device)}): no counter here shows {row.hidden}."
    others = sorted({r.netns for reading in e.readings for r in reading.records if r.netns})
    if others:
        yield f"Other network namespaces are in the readings and were not looked at: {', '.join(others[:6])}."
    yield from (f"Comparing the readings: {text}." for text in e.said[:SAID])
    seconds = _seconds(e)
    for device in e.devices:
        row = COUNTERS.get(cards.driver_or_none(e, device) or "")
        if row is not None and row.refresh and seconds is not None and seconds < 2 * row.refresh:
            yield (f"{device or 'the card'} ({cards.driver(e, device)}) reports the device's own counts every {row.refresh} s: readings "
                   f"{2 * row.refresh} s apart or more see all of them.")
    if seconds is not None and seconds < REFRESH and any(device != "lo" for device in e.devices):
        yield f"Drivers bring some counters up to date only every second or two: readings {REFRESH:g} s apart or more see all of them."


def _still(e: Evidence, finding: Finding, subject: str) -> bool:
    """A device that nothing came through has lost nothing that anybody misses."""
    if finding.scope != "device":
        return False
    try:
        return e.standard(subject, "rx_packets") == 0
    except NotKnown:
        return False


def _seconds(e: Evidence) -> float | None:
    try:
        return e.seconds
    except NotKnown:
        return None


def _subjects(e: Evidence, scope: Scope) -> Iterable[str]:
    try:
        if scope == "device":
            return e.devices
        if scope == "cpu":
            return [str(cpu) for cpu in e.softnet] or [""]
        if scope == "socket":
            return list(sockets.seen(e))
    except NotKnown:
        return ()
    return ("",)


# ---------------------------------------------------------------- one finding
def _found(e: Evidence, name: str, finding: Finding, rules: list[Rule], facts: Known, subject: str) -> Case:
    holding: list[Rule] = []
    missing: dict[str, list[Rule]] = {}
    for rule in rules:
        answer = rule.holds(facts)
        if answer is True:
            holding.append(rule)
        elif isinstance(answer, Missing):
            missing.setdefault(answer.reading, []).append(rule)
    beaten = {other for rule in holding for other in rule.beats}
    holding = [r for r in holding if r.id not in beaten]
    causes = tuple(_cause(rule, facts) for rule in holding)
    undecided = tuple(Open(tuple(r for r in which if r.id not in beaten), reading) for reading, which in missing.items())
    count = facts[finding.count]
    number = float(count) if not isinstance(count, (Missing, str)) else 0.0
    seconds = _seconds(e)
    ruled = holding or [r for which in missing.values() for r in which]

    def lines(key: str, of: list[Rule]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(line for rule in of for line in every(getattr(rule, key), facts)))

    return Case(
        name, finding.kind, subject, said(finding.title, facts) or name, number, finding.unit, number / seconds if seconds else None,
        said(finding.means, facts) or "", tuple(seen(e, name, finding, facts, subject)), causes, tuple(u for u in undecided if u.rules),
        tuple(dict.fromkeys((*_not_elsewhere(finding, facts), *lines("it_is_not", holding)))),
        lines("look", holding) or lines("look", [which[0] for which in missing.values()])[:LOOK], lines("change", holding),
        _common(ruled, holding, facts),
        _share(e, name, number, facts))


def _cause(rule: Rule, facts: Known) -> Cause:
    supports: list[str] = []
    against: list[str] = []
    for condition in rule.supports:
        answer = condition.holds(facts)
        value = facts[condition.fact]
        if isinstance(answer, Missing) or isinstance(value, (Missing, str)):
            continue
        (supports if answer else against).append(f"{FACTS[condition.fact].doc.partition(': ')[0]}: {_figure(condition.fact, float(value))}")
    return Cause(rule, said(rule.cause, facts) or rule.cause, said(rule.decided, facts) or rule.title, tuple(supports), tuple(against))


def _figure(name: str, value: float) -> str:
    return f"{value:.0%}" if FACTS[name].unit == "of 1" else "yes" if FACTS[name].unit == "0 or 1" and value else f"{value:,.0f}"


def _common(rules: list[Rule], holding: list[Rule], facts: Known) -> tuple[str, ...]:
    """What would not help: of the causes that hold; while nothing is decided, what helps with none of those that are possible."""
    lists = [every(rule.no_help, facts) for rule in (holding or rules)]
    if holding or not lists:
        return tuple(dict.fromkeys(line for lines in lists for line in lines))
    return tuple(line for line in lists[0] if all(line in other for other in lists))


ELSEWHERE = (("nic_lost_all", "the cards: none of them lost a packet", ("host", "cpu", "socket")),
             ("backlog_lost_all", "the backlogs (netdev_max_backlog): none refused a packet", ("host", "device", "socket")),
             ("rcvbuf_lost", "receive buffers of UDP sockets: none was full", ("host", "device", "cpu")))


def _not_elsewhere(finding: Finding, facts: Known) -> list[str]:
    """Places of loss that the readings clear; only beside a loss, and only those that were looked at."""
    if finding.kind != "lost":
        return []
    return [text for name, text, scopes in ELSEWHERE if finding.scope in scopes and facts[name] == 0]


def _share(e: Evidence, name: str, lost: float, facts: Known) -> str:
    """Of what came: for a card of its packets, for UDP of the datagrams of the namespace, read or not."""
    try:
        if name in ("ring", "ring_or_buffer", "buffer", "missed"):
            return _of(lost, e.standard(facts.subject, "rx_packets") + lost, "of what came to it")
        if name in ("socket", "receive_buffer", "udp_memory"):
            return _of(lost, summed(e, *ARRIVED), "of all UDP datagrams here")
    except NotKnown:
        pass
    return ""


def _of(lost: float, whole: float, what: str) -> str:
    return f"{lost / whole:.1%} {what}" if whole and lost < whole and lost / whole >= 0.0005 else ""
