"""net/ipv4/udplite.c: UDP-Lite, whose length field says how many bytes the checksum covers.  Called through inet_protos.  RFC 3828.

It has sockets of its own (a table beside UDP's), and this host has none of them: every datagram is of nobody, after its checksum."""
from .._compile import cold, mem_at, path_function
from ..abi.headers import udp_hdr
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import CHECKSUM_BREAK, CHECKSUM_UNNECESSARY, FEED_HEADER_CUT, ICMP, ICMP_PORT_UNREACH, IPPROTO, RTN, UDP_HLEN
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..path import Stage, err_handler, inet_protocol
from ..skb import (
    csum_partial,
    csum_tcpudp_nofold,
    icmp_send_and_drop,
    kfree_skb_reason,
    pskb_may_pull,
    skb_checksum,
    skb_csum_right,
)
from ..turn import at, at_bytes


@inet_protocol(IPPROTO.UDPLITE)
@cold
@path_function
def udplite_rcv(net: Net, cpu: int, skb: sk_buff) -> int:
    """__udp4_lib_rcv() with an empty table.  skb.data stands at the header."""
    at(net, cpu, skb, Stage.udplite_rcv)
    at(net, cpu, skb, Stage.__udp4_lib_rcv)
    if skb.wire & FEED_HEADER_CUT:
        return kfree_skb_reason(net, cpu, skb, Stage.udplite_rcv, Drop.CAPTURE_CUT)
    if not pskb_may_pull(net, skb, UDP_HLEN):                                # 1: no room for a header
        return udplite_error(net, cpu, skb, Drop.NOT_SPECIFIED)
    uh, mib = udp_hdr(net, skb), net.snmp[cpu]
    covered = uh.len
    if covered > skb.len:                                                    # 2: more than there is
        return udplite_error(net, cpu, skb, Drop.PKT_TOO_SMALL)
    if uh.check == 0 or (covered > 0 and covered < UDP_HLEN):                # 3: it must have a checksum, of the header at least
        return udplite_csum_error(net, cpu, skb)
    if covered == 0:
        covered = skb.len
    early = covered == skb.len and covered <= CHECKSUM_BREAK
    if early and not udplite_csum_ok(net, cpu, skb, covered):
        return udplite_csum_error(net, cpu, skb)
    if skb.dst_type == RTN.BROADCAST or skb.dst_type == RTN.MULTICAST:
        at(net, cpu, skb, Stage.__udp4_lib_mcast_deliver)
        mib[Mib.UdpLite_IgnoredMulti] += 1
        return kfree_skb_reason(net, cpu, skb, Stage.udplite_rcv, Drop.NOT_SPECIFIED)
    if not early and not udplite_csum_ok(net, cpu, skb, covered):            # 4: damaged ones are not answered
        return udplite_csum_error(net, cpu, skb)
    mib[Mib.UdpLite_NoPorts] += 1
    return icmp_send_and_drop(net, cpu, skb, ICMP.DEST_UNREACH, ICMP_PORT_UNREACH, Stage.udplite_rcv, Drop.NO_SOCKET)


@path_function
def udplite_csum_ok(net: Net, cpu: int, skb: sk_buff, covered: int) -> bool:
    """The pseudo header has the datagram's length, whatever is covered."""
    if skb.ip_summed == CHECKSUM_UNNECESSARY:
        return True
    n = skb.len
    at(net, cpu, skb, Stage.__skb_checksum_complete)
    at_bytes(net, cpu, skb, Stage.BYTE_CSUM, covered)
    pseudo = csum_tcpudp_nofold(net, skb, n, IPPROTO.UDPLITE)
    if covered == n:
        return skb_csum_right(skb, skb_checksum(net, skb, pseudo))
    return pskb_may_pull(net, skb, covered) and skb_csum_right(skb, csum_partial(mem_at(net.mem_addr), skb.data, covered, pseudo))


@path_function
def udplite_error(net: Net, cpu: int, skb: sk_buff, reason: int) -> int:
    net.snmp[cpu][Mib.UdpLite_InErrors] += 1
    return kfree_skb_reason(net, cpu, skb, Stage.udplite_rcv, reason)


@path_function
def udplite_csum_error(net: Net, cpu: int, skb: sk_buff) -> int:
    net.snmp[cpu][Mib.UdpLite_InCsumErrors] += 1
    return udplite_error(net, cpu, skb, Drop.UDP_CSUM)


@err_handler(IPPROTO.UDPLITE)
@path_function
def udplite_err(net: Net, cpu: int, skb: sk_buff) -> int:
    """An ICMP error about a datagram that nobody here has sent."""
    return 1
