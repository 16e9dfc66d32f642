"""What GRO's protocols share: net/core/gro.c and include/net/gro.h.  Is it the same flow, is its checksum right, and skb_gro_receive(),
which appends a part.  Called by tcp_offload.py and udp_offload.py; truesize as gro.py says."""
from .._compile import path_function
from ..abi.headers import ip_hdr, tcp_words
from ..abi.kernels import Behaviour
from ..abi.net import Net
from ..abi.numbers import (
    CHECKSUM_UNNECESSARY,
    GRO_LEGACY_MAX_SIZE,
    IP_DF,
    IP_HLEN,
    MAX_SKB_FRAGS,
    NO_SKB,
    TRUESIZE_OVERHEAD,
)
from ..abi.skbuff import sk_buff
from ..abi.softnet import napi_struct
from ..path import Stage
from ..skb import csum_fold, csum_tcpudp_nofold, skb_add_part, skb_checksum, skb_csum_right
from ..spent import tstamp_joined
from ..turn import at, at_bytes, trail_says


@path_function
def inet_gro_flush(net: Net, skb: sk_buff, p: sk_buff) -> bool:
    """Must p go before skb?  TTL, TOS and DF are equal, and the id counts up or stands still (before 6.18 with DF only)."""
    ip, ip2 = ip_hdr(net, skb), ip_hdr(net, p)
    if ip.ttl != ip2.ttl or ip.tos != ip2.tos:
        return True
    df = ip.frag_off & IP_DF
    if df != ip2.frag_off & IP_DF:
        return True
    ahead = ip.id - ip2.id & 0xFFFF
    if p.gro_count == 1 and ahead == 0 and net.behaviour[Behaviour.gro_fixed_id] and (df or net.behaviour[Behaviour.gro_fixed_id_any]):
        p.gro_fixedid = 1                            # the second packet decides for the flow
    return ahead != (0 if p.gro_fixedid else p.gro_count)


@path_function
def gro_same_ports(net: Net, napi: napi_struct, bucket: int, skb: sk_buff) -> int:
    """The held packet of the same flow and ports; the others are not of this flow any more."""
    th, i = tcp_words(net, skb), napi.gro_bucket[bucket]
    while i >= 0:
        p = net.skb[i]
        if p.gro_same_flow:
            th2 = tcp_words(net, p)
            if th2.ports == th.ports:
                return i
            p.gro_same_flow = 0
        i = p.gro_next
    return NO_SKB


@path_function
def skb_gro_checksum_validate(net: Net, cpu: int, skb: sk_buff, proto: int) -> bool:
    """The NIC says that the checksum is right, or software sums it here and nobody does it again."""
    if skb.ip_summed == CHECKSUM_UNNECESSARY:
        return True
    at(net, cpu, skb, Stage.__skb_gro_checksum_complete)
    n = skb.len - IP_HLEN
    at_bytes(net, cpu, skb, Stage.BYTE_CSUM, n)
    pseudo = csum_tcpudp_nofold(net, skb, n, proto)
    skb.data += IP_HLEN
    skb.len -= IP_HLEN
    right = skb_csum_right(skb, skb_checksum(net, skb, pseudo))
    skb.data -= IP_HLEN
    skb.len += IP_HLEN
    if right:
        skb.ip_summed = CHECKSUM_UNNECESSARY
    return right


@path_function
def gro_partial_checksum(net: Net, skb: sk_buff, protocol: int) -> int:
    """Of the pseudo header alone: where CHECKSUM_PARTIAL starts, and what tcpdump calls incorrect."""
    return ~csum_fold(csum_tcpudp_nofold(net, skb, skb.len - IP_HLEN, protocol)) & 0xFFFF


@path_function
def skb_gro_receive(net: Net, cpu: int, p: sk_buff, skb: sk_buff) -> bool:
    """Append skb's payload to p.  False: it does not fit, or may not."""
    at(net, cpu, skb, Stage.skb_gro_receive)
    trail_says(net, cpu, skb, Stage.skb_gro_receive, p.frame + 1)
    n = skb.len - skb.gro_offset
    if p.len + n >= GRO_LEGACY_MAX_SIZE or skb.gro_flush:
        return False
    p.truesize += gro_part_truesize(net, p, skb, n)
    skb.data += skb.gro_offset
    skb.len = n
    skb_add_part(net, p, skb)
    p.len += n
    p.data_len += n
    p.gro_count += 1
    skb.gro_same_flow = 1
    tstamp_joined(net, p, skb)
    return True


@path_function
def gro_part_truesize(net: Net, p: sk_buff, skb: sk_buff, n: int) -> int:
    """What p is charged for a part (see gro.py)."""
    dev = net.dev[skb.dev]
    if dev.truesize_rule:
        return n
    frags, i = 1, skb.frags
    while i >= 0:
        page = net.skb[i]
        frags += 1
        i = page.next
    if p.gro_nr_frags + frags > MAX_SKB_FRAGS:
        p.gro_nr_frags = frags - 1
        return skb.truesize
    p.gro_nr_frags += frags
    return skb.truesize - TRUESIZE_OVERHEAD
