"""The software flow hash: __skb_get_hash() and the flow dissector of net/core/flow_dissector.c, for RPS and the flow limit.

The kernel's is a siphash with a key of this boot; ours mixes the same fields with a key of this run.  Addresses and ports are put in
order first, so that both directions of a flow fall on one CPU."""
from .._compile import mem_at, path_function, struct_at
from ..abi.headers import ip_hdr, ip_is_fragment, udphdr
from ..abi.net import Net
from ..abi.numbers import ETH_P_IP, IPPROTO, MASK63
from ..abi.skbuff import sk_buff

GOLDEN_RATIO_32 = 0x61C88647


@path_function
def hash_32(value: int, buckets: int) -> int:
    """hash_32() for a number of buckets that is a power of two."""
    return ((value * GOLDEN_RATIO_32 & 0xFFFFFFFF) * buckets) >> 32


@path_function
def mix(h: int, v: int) -> int:
    h = (h ^ v) * 0x2545F4914F6CDD1D & MASK63
    return (h ^ h >> 29) * 0x1B873593CC9E2D51 & MASK63 ^ h >> 32


@path_function
def skb_get_hash(net: Net, skb: sk_buff) -> int:
    """The NIC's hash if it covers ports, else software's: igb's is marked as one of addresses only, so that the kernel computes its own."""
    if skb.l4_hash == 0 and skb.sw_hash == 0:
        skb.hash = __skb_get_hash(net, skb)
        skb.sw_hash = 1
    return skb.hash & 0xFFFFFFFF


@path_function
def __skb_get_hash(net: Net, skb: sk_buff) -> int:
    """Addresses, protocol, and ports unless it is a fragment; never 0."""
    ip = ip_hdr(net, skb)
    linear = skb.len - skb.data_len
    h = mix(net.hash_key, skb.protocol)
    if skb.protocol == ETH_P_IP and linear >= 20:
        a, b, proto, ihl, sport, dport = ip.saddr, ip.daddr, ip.protocol, ip.ihl * 4, 0, 0
        if not ip_is_fragment(ip) and linear >= ihl + 4 and (proto == IPPROTO.UDP or proto == IPPROTO.TCP):
            uh = struct_at(udphdr, mem_at(net.mem_addr), skb.network_header + ihl)      # TCP's ports lie in the same place
            sport, dport = uh.source, uh.dest
        if b < a or (a == b and dport < sport):
            a, b, sport, dport = b, a, dport, sport
        h = mix(mix(mix(h, a), b), proto << 32 | sport << 16 | dport)
    return (h >> 8 & 0x7FFFFFFF) << 1 | 1
