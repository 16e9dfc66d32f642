"""net/ipv4/tcp_offload.c: GRO of TCP.  Called through inet_offloads with a checked IP header."""
from .._compile import le32, mem_at, path_function
from ..abi.headers import tcp_hdr, tcp_words
from ..abi.net import Net
from ..abi.numbers import (
    IP_HLEN,
    IPPROTO,
    NO_SKB,
    TCP_HLEN,
)
from ..abi.skbuff import sk_buff
from ..abi.softnet import napi_struct
from ..path import Stage, inet_gro_complete, inet_gro_receive
from ..turn import at
from .gro_parts import gro_partial_checksum, gro_same_ports, inet_gro_flush, skb_gro_checksum_validate, skb_gro_receive

# tcp_flag_word(): in the header's fourth word, beside the window
TCP_FLAG_FIN, TCP_FLAG_SYN, TCP_FLAG_RST, TCP_FLAG_PSH, TCP_FLAG_URG, TCP_FLAG_CWR = 0x10000, 0x20000, 0x40000, 0x80000, 0x200000, 0x800000


@inet_gro_receive(IPPROTO.TCP)
@path_function
def tcp4_gro_receive(net: Net, cpu: int, napi: napi_struct, bucket: int, skb: sk_buff) -> int:
    at(net, cpu, skb, Stage.tcp4_gro_receive)
    if skb.gro_flush == 0 and not skb_gro_checksum_validate(net, cpu, skb, IPPROTO.TCP):
        skb.gro_flush = 1
        return NO_SKB
    at(net, cpu, skb, Stage.tcp_gro_pull_header)
    linear = skb.len - skb.data_len - IP_HLEN
    thlen = 0
    if linear >= TCP_HLEN:
        th = tcp_hdr(net, skb)
        thlen = th.doff * 4
    if thlen < TCP_HLEN or linear < thlen:
        skb.gro_flush = 1
        return NO_SKB
    skb.gro_offset = IP_HLEN + thlen
    return tcp_gro_receive(net, cpu, napi, bucket, skb, thlen)


@path_function
def tcp_gro_receive(net: Net, cpu: int, napi: napi_struct, bucket: int, skb: sk_buff, thlen: int) -> int:
    """The next segment of a held connection is appended; a short one, or one that says so by a flag, is the last."""
    at(net, cpu, skb, Stage.tcp_gro_receive)
    th = tcp_words(net, skb)
    flags, n = th.flags, skb.len - skb.gro_offset
    i = gro_same_ports(net, napi, bucket, skb)
    mss, merged = 1, False
    if i >= 0:
        p = net.skb[i]
        if tcp_gro_goes_on(net, skb, p, thlen, n) and skb_gro_receive(net, cpu, p, skb):
            mss, merged = p.gso_size, True
            th2 = tcp_words(net, p)
            th2.flags |= flags & (TCP_FLAG_FIN | TCP_FLAG_PSH)
    last = n < mss or flags & (TCP_FLAG_URG | TCP_FLAG_PSH | TCP_FLAG_RST | TCP_FLAG_SYN | TCP_FLAG_FIN) != 0
    if last:
        skb.gro_flush = 1
    if i >= 0 and (last or not merged):
        return i
    return NO_SKB


@inet_gro_complete(IPPROTO.TCP)
@path_function
def tcp4_gro_complete(net: Net, cpu: int, skb: sk_buff) -> int:
    th = tcp_hdr(net, skb)
    th.check = gro_partial_checksum(net, skb, IPPROTO.TCP)
    return 0


@path_function
def tcp_gro_goes_on(net: Net, skb: sk_buff, p: sk_buff, thlen: int, n: int) -> bool:
    """Equal in all that must be, not longer than the first, and exactly the next bytes."""
    mem, th, th2 = mem_at(net.mem_addr), tcp_words(net, skb), tcp_words(net, p)
    if th.flags & TCP_FLAG_CWR or (th.flags ^ th2.flags) & ~(TCP_FLAG_FIN | TCP_FLAG_PSH):   # header length and window are in that word too
        return False
    if th.ack_seq != th2.ack_seq:
        return False
    for k in range(TCP_HLEN, thlen, 4):                                      # options: time stamps must be equal
        if le32(mem, skb.transport_header + k) != le32(mem, p.transport_header + k):
            return False
    if inet_gro_flush(net, skb, p):
        return False
    if n == 0 or n > p.gso_size:
        return False
    return th2.seq + p.len - p.gro_offset & 0xFFFFFFFF == th.seq
