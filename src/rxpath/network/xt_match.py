"""The matches of rules: net/netfilter/xt_tcpudp.c, xt_multiport.c, xt_length.c, xt_limit.c, xt_mac.c.  Called by netfilter.py.

Ports are only in the first fragment: a match that needs them does not hold for the others, and where a header is cut short the packet is
dropped at once (hotdrop), as it is when a second fragment could overwrite a TCP header (offset 1)."""
from .._compile import be16, be32, byte, mem_at, path_function
from ..abi.net import Net
from ..abi.netfilter import Xt, nf_match
from ..abi.numbers import ETH_ALEN, ETH_HLEN, ICMP_HLEN, IP_OFFSET, TCP_HLEN, UDP_HLEN
from ..abi.skbuff import sk_buff
from ..skb import pskb_may_pull
from ..timer import jiffies
from ..turn import spin_lock, spin_unlock

MISS, HOLDS, HOTDROP, NOT_YET = 0, 1, 2, 3
ANY_TYPE = 255


@path_function
def fragment_offset(net: Net, skb: sk_buff) -> int:
    """In units of 8 bytes; 0: the first fragment, or all of a packet."""
    return be16(mem_at(net.mem_addr), skb.network_header + 6) & IP_OFFSET


@path_function
def within(v: int, low: int, high: int, invert: int) -> bool:
    return (low <= v <= high) != (invert != 0)


@path_function
def xt_match(net: Net, skb: sk_buff, match: nf_match) -> int:
    """MISS, HOLDS or HOTDROP: every kind but limit."""
    mem, nh, kind = mem_at(net.mem_addr), skb.network_header, match.kind
    if kind == Xt.LENGTH:
        return HOLDS if within(be16(mem, nh + 2), match.low, match.high, match.invert) else MISS
    if kind == Xt.MAC:
        mac = skb.mac_header
        if mac + ETH_HLEN > skb.data:                            # no Ethernet header in front
            return MISS
        source = be32(mem, mac + ETH_ALEN) << 16 | be16(mem, mac + ETH_ALEN + 4)
        return HOLDS if (source == match.value) != (match.invert != 0) else MISS
    offset, thoff = fragment_offset(net, skb), skb.transport_header - nh
    if offset:
        return HOTDROP if offset == 1 and kind == Xt.TCP else MISS
    if kind == Xt.MULTIPORT:
        return multiport_mt(net, skb, match) if pskb_may_pull(net, skb, thoff + 4) else HOTDROP
    if kind == Xt.ICMP:
        return icmp_match(net, skb, match) if pskb_may_pull(net, skb, thoff + ICMP_HLEN) else HOTDROP
    need = TCP_HLEN if kind == Xt.TCP else UDP_HLEN
    if not pskb_may_pull(net, skb, thoff + need):
        return HOTDROP
    th = skb.transport_header
    if not within(be16(mem, th), match.low, match.high, match.invert):
        return MISS
    if not within(be16(mem, th + 2), match.low2, match.high2, match.invert2):
        return MISS
    if kind == Xt.TCP:
        return HOLDS if (byte(mem, th + 13) & match.mask == match.value) != (match.invert3 != 0) else MISS
    return HOLDS


@path_function
def icmp_match(net: Net, skb: sk_buff, match: nf_match) -> int:
    mem, th = mem_at(net.mem_addr), skb.transport_header
    code = byte(mem, th + 1)
    same = match.value == ANY_TYPE or (byte(mem, th) == match.value and match.low <= code <= match.high)
    return HOLDS if same != (match.invert != 0) else MISS


@path_function
def multiport_mt(net: Net, skb: sk_buff, match: nf_match) -> int:
    """side: 1 source, 2 destination, 3 either."""
    mem, th = mem_at(net.mem_addr), skb.transport_header
    sport, dport, same = be16(mem, th), be16(mem, th + 2), False
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
