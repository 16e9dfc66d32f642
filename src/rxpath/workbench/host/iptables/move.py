"""Rules that are moved: to the front of their chain, or of raw's PREROUTING; and whether that leaves every packet's verdict as it is.

A rule may pass another when no packet matches both, when both say the same, or when the other one only counts.  That is shown from the
rules alone, for every packet that there can be; where it cannot be shown, the move is refused."""
from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from rxpath.workbench.host.iptables.ruleset import BUILT_IN, Address, Chain, Interface, MatchKind, Rule, Ruleset, Target
from rxpath.workbench.host.model.network import rule_place

ENDS = (Target.ACCEPT, Target.DROP, Target.REJECT)
RAW, PREROUTING = "raw", "PREROUTING"


class NoSuchRule(ValueError):
    """A place where there is none."""


def find(rules: Ruleset, text: str) -> Rule:
    """The rule at a place."""
    table, name, number = rule_place(text)
    chain = rules.tables.get(table, {}).get(name)
    if chain is None:
        raise NoSuchRule(f"there is no chain {name} in table {table}")
    if number > len(chain.rules):
        raise NoSuchRule(f"there is no rule {number} in {table} {name}: it has {len(chain.rules)}")
    return chain.rules[number - 1]


def moved(rules: Ruleset, first: Sequence[str], raw: Sequence[str]) -> Ruleset:
    """The rules of `first` at the front of their chains, in this order, those of `raw` at the front of raw PREROUTING; numbers are those
    before any move.  Raises NoSuchRule."""
    wanted = [(rule_place(text), find(rules, text)) for text in (*first, *raw)]
    tables = {table: dict(chains) for table, chains in rules.tables.items()}
    gone = {id(rule) for _, rule in wanted}
    for table, name in {where[:2] for where, _ in wanted}:
        chain = tables[table][name]
        ahead = [rule for where, rule in wanted[:len(first)] if where[:2] == (table, name)]
        tables[table][name] = replace(chain, rules=(*ahead, *(r for r in chain.rules if id(r) not in gone)))
    if raw:
        chains = tables.get(RAW) or {name: Chain(name, Target.ACCEPT, 0, 0, 0, ()) for name in BUILT_IN[RAW]}
        front = tuple(rule for _, rule in wanted[len(first):])
        chains[PREROUTING] = replace(chains[PREROUTING], rules=(*front, *chains[PREROUTING].rules))
        tables = {RAW: chains, **tables}
    return replace(rules, tables=tables)


def may_go_first(rules: Ruleset, text: str, met: Collection[int] | None = None) -> str:
    """Why a rule may not go to the front of its chain; "": every packet's verdict stays.  met: lines of rules that a packet has
    matched; then only the verdicts of those packets count."""
    table, name, number = rule_place(text)
    before = rules.tables[table][name].rules[:number - 1]
    return _may_pass(find(rules, text), [r for r in before if met is None or r.line in met])


def may_go_to_raw(rules: Ruleset, text: str) -> str:
    """Why a rule of filter INPUT may not go to raw PREROUTING: what it drops is dropped there, and everything else as before.  Whether
    other packets come by there (fragments, packets that are not for this host), a run says."""
    table, name, number = rule_place(text)
    rule = find(rules, text)
    if (table, name) != ("filter", "INPUT") or rule.target != Target.DROP:
        return "only a DROP of filter INPUT"
    before = [r for t, c in ((RAW, PREROUTING), ("mangle", PREROUTING), ("mangle", "INPUT"))
              for r in (rules.tables.get(t, {}).get(c) or Chain(c, None, 0, 0, 0, ())).rules]
    return _may_pass(rule, (*before, *rules.tables[table][name].rules[:number - 1]))


def _may_pass(rule: Rule, others: Sequence[Rule]) -> str:
    if rule.target not in ENDS:
        return "it does not end a packet's way"
    if _counts_credit(rule):
        return "its limit would spend credit on other packets"
    for other in others:
        if other.target == Target.CONTINUE and not _counts_credit(other):
            continue
        if (other.target, other.reject_with) == (rule.target, rule.reject_with) and not _counts_credit(other):
            continue
        if not disjoint(rule, other):
            return f"line {other.line} comes before it, and a packet can match both"
    return ""


def _counts_credit(rule: Rule) -> bool:
    return any(match.kind == MatchKind.LIMIT for match in rule.matches)


# ---------------------------------------------------------------- what two rules cannot both match
def disjoint(a: Rule, b: Rule) -> bool:
    """No packet matches both, as their addresses, protocols, interfaces or ports show."""
    if _counts_credit(a) or _counts_credit(b):
        return False                                        # its credit depends on what comes to it
    return (_addresses_apart(a.source, b.source) or _addresses_apart(a.destination, b.destination)
            or _interfaces_apart(a.in_interface, b.in_interface)
            or (a.protocol != b.protocol and bool(a.protocol and b.protocol) and not a.protocol_invert and not b.protocol_invert)
            or _ports_apart(a, b, 0) or _ports_apart(a, b, 1))


def _addresses_apart(a: Address, b: Address) -> bool:
    if a.invert and b.invert:
        return False
    if not a.invert and not b.invert:
        return (a.address ^ b.address) & a.mask & b.mask != 0
    inside, outside = (a, b) if b.invert else (b, a)        # one lies within what the other leaves out
    return inside.mask & outside.mask == outside.mask and inside.address & outside.mask == outside.address


def _interfaces_apart(a: Interface, b: Interface) -> bool:
    exact = all(i.name and not i.name.endswith("+") and not i.invert for i in (a, b))
    return exact and a.name != b.name


def _ports_apart(a: Rule, b: Rule, side: int) -> bool:
    """side: 0 source, 1 destination."""
    first, second = _ports(a, side), _ports(b, side)
    meet = any(low <= other_high and other_low <= high for low, high in first for other_low, other_high in second)
    return bool(first and second) and not meet


def _ports(rule: Rule, side: int) -> tuple[tuple[int, int], ...]:
    """The ports that a rule can match, none: any."""
    for match in rule.matches:
        if match.kind in (MatchKind.TCP, MatchKind.UDP):
            ports = match.dport if side else match.sport
            if not ports.invert and (ports.low, ports.high) != (0, 65535):
                return ((ports.low, ports.high),)
        elif match.kind == MatchKind.MULTIPORT and not match.invert and match.side == ("destination" if side else "source"):
            return match.ports
    return ()
