"""What a program sends: ip_make_skb(), ip_send_skb(), ip_output() and ip_do_fragment() of net/ipv4/ip_output.c.  RFC 791 2.3, RFC 1191.

Called through path.py's tables by transport/, with the route in net.fl4; hands packets to neighbour.py, to lo, or back to this host's own
backlog (what it sends to many).  What answers a frame is in ip_output.py.

Path MTUs are not remembered: what is too long for the device is cut up, or EMSGSIZE.  There are no hooks (LOCAL_OUT, POST_ROUTING)."""
from .._compile import Mem, cold, mem_at, memcpy, path_function
from ..abi.engine import thread_t
from ..abi.flow import flowi4
from ..abi.headers import ip_hdr
from ..abi.kernels import Sysctl
from ..abi.limits import BUFSZ
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import (
    AF_INET,
    CHECKSUM_NONE,
    EAGAIN,
    EMSGSIZE,
    ENOBUFS,
    EPIPE,
    ETH_HLEN,
    ETH_P_IP,
    IP_DF,
    IP_HLEN,
    IP_MF,
    MSG_DONTWAIT,
    MSG_MORE,
    NET_RX_DROP,
    NO_SKB,
    RTN,
    SENDER_ROOM,
    VLAN_HLEN,
)
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..abi.sock import SEND_SHUTDOWN, inet_sock, sock
from ..path import Stage, make_skb, send_skb
from ..skb import ip_send_check, kfree_skb_reason, share_begin, share_room
from ..turn import at, charge
from ..user.wmem import dev_kfree_skb, skb_orphan, skb_set_owner_w, sock_wmalloc_truesize
from .dev_xmit import dev_alloc_skb, dev_queue_xmit, eth_header
from .igmp import ip_check_mc
from .ip_mc_output import heard_here, ip_mc_finish_output, multicast_ether
from .ip_output import append_pages, ip_select_ident
from .neighbour import neigh_output

IP_PMTUDISC_DONT, IP_PMTUDISC_WANT, IP_PMTUDISC_DO, IP_PMTUDISC_PROBE, IP_PMTUDISC_INTERFACE, IP_PMTUDISC_OMIT = 0, 1, 2, 3, 4, 5
IP_MAX = 0xFFFF
LINEAR = BUFSZ - VLAN_HLEN - ETH_HLEN                # of a packet, in its first buffer


@path_function
def ip_sk_ignore_df(inet: inet_sock) -> bool:
    """May what it sends be cut up?"""
    return inet.pmtudisc < IP_PMTUDISC_DO or inet.pmtudisc == IP_PMTUDISC_OMIT


@path_function
def ip_dont_fragment(inet: inet_sock) -> bool:
    return inet.pmtudisc == IP_PMTUDISC_DO or inet.pmtudisc == IP_PMTUDISC_WANT


@make_skb(AF_INET)
@path_function
def ip_make_skb(net: Net, cpu: int, sk: sock, t: int, transhdrlen: int) -> int:
    """Thread t's bytes behind room for a transport header, as packets that the device takes, linked by next.  The first, or an errno.
    MSG_MORE: what ip_append_data() would say of them; no packets are made, and what is not negative means nothing."""
    fl4, th = net.fl4[cpu], net.thread[t]
    charge(net, cpu, Stage.ip_make_skb)
    length = transhdrlen + th.send_len
    if length + IP_HLEN > (IP_MAX if ip_sk_ignore_df(net.inet[sk.idx]) else fl4.mtu):
        return EMSGSIZE
    err = 0
    if th.send_corked == 0:                          # who has begun a datagram may end it
        err = sock_alloc_send_error(sk)
    if err == 0 and th.flags & MSG_MORE:
        return 0
    if err == 0:
        first = ip_append_data(net, cpu, sk, th, transhdrlen, length)
        if first >= 0:
            return first
        err = ENOBUFS
    if err == EAGAIN and th.flags & MSG_DONTWAIT == 0:                       # the call waits, and comes again
        return err
    net.snmp[cpu][Mib.Ip_OutDiscards] += 1
    return err


@path_function
def sock_alloc_send_error(sk: sock) -> int:
    """sock_alloc_send_pskb(): an error that has come in, a direction that is shut, or a full buffer (EAGAIN); 0: go on."""
    if sk.err:
        err = -sk.err
        sk.err = 0
        return err
    if sk.shutdown & SEND_SHUTDOWN:
        return EPIPE
    if sk.wmem_alloc >= sk.sndbuf:
        sk.nospace = 1
        return EAGAIN
    return 0


