"""UDP receive: net/ipv4/udp.c.  Called through inet_protos by ip_local_deliver_finish; hands a datagram to its socket's queue (user/).
RFC 768; the checksum covers the pseudo header of RFC 793 3.1."""
from .._compile import be16, be32, le16, le32, mem_at, path_function
from ..abi.mib import Mib
from ..abi.net import UDP_HASH, Net
from ..abi.numbers import CHECKSUM_UNNECESSARY, IPPROTO, NO_SOCK, UDP_HLEN
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..path import Stage, Touch, early_demux, inet_protocol, touched
from ..skb import csum_fold, kfree_skb_reason, skb_checksum, skb_trim
from ..turn import at, at_bytes, touch
from ..user.queue import __udp_enqueue_schedule_skb


@path_function
def udp_hashfn(port: int) -> int:
    return port & UDP_HASH - 1


@path_function
def __udp4_lib_lookup(net: Net, cpu: int, skb: sk_buff, daddr: int, dport: int, saddr: int, sport: int, dif: int) -> int:
    """The socket with the best score, NO_SOCK."""
    at(net, cpu, skb, Stage.__udp4_lib_lookup)
    best, badness = NO_SOCK, -1
    i = net.udp_hash[udp_hashfn(dport)]
    while i >= 0:
        sk = net.socks[i]
        if sk.port == dport:                         # compute_score()
            score = 2
            if sk.rcv_saddr_lo != 0:
                score = score + 4 if sk.rcv_saddr_lo == daddr else -1
            if score > badness:
                badness, best = score, i
        i = sk.hnext
    return best


@path_function
def udp_csum_ok(net: Net, cpu: int, skb: sk_buff) -> bool:
    """__udp_lib_checksum_complete(); skb.data stands at the UDP header."""
    mem = mem_at(net.mem_addr)
    uh, nh = skb.transport_header, skb.network_header
    if skb.ip_summed == CHECKSUM_UNNECESSARY or skb.csum_valid or le16(mem, uh + 6) == 0:
        return True
    at(net, cpu, skb, Stage.__skb_checksum_complete)
    at_bytes(net, cpu, Stage.BYTE_CSUM, skb.len)
    pseudo = le32(mem, nh + 12) + le32(mem, nh + 16) + (IPPROTO.UDP << 8) + le16(mem, uh + 4)
    skb.csum_valid = 1
    return csum_fold(skb_checksum(net, skb, pseudo)) == 0


@inet_protocol(IPPROTO.UDP)
@path_function
def udp_rcv(net: Net, cpu: int, skb: sk_buff) -> int:
    at(net, cpu, skb, Stage.udp_rcv)
    return __udp4_lib_rcv(net, cpu, skb)


@path_function
def __udp4_lib_rcv(net: Net, cpu: int, skb: sk_buff) -> int:
    """Validate one datagram and find its socket."""
    at(net, cpu, skb, Stage.__udp4_lib_rcv)
    mem, uh, nh = mem_at(net.mem_addr), skb.transport_header, skb.network_header
    if skb.len < UDP_HLEN:                                  # 1: pskb_may_pull()
        return udp_error(net, cpu, skb, Drop.NOT_SPECIFIED)
    ulen = be16(mem, uh + 4)
    if ulen > skb.len or ulen < UDP_HLEN:                   # 2: a length that the datagram does not have
        return udp_error(net, cpu, skb, Drop.PKT_TOO_SMALL)
    if ulen < skb.len:
        skb_trim(net, skb, ulen)
    if not udp_csum_ok(net, cpu, skb):                      # 3: checksum
        net.snmp[cpu][Mib.Udp_InCsumErrors] += 1
        return udp_error(net, cpu, skb, Drop.UDP_CSUM)
    i = __udp4_lib_lookup(net, cpu, skb, be32(mem, nh + 16), be16(mem, uh + 2), be32(mem, nh + 12), be16(mem, uh), skb.dev)
    if i < 0:                                               # 4: nobody listens
        net.snmp[cpu][Mib.Udp_NoPorts] += 1
        return kfree_skb_reason(net, cpu, skb, Drop.NO_SOCKET)
    sk = net.socks[i]
    skb.sk = i
    skb.sk_gen = sk.gen
    return touch(net, cpu, skb, Touch.udp_queue_rcv_one_skb)


@path_function
def udp_error(net: Net, cpu: int, skb: sk_buff, reason: int) -> int:
    net.snmp[cpu][Mib.Udp_InErrors] += 1
    return kfree_skb_reason(net, cpu, skb, reason)


@touched(Touch.udp_queue_rcv_one_skb)
@path_function
def udp_queue_rcv_one_skb(net: Net, cpu: int, skb: sk_buff) -> int:
    """Into the socket."""
    at(net, cpu, skb, Stage.udp_queue_rcv_one_skb)
    skb.data += UDP_HLEN
    skb.len -= UDP_HLEN
    return __udp_enqueue_schedule_skb(net, cpu, net.socks[skb.sk], skb)


@early_demux(IPPROTO.UDP)
@path_function
def udp_v4_early_demux(net: Net, cpu: int, skb: sk_buff) -> int:
    """A connected socket would be found here, before routing: none is."""
    at(net, cpu, skb, Stage.udp_v4_early_demux)
    return 0
