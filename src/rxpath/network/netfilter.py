"""Netfilter hooks: net/netfilter/core.c; the walk over rules: net/ipv4/netfilter/ip_tables.c and ipt_REJECT.c.

Called by ip_input.py at PRE_ROUTING and LOCAL_IN; what accepts goes on there.  xt_match.py has the matches.  Every rule that is walked
costs time, matching or not.  A rule with `limit` spends credit that all CPUs share: its walk waits for its turn, NF_WAIT, and goes on at
that very rule when it is asked again."""
from .._compile import cold, path_function, verdict
from ..abi.headers import ip_hdr, iphdr, tcp_hdr, udp_hdr
from ..abi.net import Net
from ..abi.netfilter import FRAG_FIRST, FRAG_FURTHER, INV_DSTIP, INV_PROTO, INV_SRCIP, NOT_FROM, NOT_FROM_ALL, Target, Xt, nf_rule
from ..abi.numbers import (
    ICMP,
    IP_OFFSET,
    IPPROTO,
    NF_ACCEPT,
    NF_DROP,
    NF_WAIT,
    TCP_HLEN,
    TCPHDR_RST,
    Out,
)
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..outputs import emit_frame
from ..path import Stage
from ..skb import (
    csum_fold,
    csum_tcpudp_nofold,
    icmp_send_and_drop,
    kfree_skb_reason,
    pskb_may_pull,
    skb_checksum,
    skb_csum_unnecessary,
)
from ..transport.tcp import tcp_reset_and_drop
from ..turn import at, at_bytes, late, trail_says
from .xt_match import HOTDROP, MISS, NOT_YET, limit_mt, xt_match

NF_REJECTED = 2                         # the packet has ended, or is on its way to
LOG_SNAPLEN = 14 + 60 + 60              # what a LOG line shows: Ethernet, IP and transport headers


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
    """Each table of the hook in the order of priority, until one says no."""
    hooks, walk = net.nf_hooks[hook], net.nf_walks[cpu]
    if skb.nf_rule >= 0:
        k = walk.entry
    else:
        k = 0
        at(net, cpu, skb, Stage.nf_hook_slow)
    while k < hooks.n:
        verdict = ipt_do_table(net, cpu, hooks.table[k], skb)
        if verdict == NF_WAIT:
            walk.entry = k
            return NF_WAIT
        if verdict == NF_DROP:
            kfree_skb_reason(net, cpu, skb, Stage.nf_hook_slow, Drop.NETFILTER_DROP)
            return NF_DROP
        if verdict == NF_REJECTED:
            return NF_DROP
        k += 1
    return NF_ACCEPT


@verdict
@path_function
def ipt_do_table(net: Net, cpu: int, t: int, skb: sk_buff) -> int:
    """Walk one table from its built-in chain.  NF_ACCEPT, NF_DROP, NF_REJECTED, NF_WAIT."""
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
        found = matches_hold(net, cpu, skb, rule) if rule.count else 1
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
        elif target == Target.LOG:
            emit_frame(net, cpu, Out.LOG, skb, skb.dev, i, LOG_SNAPLEN)
            i += 1
        else:
            trail_says(net, cpu, skb, Stage.nf_rule, i)
            if target == Target.ACCEPT:
                return NF_ACCEPT
            if target == Target.DROP:
                return NF_DROP
            reject_tg(net, cpu, skb, rule.reject)
            return NF_REJECTED


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
    """The matches of one rule in their order: a limit spends only when those before it held.  MISS, 1, HOTDROP, NOT_YET."""
    asked = 0
    for m in range(rule.first, rule.first + rule.count):
        match = net.nf_matches[m]
        if match.kind == Xt.LIMIT:
            if not asked and late(net, cpu):
                return NOT_YET
            asked = 1
            if not limit_mt(net, cpu, match):
                return MISS
        else:
            found = xt_match(net, skb, match)
            if found != 1:
                return found
    return 1


# ---------------------------------------------------------------- ipt_REJECT
@cold
@path_function
def reject_tg(net: Net, cpu: int, skb: sk_buff, code: int) -> int:
    """Tell the sender, unless the packet is not worth an answer; then it ends.  The caller's last act."""
    ip = ip_hdr(net, skb)
    if ip.frag_off & IP_OFFSET == 0:
        if code < 0:
            if reset_is_due(net, cpu, skb):
                skb.data += skb.transport_header - skb.network_header
                skb.len -= skb.transport_header - skb.network_header
                return tcp_reset_and_drop(net, cpu, skb, Stage.nf_hook_slow, Drop.NETFILTER_DROP)
        elif reject_csum_ok(net, cpu, skb):
            return icmp_send_and_drop(net, cpu, skb, ICMP.DEST_UNREACH, code, Stage.nf_hook_slow, Drop.NETFILTER_DROP)
    return kfree_skb_reason(net, cpu, skb, Stage.nf_hook_slow, Drop.NETFILTER_DROP)


@path_function
def reset_is_due(net: Net, cpu: int, skb: sk_buff) -> bool:
    """nf_reject_ip_tcphdr_get(): a whole TCP header, no RST itself, its checksum right."""
    ip, th = ip_hdr(net, skb), tcp_hdr(net, skb)
    if ip.protocol != IPPROTO.TCP or not pskb_may_pull(net, skb, skb.transport_header - skb.network_header + TCP_HLEN):
        return False
    if th.flags & TCPHDR_RST:
        return False
    return reject_csum_ok(net, cpu, skb)


@path_function
def reject_csum_ok(net: Net, cpu: int, skb: sk_buff) -> bool:
    """nf_ip_checksum(), for protocols that carry one over all their bytes.  Nobody is told of a packet that is damaged.

    It sums from the IP header on, whose own sum is nothing; but for one that record route or time stamps have changed here."""
    ip, thoff = ip_hdr(net, skb), skb.transport_header - skb.network_header
    if skb_csum_unnecessary(skb):
        return True
    proto, pseudo = ip.protocol, 0
    if proto == IPPROTO.UDP:
        if not pskb_may_pull(net, skb, thoff + 8):
            return False
        uh = udp_hdr(net, skb)
        if uh.check == 0:
            return True
    elif proto != IPPROTO.TCP and proto != IPPROTO.ICMP and proto != IPPROTO.IGMP:
        return True
    if proto == IPPROTO.UDP or proto == IPPROTO.TCP:
        pseudo = csum_tcpudp_nofold(net, skb, skb.len - thoff, proto)
    at(net, cpu, skb, Stage.__skb_checksum_complete)
    at_bytes(net, cpu, Stage.BYTE_CSUM, skb.len)
    ok = csum_fold(skb_checksum(net, skb, pseudo)) == 0
    if ok:
        skb.csum_valid = 1
    return ok
