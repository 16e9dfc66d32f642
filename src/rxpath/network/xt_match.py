"""The matches of rules: net/netfilter/xt_tcpudp.c, xt_multiport.c, xt_length.c, xt_limit.c, xt_mac.c.  Called by netfilter.py through a
table: a match is registered under its kind with @xt_match (path.py) and returns MISS, HOLDS or HOTDROP.

Ports are only in the first fragment: a match that needs them does not hold for the others, and where a header is cut short the packet is
dropped at once (hotdrop), as it is when a second fragment could overwrite a TCP header (offset 1)."""
from .._compile import path_function
from ..abi.headers import eth_hdr, ether_addr_to_u64, icmp_hdr, ip_hdr, tcp_hdr, udp_hdr
from ..abi.net import Net
from ..abi.netfilter import Xt, nf_match
from ..abi.numbers import ETH_HLEN, ICMP_HLEN, IP_OFFSET, TCP_HLEN, UDP_HLEN
from ..abi.skbuff import sk_buff
from ..path import xt_match
from ..skb import pskb_may_pull
from ..timer import jiffies
from ..turn import spin_lock, spin_unlock

MISS, HOLDS, HOTDROP, NOT_YET = 0, 1, 2, 3
ANY_TYPE = 255


@path_function
def within(v: int, low: int, high: int, invert: int) -> bool:
    return (low <= v <= high) != (invert != 0)


@path_function
def fragment_offset(net: Net, skb: sk_buff) -> int:
    """In units of 8 bytes; 0: the first fragment, or all of a packet."""
    ip = ip_hdr(net, skb)
    return ip.frag_off & IP_OFFSET


@path_function
def ports_hold(source: int, dest: int, match: nf_match) -> bool:
    return within(source, match.low, match.high, match.invert) and within(dest, match.low2, match.high2, match.invert2)


@xt_match(Xt.UDP)
@path_function
def udp_mt(net: Net, cpu: int, skb: sk_buff, match: nf_match) -> int:
    if fragment_offset(net, skb):
        return MISS
    if not pskb_may_pull(net, skb, skb.transport_header - skb.network_header + UDP_HLEN):
        return HOTDROP
    uh = udp_hdr(net, skb)
    return HOLDS if ports_hold(uh.source, uh.dest, match) else MISS


@xt_match(Xt.TCP)
@path_function
def tcp_mt(net: Net, cpu: int, skb: sk_buff, match: nf_match) -> int:
    offset = fragment_offset(net, skb)
    if offset:
        return HOTDROP if offset == 1 else MISS
    if not pskb_may_pull(net, skb, skb.transport_header - skb.network_header + TCP_HLEN):
        return HOTDROP
    th = tcp_hdr(net, skb)
    if not ports_hold(th.source, th.dest, match):
        return MISS
    return HOLDS if (th.flags & match.mask == match.value) != (match.invert3 != 0) else MISS


@xt_match(Xt.ICMP)
@path_function
def icmp_match(net: Net, cpu: int, skb: sk_buff, match: nf_match) -> int:
    if fragment_offset(net, skb):
        return MISS
    if not pskb_may_pull(net, skb, skb.transport_header - skb.network_header + ICMP_HLEN):
        return HOTDROP
    icmp = icmp_hdr(net, skb)
    same = match.value == ANY_TYPE or (icmp.type == match.value and match.low <= icmp.code <= match.high)
    return HOLDS if same != (match.invert != 0) else MISS


@xt_match(Xt.MULTIPORT)
@path_function
def multiport_mt(net: Net, cpu: int, skb: sk_buff, match: nf_match) -> int:
    """side: 1 source, 2 destination, 3 either."""
    if fragment_offset(net, skb):
        return MISS
    if not pskb_may_pull(net, skb, skb.transport_header - skb.network_header + 4):
        return HOTDROP
    uh = udp_hdr(net, skb)
    sport, dport, same = uh.source, uh.dest, False
    for k in range(match.first, match.first + match.count):
        low, high = net.multiport[k] >> 16, net.multiport[k] & 0xFFFF
        if match.side & 1 and low <= sport <= high:
            same = True
        if match.side & 2 and low <= dport <= high:
            same = True
    return HOLDS if same != (match.invert != 0) else MISS


@xt_match(Xt.LENGTH)
@path_function
def length_mt(net: Net, cpu: int, skb: sk_buff, match: nf_match) -> int:
    ip = ip_hdr(net, skb)
    return HOLDS if within(ip.tot_len, match.low, match.high, match.invert) else MISS


@xt_match(Xt.MAC)
@path_function
def mac_mt(net: Net, cpu: int, skb: sk_buff, match: nf_match) -> int:
    if skb.mac_header + ETH_HLEN > skb.data:                     # no Ethernet header in front
        return MISS
    eth = eth_hdr(net, skb)
    return HOLDS if (ether_addr_to_u64(eth.h_source) == match.value) != (match.invert != 0) else MISS


@xt_match(Xt.LIMIT)
@path_function
def limit_mt(net: Net, cpu: int, skb: sk_buff, match: nf_match) -> int:
    """A bucket of credits that jiffies fill; all CPUs see it, so that it must be this one's turn.  6.18 exchanges the word without
    a lock, at the price of one."""
    spin_lock(net, cpu, net.nf_lock)
    now = jiffies(net, cpu)
    match.credit = min(match.cap, match.credit + (now - match.prev) * match.per_jiffy)
    match.prev = now
    spend = match.credit >= match.cost
    if spend:
        match.credit -= match.cost
    spin_unlock(net, net.nf_lock)
    return HOLDS if spend else MISS
