"""Firewall rules as `iptables-save` prints them, read into frozen dataclasses: tables raw, mangle and filter.

Twins: iptables-restore for the text, net/ipv4/netfilter/ip_tables.c for what is refused (a jump to a missing chain, loops).  The path
walks PREROUTING (raw, mangle) and INPUT (mangle, filter); OUTPUT, FORWARD and POSTROUTING are kept but never walked, because this host
only receives.  host/iptables/flat.py lays the result out for the compiled walk; host/iptables/match.py reads the matches of a rule.

What is not modelled is Unsupported, with the line and what there is; with skip_unsupported=True that rule (or table) is left out and
listed in Ruleset.skipped.  Anything else that is wrong is RulesError.  No input raises anything else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rxpath.workbench.host.iptables.match import RuleText
from rxpath.workbench.host.iptables.ruleset import (
    BUILT_IN,
    NAME_MAX,
    TARGETS,
    WALKED,
    Chain,
    Line,
    Rule,
    RulesError,
    Ruleset,
    Skipped,
    Target,
    Unsupported,
)

RULES_MAX = 16384                                           # the path's table; DESIGN's limit
TEXT_MAX = 64 << 20


@dataclass(slots=True)
class _Chain:
    """A chain while its table is read."""

    name: str
    policy: Target | None
    packets: int = 0
    bytes: int = 0
    line: int = 0
    rules: list[Rule] = field(default_factory=list)


def words(line: str) -> list[str] | None:
    """Split as iptables-restore does: blanks separate, double quotes hold together, a backslash in them takes the next character.

    None: a quote is not closed."""
    result: list[str] = []
    word, quoted, begun, escaped = "", False, False, False
    for char in line:
        if quoted:
            if escaped:
                word, escaped = word + char, False
            elif char == "\\":
                escaped = True
            elif char == '"':
                quoted = False
            else:
                word += char
        elif char == '"':
            quoted = begun = True
        elif char in " \t\r\n":
            if begun:
                result.append(word)
            word, begun = "", False
        else:
            word, begun = word + char, True
    if quoted:
        return None
    return [*result, word] if begun else result


def counters(text: str) -> tuple[int, int] | None:
    """(packets, bytes) of "[12:3456]"."""
    packets, colon, octets = text[1:-1].partition(":")
    if text[:1] != "[" or text[-1:] != "]" or not colon or not all(n.isascii() and n.isdigit() and len(n) <= 20 for n in (packets, octets)):
        return None
    return min(int(packets), (1 << 64) - 1), min(int(octets), (1 << 64) - 1)


def parse(text: str, source: str = "rules", *, skip_unsupported: bool = False) -> Ruleset:
    """Read the output of iptables-save.  Raises RulesError (Unsupported for what is not modelled) with source and line."""
    return _Reader(text, source, skip_unsupported).read()


class _Reader:
    """One pass over the lines; self.table is the table that is open, None between COMMIT and the next *table."""

    def __init__(self, text: str, source: str, skip: bool):
        self.text, self.source, self.skip = text, source, skip
        self.tables: dict[str, dict[str, Chain]] = {}
        self.skipped: list[Skipped] = []
        self.table: str | None = None
        self.chains: dict[str, _Chain] = {}
        self.passed_over = False                            # inside a table that is skipped
        self.number, self.line, self.count = 0, "", 0

    def here(self) -> Line:
        return Line(self.source, self.number, self.line, self.table, self.chains)

    def wrong(self, reason: str) -> RulesError:
        return self.here().wrong(reason)

    def read(self) -> Ruleset:
        if len(self.text) > TEXT_MAX:
            raise RulesError(self.source, 1, f"more than {TEXT_MAX >> 20} MiB: not a rules file")
        opened = 0
        for number, line in enumerate(self.text.split("\n"), 1):
            self.number, self.line = number, line.strip()
            if not self.line or self.line[0] == "#":
                continue
            if self.line[0] == "*":
                opened = self.number
                self._open_table(self.line[1:].strip())
            elif self.table is None and not self.passed_over:
                raise self.wrong("a line outside of a table: expected *raw, *mangle or *filter")
            elif self.line == "COMMIT":
                self._commit()
            elif self.passed_over:
                continue
            elif self.line[0] == ":":
                self._declare()
            else:
                self._command()
        if self.table is not None or self.passed_over:
            self.line = ""
            raise RulesError(self.source, opened, f"table {self.table or 'here'} has no COMMIT")
        kept = [f"{table} {chain.name}" for table, chains in self.tables.items() for chain in chains.values()
                if chain.rules and chain.policy is not None and chain.name not in WALKED]
        return Ruleset(self.source, self.tables, tuple(self.skipped), tuple(kept))

    def _open_table(self, name: str) -> None:
        if self.table is not None or self.passed_over:
            raise self.wrong("the table before has no COMMIT")
        if name not in BUILT_IN:
            error = self.here().unsupported(f"table {name or '(no name)'} is not supported: {', '.join(BUILT_IN)}")
            if not self.skip:
                raise error
            self.skipped.append(Skipped(self.number, self.line, error.reason))
            self.passed_over = True
            return
        if name in self.tables:
            raise self.wrong(f"table {name} comes twice")
        self.table = name
        self.chains = {chain: _Chain(chain, Target.ACCEPT) for chain in BUILT_IN[name]}

    def _declare(self) -> None:
        """:INPUT DROP [12:3456] or :mychain - [0:0]"""
        assert self.table is not None
        parts = self.line[1:].split()
        if len(parts) not in (2, 3):
            raise self.wrong("a chain is declared as :NAME POLICY [packets:bytes]")
        name, policy = parts[0], parts[1]
        counts = counters(parts[2]) if len(parts) == 3 else (0, 0)
        if counts is None:
            raise self.wrong("counters are written [packets:bytes]")
        if name in BUILT_IN[self.table]:
            if policy not in ("ACCEPT", "DROP"):
                raise self.wrong(f"policy {policy} is not allowed: ACCEPT or DROP")
            chain = self.chains[name]
            chain.policy, chain.packets, chain.bytes, chain.line = Target[policy], *counts, self.number
            return
        if policy != "-":
            raise self.wrong(f"{name} is not a built-in chain of table {self.table}, so it has no policy: write -")
        self._new_chain(name, counts)

    def _new_chain(self, name: str, counts: tuple[int, int]) -> None:
        if name in self.chains:
            raise self.wrong(f"chain {name} exists already")
        if name in TARGETS or name[0] in "-!" or len(name) > NAME_MAX:
            raise self.wrong(f"{name} cannot be the name of a chain (a target, a leading - or !, or over {NAME_MAX} characters)")
        if len(self.chains) >= RULES_MAX:
            raise self.wrong(f"more than {RULES_MAX} chains")
        self.chains[name] = _Chain(name, None, *counts, self.number)

    def _command(self) -> None:
        """[packets:bytes] -A CHAIN rule..., or -N CHAIN, or -P CHAIN POLICY"""
        parts = words(self.line)
        if parts is None:
            raise self.wrong("a quote is not closed")
        counts = counters(parts[0])
        if counts is not None:
            parts = parts[1:]
        if len(parts) >= 2 and parts[0] in ("-A", "--append"):
            self._append(parts[1], parts[2:], counts or (0, 0))
        elif len(parts) == 2 and parts[0] in ("-N", "--new-chain") and parts[1]:
            self._new_chain(parts[1], (0, 0))
        elif len(parts) == 3 and parts[0] in ("-P", "--policy"):
            if self.chains.get(parts[1]) is None or self.chains[parts[1]].policy is None or parts[2] not in ("ACCEPT", "DROP"):
                raise self.wrong("-P takes a built-in chain and ACCEPT or DROP")
            self.chains[parts[1]].policy = Target[parts[2]]
        else:
            raise self.wrong("not a line of iptables-save: expected :CHAIN, -A CHAIN or COMMIT")

    def _append(self, name: str, options: list[str], counts: tuple[int, int]) -> None:
        if name not in self.chains:
            raise self.wrong(f"there is no chain {name or '(no name)'} in table {self.table}")
        try:
            rules = list(RuleText(self.here(), name, options, counts).rules())
        except Unsupported as error:
            if not self.skip:
                raise
            self.skipped.append(Skipped(self.number, self.line, error.reason))
            return
        self.count += len(rules)
        if self.count > RULES_MAX:
            raise self.wrong(f"more than {RULES_MAX} rules")
        self.chains[name].rules.extend(rules)

    def _commit(self) -> None:
        if self.passed_over:
            self.passed_over = False
            return
        assert self.table is not None
        for chain in self.chains.values():
            for rule in chain.rules:
                if rule.target in (Target.JUMP, Target.GOTO):
                    self._jump(rule)
        self._loops()
        self.tables[self.table] = {c.name: Chain(c.name, c.policy, c.packets, c.bytes, c.line,
                                                 tuple(c.rules)) for c in self.chains.values()}
        self.table = None

    def _jump(self, rule: Rule) -> None:
        """A target that is no built-in target names a user chain: there, of this table."""
        assert self.table is not None
        aim = self.chains.get(rule.chain)
        if aim is None:
            raise RulesError(self.source, rule.line, f"there is no chain or target {rule.chain} (targets: {', '.join(TARGETS)})", rule.text)
        if aim.policy is not None:
            raise RulesError(self.source, rule.line, f"{rule.chain} is a built-in chain: a rule cannot jump there", rule.text)

    def _loops(self) -> None:
        """Refuse a chain that can come back to itself, as mark_source_chains does: from the built-in chains, without recursion."""
        done: set[str] = set()
        for start in [chain.name for chain in self.chains.values() if chain.policy is not None]:
            trail: list[tuple[str, Iterator[Rule]]] = [(start, iter(self.chains[start].rules))]
            open_chains = {start}
            while trail:
                name, rest = trail[-1]
                rule = next((r for r in rest if r.target in (Target.JUMP, Target.GOTO) and r.chain not in done), None)
                if rule is None:
                    done.add(name)
                    open_chains.discard(name)
                    trail.pop()
                elif rule.chain in open_chains:
                    raise RulesError(self.source, rule.line, f"chain {rule.chain} loops back to itself", rule.text)
                else:
                    open_chains.add(rule.chain)
                    trail.append((rule.chain, iter(self.chains[rule.chain].rules)))
