"""The targets of rules that do something: net/netfilter/xt_LOG.c, net/ipv4/netfilter/ipt_REJECT.c.  Called by ipt_do_table, which itself
accepts, drops, jumps and returns; a target is registered under its number with @xt_target (path.py)."""
from .._compile import cold, path_function, verdict
from ..abi.headers import ip_hdr, tcp_hdr, udp_hdr
from ..abi.net import Net
from ..abi.netfilter import Target
from ..abi.numbers import ICMP, IP_OFFSET, IPPROTO, NF_STOLEN, TCP_HLEN, TCPHDR_RST, XT_CONTINUE, Out
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..outputs import emit_frame
from ..path import Stage, xt_target
from ..skb import (
    csum_tcpudp_nofold,
    icmp_send_and_drop,
    kfree_skb_reason,
    pskb_may_pull,
    skb_checksum,
    skb_csum_right,
    skb_csum_unnecessary,
)
from ..transport.tcp_reply import tcp_reset_and_drop
from ..turn import at, at_bytes, trail_says

LOG_SNAPLEN = 14 + 60 + 60              # what a LOG line shows: Ethernet, IP and transport headers


@xt_target(Target.LOG)
@cold
@path_function
def log_tg(net: Net, cpu: int, skb: sk_buff, i: int) -> int:
    emit_frame(net, cpu, Out.LOG, skb, skb.dev, i, LOG_SNAPLEN)
    return XT_CONTINUE


# ---------------------------------------------------------------- ipt_REJECT
@xt_target(Target.REJECT)
@cold
@verdict
@path_function
def reject_tg(net: Net, cpu: int, skb: sk_buff, i: int) -> int:
    trail_says(net, cpu, skb, Stage.nf_rule, i)
    rule = net.rule[i]
    nf_reject(net, cpu, skb, rule.reject)
    return NF_STOLEN


@cold
@path_function
def nf_reject(net: Net, cpu: int, skb: sk_buff, code: int) -> int:
    """Tell the sender, unless the packet is not worth an answer; then it ends."""
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
    at_bytes(net, cpu, skb, Stage.BYTE_CSUM, skb.len)
    ok = skb_csum_right(skb, skb_checksum(net, skb, pseudo))
    if ok:
        skb.csum_valid = 1
    return ok
