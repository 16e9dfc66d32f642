"""GRO's IPv4 half: inet_gro_receive() and inet_gro_complete() of net/ipv4/af_inet.c.

Called through offload_base by dev_gro_receive, with skb.data at the IP header; hands through inet_offloads to tcp_offload.py and
udp_offload.py, which find the packet that grows."""
from .. import path
from .._compile import mem_at, path_function
from ..abi.headers import ip_hdr, ip_is_fragment
from ..abi.net import Net
from ..abi.numbers import (
    CHECKSUM_UNNECESSARY,
    ETH_P_IP,
    FEED_IP_CSUM_GOOD,
    IP_CE,
    IP_HLEN,
    NO_SKB,
)
from ..abi.skbuff import sk_buff
from ..abi.softnet import napi_struct
from ..path import Stage, gro_complete, gro_receive
from ..skb import ip_fast_csum, ip_send_check
from ..turn import at


@gro_receive(ETH_P_IP)
@path_function
def inet_gro_receive(net: Net, cpu: int, napi: napi_struct, bucket: int, skb: sk_buff) -> int:
    """Same flow by the IP header?  Returns the held packet that has to go, or NO_SKB."""
    at(net, cpu, skb, Stage.inet_gro_receive)
    ip = ip_hdr(net, skb)
    skb.gro_flush = 1
    if skb.len - skb.data_len < IP_HLEN:                                     # 1: a header
        return NO_SKB
    ops = net.inet_offloads[ip.protocol]
    if ops.gro_receive < 0:                                                  # 2: of a protocol that can merge
        return NO_SKB
    if ip.version != 4 or ip.ihl != 5:                                       # 3: without options
        return NO_SKB
    if ip_is_fragment(ip):                                                   # 4: not a fragment
        return NO_SKB
    if ip_fast_csum(mem_at(net.mem_addr), skb.network_header, ip.ihl) != 0:      # 5: with a right checksum
        if skb.wire & FEED_IP_CSUM_GOOD == 0:
            return NO_SKB
    skb.gro_flush = 1 if ip.tot_len != skb.len or ip.frag_off & IP_CE else 0         # padding: on, but not held
    i = napi.gro_bucket[bucket]
    while i >= 0:
        p = net.skb[i]
        if p.gro_same_flow:
            ip2 = ip_hdr(net, p)
            if ip2.protocol != ip.protocol or ip2.saddr != ip.saddr or ip2.daddr != ip.daddr:
                p.gro_same_flow = 0
        i = p.gro_next
    skb.transport_header = skb.network_header + IP_HLEN
    return path.call_inet_gro_receive(ops.gro_receive, net, cpu, napi, bucket, skb)


@gro_complete(ETH_P_IP)
@path_function
def inet_gro_complete(net: Net, cpu: int, skb: sk_buff) -> int:
    """The header of a merged packet says how long it is now."""
    ip = ip_hdr(net, skb)
    ops = net.inet_offloads[ip.protocol]
    ip.tot_len = skb.len
    ip_send_check(net, skb)
    path.call_inet_gro_complete(ops.gro_complete, net, cpu, skb)
    skb.ip_summed = CHECKSUM_UNNECESSARY             # the kernel's CHECKSUM_PARTIAL differs only to a sender
    skb.csum_valid = 1
    return 0
