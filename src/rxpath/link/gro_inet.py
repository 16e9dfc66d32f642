"""GRO's IPv4 half: inet_gro_receive() and inet_gro_complete() of net/ipv4/af_inet.c.

Called by dev_gro_receive with skb.data at the IP header; hands to tcp_offload.py and udp_offload.py, which find the packet that grows."""
from .._compile import be16, byte, le32, mem_at, path_function, put_be16, put_le16
from ..abi.kernels import Behaviour
from ..abi.net import Net
from ..abi.numbers import (
    CHECKSUM_UNNECESSARY,
    IP_CE,
    IP_HLEN,
    IP_MF,
    IP_OFFSET,
    IPPROTO,
    NO_SKB,
)
from ..abi.skbuff import sk_buff
from ..abi.softnet import napi_struct
from ..path import Stage
from ..skb import csum_fold, csum_partial
from ..turn import at
from .tcp_offload import tcp4_gro_receive
from .udp_offload import udp4_gro_receive


@path_function
def inet_gro_receive(net: Net, cpu: int, napi: napi_struct, bucket: int, skb: sk_buff) -> int:
    """Same flow by the IP header?  Returns the held packet that has to go, or NO_SKB."""
    at(net, cpu, skb, Stage.inet_gro_receive)
    mem, nh = mem_at(net.mem_addr), skb.data
    skb.gro_flush = 1
    if skb.len - skb.data_len < IP_HLEN:                                     # 1: a header
        return NO_SKB
    proto = byte(mem, nh + 9)
    if proto != IPPROTO.TCP and (proto != IPPROTO.UDP or net.behaviour[Behaviour.udp_gro] == 0):
        return NO_SKB                                                        # 2: of a protocol that can merge
    if byte(mem, nh) != 0x45:                                                # 3: without options
        return NO_SKB
    frag_off = be16(mem, nh + 6)
    if frag_off & (IP_MF | IP_OFFSET):                                       # 4: not a fragment
        return NO_SKB
    if csum_fold(csum_partial(mem, nh, IP_HLEN, 0)) != 0:                    # 5: with a right checksum
        return NO_SKB
    skb.gro_flush = 1 if be16(mem, nh + 2) != skb.len or frag_off & IP_CE else 0     # padding: on, but not held
    i = napi.gro_bucket[bucket]
    while i >= 0:
        p = net.skb[i]
        if p.gro_same_flow:
            ph = p.network_header
            if byte(mem, ph + 9) != proto or le32(mem, ph + 12) != le32(mem, nh + 12) or le32(mem, ph + 16) != le32(mem, nh + 16):
                p.gro_same_flow = 0
        i = p.gro_next
    skb.network_header = nh
    skb.transport_header = nh + IP_HLEN
    if proto == IPPROTO.TCP:
        return tcp4_gro_receive(net, cpu, napi, bucket, skb)
    return udp4_gro_receive(net, cpu, napi, bucket, skb)


@path_function
def inet_gro_complete(net: Net, skb: sk_buff) -> None:
    """The header of a merged packet says how long it is now."""
    mem, nh = mem_at(net.mem_addr), skb.network_header
    put_be16(mem, nh + 2, skb.len)
    put_be16(mem, nh + 10, 0)
    put_le16(mem, nh + 10, csum_fold(csum_partial(mem, nh, IP_HLEN, 0)))
    n = skb.len - IP_HLEN
    proto = byte(mem, nh + 9)
    pseudo = le32(mem, nh + 12) + le32(mem, nh + 16) + (proto << 8) + ((n & 255) << 8 | n >> 8)
    check = ~csum_fold(pseudo) & 0xFFFF              # CHECKSUM_PARTIAL's start value: what tcpdump calls incorrect
    if proto == IPPROTO.TCP:
        put_le16(mem, nh + IP_HLEN + 16, check)
    else:
        put_be16(mem, nh + IP_HLEN + 4, n)
        put_le16(mem, nh + IP_HLEN + 6, check)
    skb.ip_summed = CHECKSUM_UNNECESSARY             # the kernel's CHECKSUM_PARTIAL differs only to a sender
    skb.csum_valid = 1