@path_function
def ip_append_data(net: Net, cpu: int, sk: sock, th: thread_t, transhdrlen: int, length: int) -> int:
    """All of it, in pieces of the device's MTU.  NO_SKB: there is no memory, of ours or of twice the socket's buffer."""
    fl4 = net.fl4[cpu]
    first, before, off, mtu = NO_SKB, NO_SKB, 0, fl4.mtu - IP_HLEN
    ident = 0
    while off < length or first < 0:
        n = length - off
        if n > mtu:
            n = mtu & ~7
        i = NO_SKB
        if first < 0 or sk.wmem_alloc <= 2 * sk.sndbuf:
            i = ip_packet(net, cpu, sk, th, transhdrlen, off, n)
        if i < 0:
            ip_flush_packets(net, cpu, first)
            return NO_SKB
        skb = net.skb[i]
        skb.next = NO_SKB
        if first < 0:
            first = i
            ident = ip_select_ident_sk(net, sk, length <= mtu)
        else:
            previous = net.skb[before]
            previous.next = i
        ip_fill_header(net, cpu, sk, skb, ident, off, off + n < length, length <= mtu)
        before = i
        off += n
    return first


@cold
@path_function
def ip_flush_packets(net: Net, cpu: int, first: int) -> None:
    """ip_flush_pending_frames()"""
    i = first
    while i >= 0:
        skb = net.skb[i]
        i = skb.next
        dev_kfree_skb(net, cpu, skb)


@path_function
def ip_packet(net: Net, cpu: int, sk: sock, th: thread_t, transhdrlen: int, off: int, n: int) -> int:
    """n bytes of the datagram from `off` on, behind room for an IP header; the socket pays for it.  NO_SKB: no buffer is to be had."""
    fl4 = net.fl4[cpu]
    linear = min(IP_HLEN + n, LINEAR)
    i = dev_alloc_skb(net, cpu, fl4.dev, linear)
    if i == NO_SKB:
        return NO_SKB
    skb = net.skb[i]
    if linear < IP_HLEN + n and not append_pages(net, cpu, skb, IP_HLEN + n - linear):
        dev_kfree_skb(net, cpu, skb)
        return NO_SKB
    skb.transport_header = skb.network_header + IP_HLEN
    skb.truesize = sock_wmalloc_truesize(net, IP_HLEN + n, SENDER_ROOM)
    head = transhdrlen if off == 0 else 0
    skb_store_user(net, skb, skb.transport_header + head, mem_at(th.buf_addr), off + head - transhdrlen, n - head)
    skb_set_owner_w(net, sk, skb)
    skb.ip_summed, skb.dst_type = CHECKSUM_NONE, fl4.type
    return i


@path_function
def skb_store_user(net: Net, skb: sk_buff, to: int, user: Mem, start: int, n: int) -> None:
    """copy_from_iter(): n bytes of the program's, into the linear ones from `to` on, and what they do not hold into the pages."""
    mem, done = mem_at(net.mem_addr), min(n, skb.data + skb.len - skb.data_len - to)
    memcpy(mem, to, user, start, done)
    i = skb.frags
    while done < n and i >= 0:
        page = net.skb[i]
        k = min(page.len, n - done)
        memcpy(mem, page.data, user, start + done, k)
        done += k
        i = page.next


@path_function
def ip_select_ident_sk(net: Net, sk: sock, whole: bool) -> int:
    """ip_select_ident(): what may not be cut up needs none; a connected socket counts."""
    inet = net.inet[sk.idx]
    if ip_dont_fragment(inet) and whole and not ip_sk_ignore_df(inet):
        if sk.daddr_lo == 0:
            return 0
        inet.inet_id = inet.inet_id + 1 & 0xFFFF
        return inet.inet_id
    return ip_select_ident(net)


@path_function
def ip_select_ttl(net: Net, inet: inet_sock, fl4: flowi4) -> int:
    if fl4.ttl:
        return fl4.ttl
    if fl4.type == RTN.MULTICAST:
        return inet.mc_ttl
    return inet.uc_ttl if inet.uc_ttl >= 0 else net.sysctl[Sysctl.ip_default_ttl]


