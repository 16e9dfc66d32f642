"""UDP receive: net/ipv4/udp.c.  Called through inet_protos by ip_local_deliver_finish; hands a datagram to its socket's queue (user/), to
every socket that matches (udp_mcast.py), or answers port unreachable.  RFC 768; the checksum covers the pseudo header of RFC 793 3.1."""
from .._compile import cold, mem_at, path_function, prefetch, struct_at
from ..abi.headers import icmp_hdr, iphdr, udp_hdr, udphdr
from ..abi.kernels import Behaviour
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import (
    CHECKSUM_BREAK,
    FEED_HEADER_CUT,
    ICMP,
    ICMP_PORT_UNREACH,
    IPPROTO,
    PACKET_HOST,
    PACKET_MULTICAST,
    RTN,
    UDP_HLEN,
)
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..path import Stage, early_demux, err_handler, inet_protocol
from ..skb import icmp_send_and_drop, kfree_skb_reason, pskb_may_pull, skb_trim
from ..turn import at
from ..user.checksum import udp_lib_checksum_complete
from .udp_demux import udp_demux, udp_sk_rx_dst_set
from .udp_err import __udp4_lib_err
from .udp_hash import hash2_first, udp4_portaddr_hash
from .udp_lookup import __udp4_lib_lookup, udp4_flow_keys
from .udp_mcast import __udp4_lib_mcast_deliver
from .udp_queue import udp_unicast_rcv_skb


@inet_protocol(IPPROTO.UDP)
@path_function
def udp_rcv(net: Net, cpu: int, skb: sk_buff) -> int:
    at(net, cpu, skb, Stage.udp_rcv)
    return __udp4_lib_rcv(net, cpu, skb)


@path_function
def udp_ahead(net: Net, dport: int) -> None:
    """The lines of the socket that it is likely for, while the checksum is taken: among a thousand sockets they are far away."""
    i = hash2_first(net, udp4_portaddr_hash(net, 0, dport))
    if i >= 0:
        sk = net.socks[i]
        prefetch(sk)
        prefetch(sk.lock)


@path_function
def __udp4_lib_rcv(net: Net, cpu: int, skb: sk_buff) -> int:
    """Validate one datagram and find its socket.  skb.data stands at the UDP header."""
    at(net, cpu, skb, Stage.__udp4_lib_rcv)
    if not pskb_may_pull(net, skb, UDP_HLEN):               # 1: no room for a header
        return udp_error(net, cpu, skb, Drop.NOT_SPECIFIED)
    uh = udp_hdr(net, skb)
    ulen = uh.len
    if ulen > skb.len or ulen < UDP_HLEN:                   # 2: a length that the datagram does not have
        return udp_error(net, cpu, skb, Drop.PKT_TOO_SMALL)
    if ulen < skb.len:                                      # padding
        skb_trim(net, skb, ulen)
    if net.real_time:
        udp_ahead(net, uh.dest)
    if uh.check == 0:                                       # 3: udp4_csum_init(): none was sent, or it is verified now if that is cheap
        skb.csum_valid = 1
    elif ulen <= CHECKSUM_BREAK and net.behaviour[Behaviour.udp_csum_early]:
        if udp_lib_checksum_complete(net, cpu, skb):
            return udp_csum_error(net, cpu, skb)
    if skb.sk >= 0:                                         # skb_steal_sock(): early demux knew
        sk = net.socks[skb.sk]
        if sk.gen == skb.sk_gen:
            udp_sk_rx_dst_set(net, cpu, sk, skb)
            return udp_unicast_rcv_skb(net, cpu, skb, skb.sk)
    if skb.dst_type == RTN.BROADCAST or skb.dst_type == RTN.MULTICAST:
        return __udp4_lib_mcast_deliver(net, cpu, skb)
    i = __udp4_lib_lookup(net, cpu, skb, udp4_flow_keys(net, cpu, skb), True)
    if i >= 0:
        return udp_unicast_rcv_skb(net, cpu, skb, i)
    if udp_lib_checksum_complete(net, cpu, skb):            # 4: nobody listens; damaged ones are not answered
        return udp_csum_error(net, cpu, skb)
    net.snmp[cpu][Mib.Udp_NoPorts] += 1
    return icmp_send_and_drop(net, cpu, skb, ICMP.DEST_UNREACH, ICMP_PORT_UNREACH, Stage.__udp4_lib_rcv, Drop.NO_SOCKET)


@cold
@path_function
def udp_error(net: Net, cpu: int, skb: sk_buff, reason: int) -> int:
    if skb.wire & FEED_HEADER_CUT:
        return kfree_skb_reason(net, cpu, skb, Stage.__udp4_lib_rcv, Drop.CAPTURE_CUT)
    net.snmp[cpu][Mib.Udp_InErrors] += 1
    return kfree_skb_reason(net, cpu, skb, Stage.__udp4_lib_rcv, reason)


@cold
@path_function
def udp_csum_error(net: Net, cpu: int, skb: sk_buff) -> int:
    net.snmp[cpu][Mib.Udp_InCsumErrors] += 1
    return udp_error(net, cpu, skb, Drop.UDP_CSUM)


@early_demux(IPPROTO.UDP)
@path_function
def udp_v4_early_demux(net: Net, cpu: int, skb: sk_buff) -> int:
    """A connected socket is found before routing: it rides with the packet, and so does the route that it remembers.  0, DEMUX_ROUTED."""
    at(net, cpu, skb, Stage.udp_v4_early_demux)
    if skb.pkt_type == PACKET_HOST:
        if net.udp_nconn == 0:
            return 0
    elif skb.pkt_type != PACKET_MULTICAST:
        return 0
    return udp_demux(net, cpu, skb)


@err_handler(IPPROTO.UDP)
@path_function
def udp_err(net: Net, cpu: int, skb: sk_buff) -> int:
    """An ICMP error about a datagram of ours; skb.data stands at that datagram's IP header.  1: no such socket.  Within a touch."""
    mem, icmp = mem_at(net.mem_addr), icmp_hdr(net, skb)
    ip = struct_at(iphdr, mem, skb.data)
    uh = struct_at(udphdr, mem, skb.data + ip.ihl * 4)
    fl = net.flow[cpu]                               # its sender was this host
    fl.saddr_hi, fl.saddr_lo, fl.daddr_hi, fl.daddr_lo = 0, ip.daddr, 0, ip.saddr
    fl.sport, fl.dport, fl.dev = uh.dest, uh.source, skb.dev
    i = __udp4_lib_lookup(net, cpu, skb, fl, False)
    if i < 0:
        return 1
    return __udp4_lib_err(net, cpu, net.socks[i], icmp.type, icmp.code)
