"""Multicast and broadcast: a copy for every socket that matches.  __udp4_lib_mcast_deliver of net/ipv4/udp.c, ip_mc_sf_allow of
net/ipv4/igmp.c.

Called by __udp4_lib_rcv.  The first match of the port's chain (the socket bound last) is remembered and gets the packet itself at the end;
the others get clones on the way.  Each copy waits for its turn: skb.cb_* hold the walk's place."""
from .._compile import path_function
from ..abi.flow import flow_keys
from ..abi.headers import ipv4_is_multicast
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import NET_RX_SUCCESS, NO_SKB, NO_SOCK
from ..abi.reasons import Drop
from ..abi.skbuff import UDP_SKB_CB, sk_buff
from ..abi.sock import sock
from ..path import Stage, Touch, touched
from ..skb import kfree_skb_reason, skb_clone, udp_rcv_segment
from ..turn import at, late, park, touch
from .udp_hash import hash_first
from .udp_lookup import udp4_flow_keys
from .udp_queue import udp_queue_rcv_one_skb, udp_queue_rcv_segments


@path_function
def __udp4_lib_mcast_deliver(net: Net, cpu: int, skb: sk_buff) -> int:
    """The packet itself is kept for the first match, which is served last."""
    at(net, cpu, skb, Stage.__udp4_lib_mcast_deliver)
    fl = udp4_flow_keys(net, cpu, skb)
    first = udp_mcast_next(net, fl, hash_first(net, fl.dport))
    if first < 0:
        net.snmp[cpu][Mib.Udp_IgnoredMulti] += 1
        return kfree_skb_reason(net, cpu, skb, Stage.__udp4_lib_mcast_deliver, Drop.NOT_SPECIFIED)
    sk = net.socks[first]
    cb = UDP_SKB_CB(skb)
    cb.first, cb.first_gen, cb.next = first, sk.gen, sk.hnext
    return touch(net, cpu, skb, Touch.udp_mcast_copies)


@touched
@path_function
def udp_mcast_copies(net: Net, cpu: int, skb: sk_buff) -> int:
    """A clone for each further match, then the packet for the first."""
    fl, cb = udp4_flow_keys(net, cpu, skb), UDP_SKB_CB(skb)
    while True:
        if late(net, cpu):
            park(net, cpu, skb, Touch.udp_mcast_copies)
            return NET_RX_SUCCESS
        i = udp_mcast_next(net, fl, cb.next)
        if i < 0:
            break
        sk = net.socks[i]
        cb.next = sk.hnext
        c = skb_clone(net, cpu, skb)
        if c < 0:
            sk.drops += 1
            net.snmp[cpu][Mib.Udp_RcvbufErrors] += 1
            net.snmp[cpu][Mib.Udp_InErrors] += 1
        else:
            copy = net.skb[c]
            copy.sk, copy.sk_gen = i, sk.gen
            udp_mcast_clone(net, cpu, copy)
    skb.sk, skb.sk_gen = cb.first, cb.first_gen
    return udp_mcast_queue(net, cpu, skb)


@path_function
def udp_mcast_queue(net: Net, cpu: int, skb: sk_buff) -> int:
    """udp_queue_rcv_skb() for the packet itself, whose turn it is."""
    at(net, cpu, skb, Stage.udp_queue_rcv_skb)
    sk = net.socks[skb.sk]
    if skb.gso_size and sk.gro_enabled == 0:
        udp_rcv_segment(net, cpu, skb)
        return udp_queue_rcv_segments(net, cpu, skb)
    return udp_queue_rcv_one_skb(net, cpu, skb)


@path_function
def udp_mcast_clone(net: Net, cpu: int, clone: sk_buff) -> None:
    """The same for a clone.  Its segments do not wait for turns of their own: only one packet can, and that is the one that was cloned."""
    at(net, cpu, clone, Stage.udp_queue_rcv_skb)
    sk = net.socks[clone.sk]
    if clone.gso_size and sk.gro_enabled == 0:
        udp_rcv_segment(net, cpu, clone)
    i = clone.idx
    while i >= 0:
        segment = net.skb[i]
        i = segment.next
        segment.next = NO_SKB
        udp_queue_rcv_one_skb(net, cpu, segment)


@path_function
def udp_mcast_next(net: Net, fl: flow_keys, start: int) -> int:
    """__udp_is_mcast_sock(), from `start` on in the chain: the next socket that wants the packet, NO_SOCK."""
    i = start
    while i >= 0:
        sk = net.socks[i]
        if sk.port == fl.dport and (sk.rcv_saddr_lo == 0 or sk.rcv_saddr_lo == fl.daddr_lo) \
                and (sk.dport == 0 or (sk.dport == fl.sport and sk.daddr_lo == fl.saddr_lo)):
            ifindex = net.dev[fl.dev].ifindex
            if (sk.bound_dev == 0 or sk.bound_dev == ifindex) and ip_mc_sf_allow(net, sk, fl, ifindex):
                return i
        i = sk.hnext
    return NO_SOCK


@path_function
def ip_mc_sf_allow(net: Net, sk: sock, fl: flow_keys, ifindex: int) -> bool:
    """Has the socket joined the group on that device, with that source?  A stranger gets it too, unless it said IP_MULTICAST_ALL = 0."""
    if not ipv4_is_multicast(fl.daddr_lo):                 # broadcast
        return True
    joined, m = False, sk.mc_list
    while m >= 0:
        member = net.mcast[m]
        m = member.next
        if member.addr_lo == fl.daddr_lo and member.ifindex == ifindex:
            if member.src_lo == 0 or member.src_lo == fl.saddr_lo:
                return True
            joined = True
    return not joined and sk.mc_all != 0
