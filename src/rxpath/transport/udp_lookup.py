"""Which socket?  The hash tables of net/ipv4/udp.c, and the scores.

6.18: an exact connection (udp_hash4) before an exact address before the wildcard (udp_hash2, by address and port); within a level the
best score, and of equals the one bound last, which comes first in its chain.  3.10: one walk over the port's chain, by score alone.
Called by udp.py for each datagram, by GRO, and by the control plane."""
from .._compile import path_function
from ..abi.kernels import Behaviour
from ..abi.net import Net
from ..abi.numbers import AF_INET, NO_SOCK
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..path import Stage
from ..turn import at
from .sock_reuseport import reuseport_select_sock
from .udp_hash import udp4_conn_hashfn, udp4_portaddr_hash, udp_ehashfn, udp_hashfn


@path_function
def compute_score(net: Net, cpu: int, sk: sock, addr: int, dport: int, saddr: int, sport: int, dif: int) -> int:
    """How well the socket fits, -1: not at all.  addr: the destination, or 0 in the chain of wildcards."""
    if sk.port != dport or sk.rcv_saddr_lo != addr:
        return -1
    score = 2 if sk.family == AF_INET else 1
    if sk.dport:                                     # connected
        if sk.daddr_lo != saddr or sk.dport != sport:
            return -1
        score += 8
    if sk.bound_dev:
        if sk.bound_dev != net.dev[dif].ifindex:
            return -1
        score += 4
    if sk.incoming_cpu == cpu:
        score += 1
    return score


@path_function
def udp4_lib_lookup2(net: Net, cpu: int, skb: sk_buff, addr: int, dport: int, saddr: int, sport: int, dif: int) -> int:
    """The best of one chain; a SO_REUSEPORT group chooses among its members by the flow's hash."""
    at(net, cpu, skb, Stage.udp4_lib_lookup2)
    best, badness = NO_SOCK, 0
    i = net.udp_hash2[udp4_portaddr_hash(net, addr, dport)]
    while i >= 0:
        sk = net.socks[i]
        score = compute_score(net, cpu, sk, addr, dport, saddr, sport, dif)
        if score > badness:
            badness, best = score, i
            if sk.group >= 0 and sk.dport == 0:
                chosen = reuseport_select_sock(net, cpu, net.reuseport[sk.group], udp_ehashfn(net, addr, dport, saddr, sport))
                if chosen >= 0:
                    return chosen
        i = sk.hnext2
    return best


@path_function
def udp4_lib_lookup4(net: Net, saddr: int, sport: int, daddr: int, dport: int, dif: int) -> int:
    """Both ends: the last one connected."""
    i = net.udp_hash4[udp4_conn_hashfn(net, daddr, dport, saddr, sport)]
    while i >= 0:
        sk = net.socks[i]
        if sk.port == dport and sk.dport == sport and sk.daddr_lo == saddr and sk.rcv_saddr_lo == daddr:
            if sk.bound_dev == 0 or sk.bound_dev == net.dev[dif].ifindex:
                return i
        i = sk.hnext4
    return NO_SOCK


@path_function
def __udp4_lib_lookup(net: Net, cpu: int, skb: sk_buff, daddr: int, dport: int, saddr: int, sport: int, dif: int) -> int:
    """The socket that the datagram is for, NO_SOCK.  dif: the device, as an index."""
    at(net, cpu, skb, Stage.__udp4_lib_lookup)
    if net.behaviour[Behaviour.udp_two_level] == 0:
        return udp4_lib_lookup_chain(net, daddr, dport, saddr, sport, dif)
    if net.udp_nconn:
        i = udp4_lib_lookup4(net, saddr, sport, daddr, dport, dif)
        if i >= 0:
            return i
    i = udp4_lib_lookup2(net, cpu, skb, daddr, dport, saddr, sport, dif)
    if i >= 0:
        return i
    return udp4_lib_lookup2(net, cpu, skb, 0, dport, saddr, sport, dif)


@path_function
def udp4_lib_lookup_chain(net: Net, daddr: int, dport: int, saddr: int, sport: int, dif: int) -> int:
    """3.10: address, peer's address, peer's port and device weigh the same; SO_REUSEPORT draws lots among equals as it walks."""
    best, badness, lots, matches, reuseport = NO_SOCK, -1, 0, 0, 0
    i = net.udp_hash[udp_hashfn(dport)]
    while i >= 0:
        sk = net.socks[i]
        score = score_310(net, sk, daddr, dport, saddr, sport, dif)
        if score > badness:
            best, badness, reuseport = i, score, sk.reuseport
            if reuseport:
                lots, matches = udp_ehashfn(net, daddr, dport, saddr, sport), 1
        elif score >= 0 and score == badness and reuseport:
            matches += 1
            if lots * matches >> 32 == 0:
                best = i
            lots = (lots * 1664525 + 1013904223) & 0xFFFFFFFF                # next_pseudo_random32()
        i = sk.hnext
    return best


@path_function
def score_310(net: Net, sk: sock, daddr: int, dport: int, saddr: int, sport: int, dif: int) -> int:
    if sk.port != dport:
        return -1
    score = 2 if sk.family == AF_INET else 1
    if sk.rcv_saddr_lo:
        if sk.rcv_saddr_lo != daddr:
            return -1
        score += 4
    if sk.dport:
        if sk.daddr_lo != saddr or sk.dport != sport:
            return -1
        score += 8
    if sk.bound_dev:
        if sk.bound_dev != net.dev[dif].ifindex:
            return -1
        score += 4
    return score
