"""UDP send: udp_sendmsg() and udp_send_skb() of net/ipv4/udp.c.  RFC 768, RFC 1122 4.1.3.

Called through proto_sendmsg by user/sendmsg.py, in the sender's turn.  What it needs of network/ - a route, packets, the way out - it
reaches through path.py's tables.

A program that corks (MSG_MORE, UDP_CORK) keeps its datagram, see programs/sending.py: of each part but the last this says what is wrong
with it.  Not here: UDP_SEGMENT, IP options."""
from .. import path
from .._compile import mem_at, path_function
from ..abi.headers import ipv4_is_multicast, udp_hdr
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import (
    AF_INET,
    CHECKSUM_UNNECESSARY,
    EACCES,
    EDESTADDRREQ,
    EINVAL,
    EMSGSIZE,
    ENETUNREACH,
    ENOBUFS,
    EOPNOTSUPP,
    IPPROTO,
    MSG_DONTWAIT,
    MSG_MORE,
    MSG_OOB,
    RTN,
    TCP,
    UDP_HLEN,
)
from ..abi.sock import sock
from ..path import Stage, proto_sendmsg
from ..skb import csum_fold, csum_partial
from ..turn import at_bytes, charge
from .tcp_output import swapped


@proto_sendmsg(IPPROTO.UDP)
@path_function
def udp_sendmsg(net: Net, cpu: int, t: int) -> int:
    """One datagram of thread t: its length, or a negative errno."""
    th = net.thread[t]
    sk = net.socks[th.sock]
    charge(net, cpu, Stage.udp_sendmsg)
    if th.send_len > 0xFFFF:
        return EMSGSIZE
    if th.flags & MSG_OOB:
        return EOPNOTSUPP
    fl4, inet = net.fl4[cpu], net.inet[sk.idx]
    if th.send_port >= 0:                                                    # msg_name
        if th.send_port == 0:
            return EINVAL
        fl4.daddr, fl4.dport = th.send_addr, th.send_port
    elif sk.state == TCP.ESTABLISHED:
        fl4.daddr, fl4.dport = sk.daddr_lo, sk.dport
    else:
        return EDESTADDRREQ
    fl4.sport, fl4.ttl, fl4.tos, fl4.anysrc = sk.port, th.send_ttl, th.send_tos, sk.freebind
    fl4.saddr = th.send_saddr if th.send_saddr else sk.rcv_saddr_lo
    if ipv4_is_multicast(fl4.saddr):
        fl4.saddr = 0                                                        # inet_saddr of a socket that is bound to a group
    fl4.oif = th.send_oif if th.send_oif else sk.bound_dev
    if ipv4_is_multicast(fl4.daddr):
        if fl4.oif == 0:
            fl4.oif = inet.mc_index
        if fl4.saddr == 0:
            fl4.saddr = inet.mc_addr
    err = path.call_route_output(AF_INET, net, cpu)
    if err:
        if err == ENETUNREACH:
            net.snmp[cpu][Mib.Ip_OutNoRoutes] += 1
        return err
    if fl4.type == RTN.BROADCAST and sk.broadcast == 0:
        return EACCES
    first = path.call_make_skb(AF_INET, net, cpu, sk, t, UDP_HLEN)
    err = min(first, 0)
    if first >= 0 and th.flags & MSG_MORE == 0:
        err = udp_send_skb(net, cpu, sk, t, first)
    if err == 0:
        return th.send_len
    if err == ENOBUFS or (sk.nospace and th.flags & MSG_DONTWAIT):
        net.snmp[cpu][Mib.Udp_SndbufErrors] += 1
    return err


@path_function
def udp_send_skb(net: Net, cpu: int, sk: sock, t: int, first: int) -> int:
    """The UDP header into the first packet, its checksum over all; then IP.  0, or an errno."""
    th, fl4, skb = net.thread[t], net.fl4[cpu], net.skb[first]
    uh, n = udp_hdr(net, skb), UDP_HLEN + th.send_len
    at_bytes(net, cpu, skb, Stage.BYTE_COPY, th.send_len)
    uh.source, uh.dest, uh.len, uh.check = fl4.sport, fl4.dport, n, 0
    if sk.no_check == 0:
        s = swapped(fl4.saddr) + swapped(fl4.daddr) + (IPPROTO.UDP << 8) + ((n & 0xFF) << 8 | n >> 8)
        s = csum_partial(mem_at(net.mem_addr), skb.transport_header, UDP_HLEN, s)
        check = csum_fold(csum_partial(mem_at(th.buf_addr), 0, th.send_len, s))
        uh.check = check if check else 0xFFFF                                # CSUM_MANGLED_0
        if skb.next < 0:
            skb.ip_summed = CHECKSUM_UNNECESSARY                             # CHECKSUM_PARTIAL: its device sums it up
        else:
            at_bytes(net, cpu, skb, Stage.BYTE_CSUM, th.send_len)            # no device does that across fragments
    err = path.call_send_skb(AF_INET, net, cpu, sk, first)
    if err == ENOBUFS and sk.recverr == 0:                                   # congestion on the way out is not the program's to see
        net.snmp[cpu][Mib.Udp_SndbufErrors] += 1
        err = 0
    elif err == 0:
        net.snmp[cpu][Mib.Udp_OutDatagrams] += 1
    return err
