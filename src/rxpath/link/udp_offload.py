"""net/ipv4/udp_offload.c: GRO of UDP, where a socket or the device asks for it.  Called through inet_offloads with a checked IP header;
what it merges comes apart again in udp_rcv_segment() (skb.py) unless its socket takes it whole."""
from .._compile import path_function
from ..abi.headers import udp_hdr
from ..abi.net import Net
from ..abi.numbers import (
    IP_HLEN,
    IPPROTO,
    NO_SKB,
    PACKET_HOST,
    UDP_GRO_CNT_MAX,
    UDP_HLEN,
)
from ..abi.skbuff import sk_buff
from ..abi.softnet import napi_struct
from ..path import Stage, inet_gro_complete, inet_gro_receive
from ..transport.udp_lookup import __udp4_lib_lookup, udp4_flow_keys
from ..turn import at
from .gro_parts import gro_partial_checksum, gro_same_ports, inet_gro_flush, skb_gro_checksum_validate, skb_gro_receive


@inet_gro_receive(IPPROTO.UDP)
@path_function
def udp4_gro_receive(net: Net, cpu: int, napi: napi_struct, bucket: int, skb: sk_buff) -> int:
    at(net, cpu, skb, Stage.udp4_gro_receive)
    uh = udp_hdr(net, skb)
    if skb.len - skb.data_len < IP_HLEN + UDP_HLEN:
        skb.gro_flush = 1
        return NO_SKB
    if skb.gro_flush == 0 and uh.check != 0:                                 # 0: the sender did not sum
        if not skb_gro_checksum_validate(net, cpu, skb, IPPROTO.UDP):
            skb.gro_flush = 1
            return NO_SKB
    at(net, cpu, skb, Stage.udp_gro_receive)
    if not udp_gro_wanted(net, cpu, skb):            # most: up it goes
        skb.gro_flush = 1
        return NO_SKB
    return udp_gro_receive_segment(net, cpu, napi, bucket, skb)


@inet_gro_complete(IPPROTO.UDP)
@path_function
def udp4_gro_complete(net: Net, cpu: int, skb: sk_buff) -> int:
    uh = udp_hdr(net, skb)
    uh.len, uh.check = skb.len - IP_HLEN, gro_partial_checksum(net, skb, IPPROTO.UDP)
    return 0


@path_function
def udp_gro_wanted(net: Net, cpu: int, skb: sk_buff) -> bool:
    """A socket with UDP_GRO, or rx-udp-gro-forwarding and no socket found.  Only where such sockets exist is one looked up.

    The look-up reads the socket table without waiting for this CPU's turn: as in the kernel, where a socket may close between GRO and
    udp_rcv, it decides only about merging, never about delivery.  Multicast is left unmerged: each copy would be cut up again."""
    dev = net.dev[skb.dev]
    if net.udp_encap_needed == 0:
        return dev.udp_gro_forwarding != 0 and skb.pkt_type == PACKET_HOST
    if skb.pkt_type != PACKET_HOST:
        return False
    i = __udp4_lib_lookup(net, cpu, skb, udp4_flow_keys(net, cpu, skb), False)
    if i < 0:
        return dev.udp_gro_forwarding != 0
    sk = net.socks[i]
    return sk.gro_enabled != 0


@path_function
def udp_gro_receive_segment(net: Net, cpu: int, napi: napi_struct, bucket: int, skb: sk_buff) -> int:
    """Datagrams of one length are appended; a shorter one is the last, a longer one begins anew; at most UDP_GRO_CNT_MAX."""
    uh = udp_hdr(net, skb)
    ulen = uh.len
    if uh.check == 0 or ulen <= UDP_HLEN or ulen != skb.len - IP_HLEN:
        skb.gro_flush = 1
        return NO_SKB
    skb.gro_offset = IP_HLEN + UDP_HLEN
    i = gro_same_ports(net, napi, bucket, skb)
    if i < 0:
        return NO_SKB
    p = net.skb[i]
    uh2 = udp_hdr(net, p)
    if inet_gro_flush(net, skb, p) or ulen > uh2.len:
        return i
    if not skb_gro_receive(net, cpu, p, skb) or ulen != uh2.len or p.gro_count >= UDP_GRO_CNT_MAX:
        return i
    return NO_SKB
