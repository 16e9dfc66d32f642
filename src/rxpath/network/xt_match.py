"""The matches of rules: net/netfilter/xt_tcpudp.c, xt_multiport.c, xt_length.c, xt_limit.c, xt_mac.c.  Called by netfilter.py.

Ports are only in the first fragment: a match that needs them does not hold for the others, and where a header is cut short the packet is
dropped at once (hotdrop), as it is when a second fragment could overwrite a TCP header (offset 1)."""
from .._compile import path_function
from ..abi.headers import eth_hdr, ether_addr_to_u64, icmp_hdr, ip_hdr, tcp_hdr, udp_hdr
from ..abi.net import Net
from ..abi.netfilter import Xt, nf_match
from ..abi.numbers import ETH_HLEN, ICMP_HLEN, IP_OFFSET, TCP_HLEN, UDP_HLEN
from ..abi.skbuff import sk_buff
from ..skb import pskb_may_pull
from ..timer import jiffies
from ..turn import spin_lock, spin_unlock

MISS, HOLDS, HOTDROP, NOT_YET = 0, 1, 2, 3
ANY_TYPE = 255


@path_function
def within(v: int, low: int, high: int, invert: int) -> bool:
    return (low <= v <= high) != (invert != 0)


@path_function
def xt_match(net: Net, skb: sk_buff, match: nf_match) -> int:
    """MISS, HOLDS or HOTDROP: every kind but limit."""
    ip, kind = ip_hdr(net, skb), match.kind
    if kind == Xt.LENGTH:
        return HOLDS if within(ip.tot_len, match.low, match.high, match.invert) else MISS
    if kind == Xt.MAC:
        if skb.mac_header + ETH_HLEN > skb.data:                 # no Ethernet header in front
            return MISS
        eth = eth_hdr(net, skb)
        return HOLDS if (ether_addr_to_u64(eth.h_source) == match.value) != (match.invert != 0) else MISS
    offset, thoff = ip.frag_off & IP_OFFSET, skb.transport_header - skb.network_header
    if offset:
        return HOTDROP if offset == 1 and kind == Xt.TCP else MISS
    if kind == Xt.MULTIPORT:
        return multiport_mt(net, skb, match) if pskb_may_pull(net, skb, thoff + 4) else HOTDROP
    if kind == Xt.ICMP:
        return icmp_match(net, skb, match) if pskb_may_pull(net, skb, thoff + ICMP_HLEN) else HOTDROP
    need = TCP_HLEN if kind == Xt.TCP else UDP_HLEN
    if not pskb_may_pull(net, skb, thoff + need):
        return HOTDROP
    th = tcp_hdr(net, skb)                                       # of UDP, the ports lie in the same place
    if not within(th.source, match.low, match.high, match.invert):
        return MISS
    if not within(th.dest, match.low2, match.high2, match.invert2):
        return MISS
    if kind == Xt.TCP:
        return HOLDS if (th.flags & match.mask == match.value) != (match.invert3 != 0) else MISS
    return HOLDS


@path_function
def icmp_match(net: Net, skb: sk_buff, match: nf_match) -> int:
    icmp = icmp_hdr(net, skb)
    same = match.value == ANY_TYPE or (icmp.type == match.value and match.low <= icmp.code <= match.high)
    return HOLDS if same != (match.invert != 0) else MISS


@path_function
def multiport_mt(net: Net, skb: sk_buff, match: nf_match) -> int:
    """side: 1 source, 2 destination, 3 either."""
    uh = udp_hdr(net, skb)
    sport, dport, same = uh.source, uh.dest, False
    for k in range(match.first, match.first + match.count):
        low, high = net.multiport[k] >> 16, net.multiport[k] & 0xFFFF
        if match.side & 1 and low <= sport <= high:
            same = True
        if match.side & 2 and low <= dport <= high:
            same = True
    return HOLDS if same != (match.invert != 0) else MISS


@path_function
def limit_mt(net: Net, cpu: int, match: nf_match) -> bool:
    """A bucket of credits that jiffies fill.  6.18 exchanges the word without a lock, at the price of one."""
    spin_lock(net, cpu, net.nf_lock)
    now = jiffies(net, cpu)
    match.credit = min(match.cap, match.credit + (now - match.prev) * match.per_jiffy)
    match.prev = now
    spend = match.credit >= match.cost
    if spend:
        match.credit -= match.cost
    spin_unlock(net, net.nf_lock)
    return spend
