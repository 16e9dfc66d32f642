"""net/ipv4/netfilter/ip_tables.c: the walk over rules, a hook function (netfilter.py).

Matches stand in xt_match.py, targets in xt_target.py.  Every rule that is walked costs time, matching or not.  A rule with `limit` spends
credit that all CPUs share: its walk waits, and goes on at that very rule."""
from .. import path
from .._compile import path_function, verdict
from ..abi.headers import ip_hdr, iphdr
from ..abi.net import Net
from ..abi.netfilter import FRAG_FIRST, FRAG_FURTHER, INV_DSTIP, INV_PROTO, INV_SRCIP, NOT_FROM, NOT_FROM_ALL, Target, Xt, nf_rule
from ..abi.numbers import IP_OFFSET, NF_ACCEPT, NF_DROP, NF_WAIT, XT_CONTINUE
from ..abi.skbuff import sk_buff
from ..path import Stage, nf_hookfn
from ..turn import at, late, trail_says
from .xt_match import HOLDS, HOTDROP, MISS, NOT_YET


@nf_hookfn("ipt_do_table")
@verdict
@path_function
def ipt_do_table(net: Net, cpu: int, t: int, skb: sk_buff) -> int:
    """Walk one table from its built-in chain.  NF_ACCEPT, NF_DROP, NF_STOLEN, NF_WAIT."""
    ip, c, walk, table = ip_hdr(net, skb), net.cpu[cpu], net.nf_walks[cpu], net.nf_tables[t]
    cost = net.cost[cpu][Stage.nf_rule]
    i, depth, begun = table.first, 0, 0
    saddr, daddr = ip.saddr, ip.daddr
    if skb.nf_rule >= 0:                                 # it waited for its turn here
        i, depth, begun = skb.nf_rule, skb.nf_depth, 1
        skb.nf_rule = -1
    else:
        at(net, cpu, skb, Stage.ipt_do_table)
    while True:
        rule = net.rule[i]
        if not begun:
            c.now += cost
            net.stage_count[cpu][Stage.nf_rule] += 1
        begun = 0
        if not ip_packet_match(ip, saddr, daddr, skb.dev, rule):
            i += 1
            continue
        found = matches_hold(net, cpu, skb, rule) if rule.count else HOLDS
        if found == NOT_YET:
            skb.nf_rule = i
            skb.nf_depth = depth
            return NF_WAIT
        if found == HOTDROP:
            return NF_DROP
        if found == MISS:
            i += 1
            continue
        net.rule_stat[cpu][i][0] += 1
        net.rule_stat[cpu][i][1] += skb.len
        target = rule.target
        if target == Target.JUMP:
            walk.stack[depth] = i + 1
            depth += 1
            i = rule.jump
        elif target == Target.GOTO:
            i = rule.jump
        elif target == Target.RETURN:
            if depth == 0:
                i = table.underflow
            else:
                depth -= 1
                i = walk.stack[depth]
        elif target == Target.CONTINUE:
            i += 1
        elif target == Target.ACCEPT:
            trail_says(net, cpu, skb, Stage.nf_rule, i)
            return NF_ACCEPT
        elif target == Target.DROP:
            trail_says(net, cpu, skb, Stage.nf_rule, i)
            return NF_DROP
        else:
            said = path.call_xt_target(target, net, cpu, skb, i)
            if said != XT_CONTINUE:
                return said
            i += 1


@path_function
def ip_packet_match(ip: iphdr, saddr: int, daddr: int, dev: int, rule: nf_rule) -> bool:
    """Addresses, protocol, -f; interfaces were settled when the rules were laid out."""
    flags = rule.flags
    if ((saddr & rule.smask) != rule.saddr) != (flags & INV_SRCIP != 0):
        return False
    if ((daddr & rule.dmask) != rule.daddr) != (flags & INV_DSTIP != 0):
        return False
    if flags & NOT_FROM_ALL and flags >> NOT_FROM + dev & 1:
        return False
    if rule.proto:
        if (ip.protocol != rule.proto) != (flags & INV_PROTO != 0):
            return False
    if flags & (FRAG_FURTHER | FRAG_FIRST):
        further = ip.frag_off & IP_OFFSET != 0
        if flags & FRAG_FURTHER and not further:
            return False
        if flags & FRAG_FIRST and further:
            return False
    return True


@path_function
def matches_hold(net: Net, cpu: int, skb: sk_buff, rule: nf_rule) -> int:
    """The matches of one rule in their order: a limit spends only when those before it held.  MISS, HOLDS, HOTDROP, NOT_YET."""
    asked = 0
    for m in range(rule.first, rule.first + rule.count):
        match = net.nf_matches[m]
        if match.kind == Xt.LIMIT and not asked:             # everybody's credit
            if late(net, cpu):
                return NOT_YET
            asked = 1
        found = path.call_xt_match(match.kind, net, cpu, skb, match)
        if found != HOLDS:
            return found
    return HOLDS
