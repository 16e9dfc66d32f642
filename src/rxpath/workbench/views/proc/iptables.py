"""iptables -vnL of a run: the rules of the host with what they have counted, as iptables 1.8.9 prints them; a part for each table."""
from __future__ import annotations

from collections.abc import Mapping

from rxpath.abi.netfilter import Xt
from rxpath.workbench.host.iptables.ruleset import REJECT_WITH, TCP_RESET, Address, Chain, Interface, Match, Range, Rule, Ruleset, Target
from rxpath.workbench.run.books import Books
from rxpath.workbench.words.units import ipv4_text, mac_text

Counted = Mapping[tuple[str, str, int, bool], tuple[int, int]]      # (table, chain, line, is it the policy) -> packets, bytes
SUFFIXES = ("", "K", "M", "G", "T")
LIMIT_UNITS = ((864_000_000, "day"), (36_000_000, "hour"), (600_000, "min"), (10_000, "sec"))       # in 1/10000 s


def iptables_list(rules: Ruleset | None, books: Books, table: str | None = None) -> str:
    """Each table that the host has loaded; `table`: only that one."""
    counted = {(r.table, r.chain, r.line, r.target.startswith("policy ")): (r.packets, r.bytes) for r in books.rules}
    tables = rules.tables if rules is not None else {}
    shown = [name for name in tables if table in (None, name)]
    parts = []
    for name in shown:
        head = f"# iptables -t {name} -vnL\n" if len(shown) > 1 else ""
        parts.append(head + "\n".join(_chain(name, chain, tables[name], counted) for chain in tables[name].values()))
    return "\n".join(parts)


def _chain(table: str, chain: Chain, chains: Mapping[str, Chain], counted: Counted) -> str:
    if chain.policy is None:
        references = [r for c in chains.values() for r in c.rules if r.chain == chain.name]
        what = f"{len(references)} references"
    else:
        packets, octets = counted.get((table, chain.name, chain.line, True), (0, 0))
        what = f"policy {chain.policy.name} {_short(packets)} packets, {_short(octets)} bytes"
    lines = [f"Chain {chain.name} ({what})",
             " pkts bytes target     prot opt in     out     source               destination         "]
    lines += [_rule(r, *counted.get((table, chain.name, r.line, False), (0, 0))) for r in chain.rules]
    return "".join(f"{line}\n" for line in lines)


def _short(n: int) -> str:
    """print_num(): as it is up to 99999, then in thousands, rounded, and so on."""
    at = 0
    if n <= 99_999:
        return str(n)
    n = (n + 500) // 1000
    at = 1
    while n > 9999 and at < len(SUFFIXES) - 1:
        n, at = (n + 500) // 1000, at + 1
    return f"{n}{SUFFIXES[at]}"


def _rule(r: Rule, packets: int, octets: int) -> str:
    target = r.chain if r.target in (Target.JUMP, Target.GOTO) else "" if r.target == Target.CONTINUE else r.target.name
    proto = f"{'!' if r.protocol_invert else ' '}{r.protocol:<4}"
    fragment = ("--", "-f", "!f")[r.fragment]
    line = (f"{_short(packets):>5} {_short(octets):>5} {target:<9} {proto} {fragment}  {_interface(r.in_interface)}"
            f"{_interface(r.out_interface)}{_address(r.source)} {_address(r.destination)} ")
    extra = [f" {text}" for text in (_match(m) for m in r.matches)]
    if r.comment:
        extra.append(f" /* {r.comment} */")
    if r.target == Target.GOTO:
        extra.insert(0, "[goto] ")
    return line + "".join(extra) + _target(r)


def _interface(i: Interface) -> str:
    return f"{('!' if i.invert else '') + (i.name or '*'):<6} "


def _address(a: Address) -> str:
    bits = bin(a.mask).count("1")
    prefix = a.mask == (0xFFFFFFFF << 32 - bits & 0xFFFFFFFF)
    text = ipv4_text(a.address) + ("" if bits == 32 else f"/{bits}" if prefix else f"/{ipv4_text(a.mask)}")
    return f"{'!' if a.invert else ' '}{text:<19}"


def _ports(name: str, r: Range) -> str:
    if (r.low, r.high) == (0, 65535) and not r.invert:
        return ""
    several = f"{r.low}:{r.high}" if r.low != r.high else str(r.low)
    return f" {name}{'s' if r.low != r.high else ''}:{'!' if r.invert else ''}{several}"


def _match(m: Match) -> str:
    sort = Xt(m.kind)
    if sort in (Xt.TCP, Xt.UDP):
        mask, value, invert = m.flags
        flags = f" flags:{'!' if invert else ''}0x{mask:02X}/0x{value:02X}" if mask or invert else ""
        return f"{sort.name.lower()}{_ports('spt', m.sport)}{_ports('dpt', m.dport)}{flags}"
    if sort == Xt.MULTIPORT:
        side = {"source": "sports", "destination": "dports", "either": "ports"}[m.side]
        listed = ",".join(str(low) if low == high else f"{low}:{high}" for low, high in m.ports)
        return f"multiport {side} {' !' if m.invert else ''}{listed}"
    if sort == Xt.LENGTH:
        low, high = m.range.low, m.range.high
        return f"length {'!' if m.range.invert else ''}{low if low == high else f'{low}:{high}'}"
    if sort == Xt.LIMIT:
        unit, name = LIMIT_UNITS[0]
        for longer, its_name in LIMIT_UNITS[1:]:            # print_rate()
            if m.avg > longer or longer // m.avg < longer % m.avg:
                break
            unit, name = longer, its_name
        return f"limit: avg {unit // m.avg}/{name} burst {m.burst}"
    if sort == Xt.ICMP:
        return _icmp(m)
    return f"MAC {'! ' if m.invert else ''}{mac_text(m.mac)}"


def _icmp(m: Match) -> str:
    """With the rule's own ! before the type."""
    low, high = m.range.low, m.range.high
    codes = "" if (low, high) == (0, 255) else f" code {low}" if low == high else f" codes {low}-{high}"
    return f"icmp !type {m.type}{codes}" if m.range.invert else f"icmptype {m.type}{codes}"


def _target(r: Rule) -> str:
    if r.target == Target.REJECT:
        named = {code: name for name, code in reversed(REJECT_WITH.items()) if name.startswith(("icmp-", "tcp-reset"))}
        return f" reject-with {'tcp-reset' if r.reject_with == TCP_RESET else named[r.reject_with]}"
    if r.target == Target.LOG:
        return f" LOG flags {r.log_flags} level {r.log_level}" + (f' prefix "{r.log_prefix}"' if r.log_prefix else "")
    return ""
