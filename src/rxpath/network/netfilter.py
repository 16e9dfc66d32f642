"""Netfilter hooks: net/netfilter/core.c; the walk over rules: net/ipv4/netfilter/ip_tables.c, the first hook function.

Called by ip_input.py at PRE_ROUTING and LOCAL_IN; what accepts goes on there.  A hook function is registered with @nf_hookfn (path.py) and
put at a hook by nf_register_net_hook() (nf_setup.py); matches stand in xt_match.py, targets in xt_target.py.  One that touches what
other CPUs see returns NF_WAIT when it is not its turn, with its place in skb.nf_rule, and is asked again.

Every rule that is walked costs time, matching or not.  A rule with `limit` spends credit that all CPUs share: its walk waits, and goes on
at that very rule."""
from .. import path
from .._compile import path_function, verdict
from ..abi.headers import ip_hdr, iphdr
from ..abi.net import Net
from ..abi.netfilter import FRAG_FIRST, FRAG_FURTHER, INV_DSTIP, INV_PROTO, INV_SRCIP, NOT_FROM, NOT_FROM_ALL, Target, Xt, nf_rule
from ..abi.numbers import IP_OFFSET, NF_ACCEPT, NF_DROP, NF_STOLEN, NF_WAIT, XT_CONTINUE
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..path import Stage, nf_hookfn
from ..skb import kfree_skb_reason
from ..turn import at, late, trail_says
from .xt_match import HOLDS, HOTDROP, MISS, NOT_YET


@path_function
def nf_hook(net: Net, cpu: int, hook: int, skb: sk_buff) -> int:
    """NF_ACCEPT, NF_DROP (the packet has ended), or NF_WAIT: a rule touches what other CPUs see, and it is not our turn."""
    if net.nf_active == 0:
        return NF_ACCEPT
    hooks = net.nf_hooks[hook]
    if hooks.n == 0:
        return NF_ACCEPT
    return nf_hook_slow(net, cpu, hook, skb)


@path_function
def nf_hook_slow(net: Net, cpu: int, hook: int, skb: sk_buff) -> int:
    """Each function of the hook in the order of priority, until one says no."""
    hooks, walk = net.nf_hooks[hook], net.nf_walks[cpu]
    if skb.nf_rule >= 0:
        k = walk.entry
    else:
        k = 0
        at(net, cpu, skb, Stage.nf_hook_slow)
    while k < hooks.n:
        verdict = path.call_nf_hookfn(hooks.function[k], net, cpu, hooks.priv[k], skb)
        if verdict == NF_WAIT:
            walk.entry = k
            return NF_WAIT
        if verdict == NF_DROP:
            kfree_skb_reason(net, cpu, skb, Stage.nf_hook_slow, Drop.NETFILTER_DROP)
            return NF_DROP
        if verdict == NF_STOLEN:                         # it has ended, or is on its way to
            return NF_DROP
        k += 1
    return NF_ACCEPT


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
