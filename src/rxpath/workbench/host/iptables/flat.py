"""A Ruleset as flat lists for the compiled walk, laid out as ip_tables does: one list of rules, chains one after another, each ending in a
pseudo rule that is the policy of a built-in chain or the RETURN of a user chain.

The walk (ipt_do_table) at a hook, for each table of HOOKS that start[] has:

    i = start[table, hook]
    loop: rule = rules[i]; if it does not match: i += 1
          else count it, then by rule.target:
            CONTINUE, LOG: i += 1       ACCEPT: next table       DROP, REJECT: the packet ends here
            JUMP: push i + 1, i = rule.jump      GOTO: i = rule.jump
            RETURN: i = pop, or underflow[table, hook] when the stack is empty

At most `depth` return addresses are on the stack.  Interfaces are settled here: every packet comes in by one NIC and none has an
outgoing one, so a rule whose -i or -o cannot hold is marked `never`.  It still costs its turn in the walk, as in the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rxpath.abi.limits import NDEV
from rxpath.workbench.host.iptables.ruleset import Chain, Match, MatchKind, Ruleset, Target

HOOKS = {"PRE_ROUTING": ("raw", "mangle"), "LOCAL_IN": ("mangle", "filter")}    # in the order of their priority: -300, -150, 0
CHAIN_OF = {"PRE_ROUTING": "PREROUTING", "LOCAL_IN": "INPUT"}


@dataclass(frozen=True, slots=True)
class FlatMatch:
    """One match in whole numbers.  TCP, UDP: low..high source ports, low2..high2 destination ports, mask/value the TCP flags.
    MULTIPORT: ports[first : first + count], side 1 source, 2 destination, 3 either.  LENGTH: low..high.  LIMIT: avg, burst.
    ICMP: value is the type (255 any), low..high the codes.  MAC: value.  invert, invert2, invert3: of range, second range, flags;
    invert is also that of the whole match for MULTIPORT and MAC, and for ICMP (type and code together)."""

    kind: int
    low: int = 0
    high: int = 65535
    invert: int = 0
    low2: int = 0
    high2: int = 65535
    invert2: int = 0
    mask: int = 0
    value: int = 0
    invert3: int = 0
    first: int = 0
    count: int = 0
    side: int = 0
    avg: int = 0
    burst: int = 0


@dataclass(frozen=True, slots=True)
class FlatRule:
    """One rule, or with `pseudo` the end of a chain.  matches[first : first + count] are its matches in order."""

    source: int
    source_mask: int
    source_invert: int
    destination: int
    destination_mask: int
    destination_invert: int
    protocol: int
    protocol_invert: int
    fragment: int                                           # 0 any, 1 second and further fragments, 2 first or whole
    never: int                                              # a bit for each device from which -i or -o cannot hold
    first: int
    count: int
    target: int                                             # Target; of a pseudo rule the policy or RETURN
    jump: int                                               # JUMP, GOTO: index of the chain's first rule
    reject: int                                             # REJECT: code of ICMP type 3, or -1 for a TCP reset
    log: int                                                # LOG: index into prefixes
    packets: int
    bytes: int
    pseudo: int
    line: int
    table: str
    chain: str

    @property
    def target_name(self) -> str:
        return Target(self.target).name


@dataclass(frozen=True, slots=True)
class FlatRules:
    rules: tuple[FlatRule, ...]
    matches: tuple[FlatMatch, ...]
    ports: tuple[tuple[int, int], ...]
    prefixes: tuple[tuple[str, int], ...]                   # (prefix, level) of LOG rules
    start: dict[tuple[str, str], int]                       # (table, hook): first rule; a table that was not loaded is not there
    underflow: dict[tuple[str, str], int]                   # (table, hook): the policy's pseudo rule
    depth: int                                              # return addresses that a walk can need


def flatten(ruleset: Ruleset, *interfaces: str) -> FlatRules:
    """Lay a ruleset out for packets that come in by these, by device number; devices beyond them pass for the first, as VLAN devices do.
    Chains that no received packet can meet are left out."""
    rules: list[FlatRule] = []
    matches: list[FlatMatch] = []
    ports: list[tuple[int, int]] = []
    prefixes: list[tuple[str, int]] = []
    start: dict[tuple[str, str], int] = {}
    underflow: dict[tuple[str, str], int] = {}
    depth = 0
    for table, chains in ruleset.tables.items():
        roots = [CHAIN_OF[hook] for hook, tables in HOOKS.items() if table in tables]
        order, nested = _reachable(chains, roots)
        depth = max(depth, nested)
        offset, at = {}, len(rules)
        for name in order:
            offset[name] = at
            at += len(chains[name].rules) + 1
        for name in order:
            rules += _chain(table, chains[name], interfaces or ("eth0",), offset, matches, ports, prefixes)
        for hook, tables in HOOKS.items():
            if table in tables:
                chain = CHAIN_OF[hook]
                start[table, hook] = offset[chain]
                underflow[table, hook] = offset[chain] + len(chains[chain].rules)
    return FlatRules(tuple(rules), tuple(matches), tuple(ports), tuple(prefixes), start, underflow, depth)


def _reachable(chains: dict[str, Chain], roots: list[str]) -> tuple[list[str], int]:
    """Chains that a walk from the roots can enter, and how many return addresses it can need.  There are no loops: the parser saw to it."""
    height: dict[str, int] = {}
    stack = [(name, False) for name in reversed(roots)]
    order: dict[str, None] = {}
    while stack:
        name, below_done = stack.pop()
        jumps = [rule for rule in chains[name].rules if rule.target in (Target.JUMP, Target.GOTO)]
        if below_done:
            height[name] = max((height[rule.chain] + (rule.target == Target.JUMP) for rule in jumps), default=0)
        elif name not in height:
            order[name] = None
            stack.append((name, True))
            stack += [(aim, False) for aim in dict.fromkeys(rule.chain for rule in reversed(jumps)) if aim not in height]
    return list(order), max((height[name] for name in roots), default=0)


def _chain(table: str, chain: Chain, interfaces: Sequence[str], offset: dict[str, int], matches: list[FlatMatch],
           ports: list[tuple[int, int]], prefixes: list[tuple[str, int]]) -> list[FlatRule]:
    result = []
    for rule in chain.rules:
        first = len(matches)
        matches += [_match(match, ports) for match in rule.matches]
        log = 0
        if rule.target == Target.LOG:
            log = len(prefixes)
            prefixes.append((rule.log_prefix, rule.log_level))
        never = 0
        for dev in range(NDEV):
            interface = interfaces[dev if dev < len(interfaces) else 0]
            if not (rule.in_interface.holds(interface) and rule.out_interface.holds("")):
                never |= 1 << dev
        result.append(FlatRule(
            rule.source.address, rule.source.mask, int(rule.source.invert), rule.destination.address, rule.destination.mask,
            int(rule.destination.invert), rule.protocol, int(rule.protocol_invert), rule.fragment, never, first, len(rule.matches),
            int(rule.target), offset.get(rule.chain, -1), rule.reject_with, log, rule.packets, rule.bytes, 0, rule.line, table, chain.name))
    end = chain.policy if chain.policy is not None else Target.RETURN
    result.append(FlatRule(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, len(matches), 0, int(end), -1, 0, 0, chain.packets, chain.bytes, 1, chain.line,
                           table, chain.name))
    return result


def _match(match: Match, ports: list[tuple[int, int]]) -> FlatMatch:
    kind = match.kind
    if kind in (MatchKind.TCP, MatchKind.UDP):
        sport, dport, flags = match.sport, match.dport, match.flags
        return FlatMatch(kind, sport.low, sport.high, int(sport.invert), dport.low, dport.high, int(dport.invert), flags[0], flags[1],
                         int(flags[2]))
    if kind == MatchKind.MULTIPORT:
        first = len(ports)
        ports += match.ports
        side = {"source": 1, "destination": 2, "either": 3}[match.side]
        return FlatMatch(kind, invert=int(match.invert), first=first, count=len(match.ports), side=side)
    if kind == MatchKind.LIMIT:
        return FlatMatch(kind, avg=match.avg, burst=match.burst)
    if kind == MatchKind.MAC:
        return FlatMatch(kind, value=match.mac, invert=int(match.invert))
    value = match.type if kind == MatchKind.ICMP else 0
    return FlatMatch(kind, match.range.low, match.range.high, int(match.range.invert), value=value)


def limit_credits(avg: int, burst: int, hz: int) -> tuple[int, int, int]:
    """(cost of a packet, cap, credits for each jiffy) as xt_limit works with them; the bucket starts full.

    A jiffy is worth the largest power of two of credits with which a day of them fits 32 bits (128 at HZ 250, 32 at HZ 1000) [K].
    Where avg x burst leaves 32 bits the kernel refuses the rule; here the cap stays at 32 bits."""
    per_jiffy = 1 << ((0xFFFFFFFF // (hz * 86400)).bit_length() - 1)

    def credits(user: int) -> int:
        user = min(user, 0xFFFFFFFF)
        if user > 0xFFFFFFFF // (hz * per_jiffy):           # would leave 32 bits: divide first
            return user // 10000 * hz * per_jiffy
        return user * hz * per_jiffy // 10000

    return credits(avg), credits(avg * burst), per_jiffy