@path_function
def ip_fill_header(net: Net, cpu: int, sk: sock, skb: sk_buff, ident: int, off: int, more: bool, whole: bool) -> None:
    """__ip_make_skb(): the IP header of a packet, or of a fragment at `off` of the datagram."""
    ip, fl4, inet = ip_hdr(net, skb), net.fl4[cpu], net.inet[sk.idx]
    frag = off >> 3
    if more:
        frag |= IP_MF
    if inet.pmtudisc == IP_PMTUDISC_DO or inet.pmtudisc == IP_PMTUDISC_PROBE or (whole and ip_dont_fragment(inet)):
        frag |= IP_DF
    ip.version, ip.ihl, ip.tot_len = 4, IP_HLEN // 4, skb.len - ETH_HLEN
    ip.tos = fl4.tos if fl4.tos >= 0 else inet.tos
    ip.id, ip.frag_off, ip.ttl, ip.protocol = ident, frag, ip_select_ttl(net, inet, fl4), sk.protocol
    ip.saddr, ip.daddr = fl4.saddr, fl4.daddr
    ip_send_check(net, skb)


# ---------------------------------------------------------------- the way out
@send_skb(AF_INET)
@path_function
def ip_send_skb(net: Net, cpu: int, sk: sock, first: int) -> int:
    """ip_local_out(): 0, or an errno; the packets are gone either way."""
    mib = net.snmp[cpu]
    mib[Mib.Ip_OutRequests] += 1
    cut = net.skb[first].next >= 0
    fl4, inet = net.fl4[cpu], net.inet[sk.idx]
    if (fl4.type == RTN.BROADCAST or fl4.type == RTN.MULTICAST) and fl4.dev != net.loopback:
        if heard_here(net, fl4.dev, fl4.type, fl4.daddr, inet.mc_loop):
            ip_mc_finish_output(net, cpu, net.skb[first], fl4.type)
        if ip_hdr(net, net.skb[first]).ttl == 0 and ip_check_mc(net, fl4.dev, fl4.daddr):
            return ip_mc_stays(net, cpu, first)
    if cut:
        mib[Mib.Ip_FragOKs] += 1
    err, i = 0, first
    while i >= 0:
        skb = net.skb[i]
        i = skb.next
        skb.next = NO_SKB
        if err:                                      # what follows a fragment that was lost goes with it
            dev_kfree_skb(net, cpu, skb)
            continue
        at(net, cpu, skb, Stage.ip_output if skb.idx == first else Stage.ip_do_fragment)
        if cut:
            mib[Mib.Ip_FragCreates] += 1
        err = ip_output(net, cpu, skb)
    if err:
        mib[Mib.Ip_OutDiscards] += 1
    return err


@cold
@path_function
def ip_mc_stays(net: Net, cpu: int, first: int) -> int:
    """IP_MULTICAST_TTL 0, to a group that the device is in: it does not leave the host.  0: the sender sees success."""
    skb = net.skb[first]
    ip_flush_packets(net, cpu, skb.next)
    skb.next = NO_SKB
    skb_orphan(net, cpu, skb)
    if share_room(net):
        share_begin(net, skb, 0)
        kfree_skb_reason(net, cpu, skb, Stage.ip_mc_output, Drop.NOT_SPECIFIED)
    else:
        dev_kfree_skb(net, cpu, skb)
    return 0


@path_function
def ip_output(net: Net, cpu: int, skb: sk_buff) -> int:
    """ip_finish_output2(): to the neighbour, or by lo to this host, or to many."""
    fl4 = net.fl4[cpu]
    if skb.dev == net.loopback:
        return ip_output_lo(net, cpu, skb, fl4)
    if fl4.type == RTN.BROADCAST:
        eth_header(net, skb, 0xFFFFFFFFFFFF, ETH_P_IP)
        return xmit_errno(dev_queue_xmit(net, cpu, skb))
    if fl4.type == RTN.MULTICAST:
        eth_header(net, skb, multicast_ether(fl4.daddr), ETH_P_IP)
        return xmit_errno(dev_queue_xmit(net, cpu, skb))
    return xmit_errno(neigh_output(net, cpu, skb, fl4.next_hop))


@path_function
def xmit_errno(r: int) -> int:
    """net_xmit_errno(): a full ring is ENOBUFS."""
    return ENOBUFS if r == NET_RX_DROP else r


@path_function
def ip_output_lo(net: Net, cpu: int, skb: sk_buff, fl4: flowi4) -> int:
    """lo gives it back with its route.  It is no frame of the wire, and its end is none."""
    if not share_room(net):
        dev_kfree_skb(net, cpu, skb)
        return ENOBUFS
    share_begin(net, skb, 0)
    skb.dst, skb.dst_type = fl4.route, fl4.type
    lo = net.dev[skb.dev]
    eth_header(net, skb, lo.mac, ETH_P_IP)
    dev_queue_xmit(net, cpu, skb)                    # what its backlog refuses is counted there: the sender sees success
    return 0
