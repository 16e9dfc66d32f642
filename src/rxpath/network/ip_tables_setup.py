"""Control plane of ip_tables: laid-out rules (workbench/host/iptables/flat.py) into the tables of the path; their counters back out."""
from typing import Any

from ..abi.kernels import Sysctl
from ..abi.limits import NCPU
from ..abi.net import NMULTIPORT
from ..abi.netfilter import (
    FRAG_FIRST,
    FRAG_FURTHER,
    INV_DSTIP,
    INV_PROTO,
    INV_SRCIP,
    NMATCH,
    NOT_FROM,
    NOT_FROM_ALL,
    NRULE_ENTRIES,
    Xt,
)
from ..abi.numbers import Hook
from .nf_setup import nf_register_net_hook, nf_unregister_net_hook

HOOKS = {Hook.PRE_ROUTING: ("raw", "mangle"), Hook.LOCAL_IN: ("mangle", "filter")}
PRIORITY = {"raw": -300, "mangle": -150, "filter": 0}            # NF_IP_PRI_*
SECONDS_PER_DAY, U32 = 86400, 0xFFFFFFFF
LIMIT_SCALE = 10000                     # XT_LIMIT_SCALE: an average is kept in ten thousandths of a second


def user2credits(user: int, hz: int) -> tuple[int, int]:
    """(credits, credits of a jiffy): the largest power of two with which a day of them fits 32 bits."""
    per_jiffy = 1 << ((U32 // (hz * SECONDS_PER_DAY)).bit_length() - 1)
    user = min(user, U32)
    if user > U32 // (hz * per_jiffy):
        return user // LIMIT_SCALE * hz * per_jiffy, per_jiffy
    return user * hz * per_jiffy // LIMIT_SCALE, per_jiffy


def load_rules(b: Any, flat: Any) -> None:
    """Write a FlatRules into b.net, in place of those that were there; counters start at zero, as iptables-restore leaves them.

    Raises ValueError where the tables' limits do not hold it.  Load rules while no packet is on its way."""
    net = b.net
    for what, n, most in (("rules and ends of chains", len(flat.rules), NRULE_ENTRIES), ("matches", len(flat.matches), NMATCH),
                          ("port ranges of multiport", len(flat.ports), NMULTIPORT)):
        if n > most:
            raise ValueError(f"iptables: {n} {what}, at most {most}")
    hz = 1_000_000_000 // net.sysctl[Sysctl.jiffy_ns]
    for i in range(net.nf_nrules):                           # of those that were there: nothing has counted in a new host
        for cpu in range(NCPU):
            net.rule_stat[cpu][i][0] = net.rule_stat[cpu][i][1] = 0
    net.nf_nrules = len(flat.rules)
    net.nf_lock.last_cpu = -1
    for i, r in enumerate(flat.rules):
        rule = net.rule[i]
        rule.saddr, rule.smask, rule.daddr, rule.dmask = r.source, r.source_mask, r.destination, r.destination_mask
        rule.flags = INV_SRCIP * r.source_invert | INV_DSTIP * r.destination_invert | INV_PROTO * r.protocol_invert \
            | (0, FRAG_FURTHER, FRAG_FIRST)[r.fragment] | NOT_FROM_ALL * (r.never != 0) | r.never << NOT_FROM
        rule.proto, rule.first, rule.count, rule.target, rule.jump = r.protocol, r.first, r.count, r.target, r.jump
        rule.reject, rule.log, rule.line = r.reject, r.log, r.line
    for i, m in enumerate(flat.matches):
        match = net.nf_matches[i]
        for name in ("kind", "low", "high", "invert", "low2", "high2", "invert2", "mask", "value", "invert3", "first", "count", "side"):
            setattr(match, name, int(getattr(m, name)))
        if m.kind == Xt.LIMIT:
            match.cost, match.per_jiffy = user2credits(m.avg, hz)
            match.cap = match.credit = user2credits(m.avg * m.burst, hz)[0]
            match.prev = net.sim.now // net.sysctl[Sysctl.jiffy_ns]
    for i, (low, high) in enumerate(flat.ports):
        net.multiport[i] = low << 16 | high
    t = 0
    for hook, tables in HOOKS.items():
        nf_unregister_net_hook(net, hook, "ipt_do_table")
        for table in tables:
            if (table, hook.name) in flat.start:
                net.nf_tables[t].first, net.nf_tables[t].underflow = flat.start[table, hook.name], flat.underflow[table, hook.name]
                nf_register_net_hook(net, hook, "ipt_do_table", t, PRIORITY[table])
                t += 1


def rule_counters(b: Any) -> list[tuple[int, int, int]]:
    """(rule, packets, bytes) of every rule of the list, ends of chains too: FlatRules.rules[rule] says which it is."""
    stat = b.net.rule_stat
    cpus = max(1, b.net.sim.ncpu) if not b.net.real_time else NCPU
    return [(i, sum(stat[c][i][0] for c in range(cpus)), sum(stat[c][i][1] for c in range(cpus))) for i in range(b.net.nf_nrules)]
