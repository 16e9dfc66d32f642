"""Which socket?  The hash tables of net/ipv4/udp.c, and the scores.

6.18: an exact connection (udp_hash4) before an exact address before the wildcard (udp_hash2, by address and port); within a level the
best score, and of equals the one bound last, which comes first in its chain.  6.1: no udp_hash4, a connection is in its address's chain.
3.10: one walk over the port's chain, by score alone.
Called by udp.py for each datagram, by GRO, and by the control plane."""
from .._compile import path_function
from ..abi.flow import flow_keys
from ..abi.headers import ip_hdr, udp_hdr
from ..abi.kernels import Behaviour
from ..abi.net import Net
from ..abi.numbers import AF_INET, NO_SOCK, UDP_HLEN
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..path import Stage
from ..turn import at
from .sock_reuseport import reuseport_select_sock
from .udp_hash import hash2_first, hash4_first, hash_first, udp4_conn_hashfn, udp4_portaddr_hash, udp_ehashfn


@path_function
def udp4_flow_keys(net: Net, cpu: int, skb: sk_buff) -> flow_keys:
    """Of a datagram whose headers are there."""
    fl, ip, uh = net.flow[cpu], ip_hdr(net, skb), udp_hdr(net, skb)
    fl.saddr_hi, fl.saddr_lo, fl.daddr_hi, fl.daddr_lo = 0, ip.saddr, 0, ip.daddr
    fl.sport, fl.dport, fl.dev = uh.source, uh.dest, skb.dev
    return fl


@path_function
def compute_score(net: Net, cpu: int, sk: sock, fl: flow_keys, addr: int) -> int:
    """How well the socket fits, -1: not at all.  addr: the destination, or 0 in the chain of wildcards."""
    if sk.port != fl.dport or sk.rcv_saddr_lo != addr:
        return -1
    score = 2 if sk.family == AF_INET else 1
    if sk.dport:                                     # connected
        if sk.daddr_lo != fl.saddr_lo or sk.dport != fl.sport:
            return -1
        score += 8
    if sk.bound_dev:
        if sk.bound_dev != net.dev[fl.dev].ifindex:
            return -1
        score += 4
    if sk.incoming_cpu == cpu:
        score += 1
    return score


@path_function
def udp4_lib_lookup2(net: Net, cpu: int, skb: sk_buff, fl: flow_keys, addr: int, prog: bool) -> int:
    """The best of one chain, that of addr or of wildcards; a SO_REUSEPORT group chooses among its members by the flow's hash, or by its
    program if that may run."""
    at(net, cpu, skb, Stage.udp4_lib_lookup2)
    best, badness = NO_SOCK, 0
    i = hash2_first(net, udp4_portaddr_hash(net, addr, fl.dport))
    while i >= 0:
        sk = net.socks[i]
        score = compute_score(net, cpu, sk, fl, addr)
        if score > badness:
            badness, best = score, i
            if sk.group >= 0 and sk.dport == 0:
                phash = udp_ehashfn(net, addr, fl.dport, fl.saddr_lo, fl.sport)
                chosen = reuseport_select_sock(net, cpu, skb, net.reuseport[sk.group], phash, UDP_HLEN if prog else 0)
                if chosen >= 0:
                    return chosen
        i = sk.hnext2
    return best


@path_function
def udp4_lib_lookup4(net: Net, fl: flow_keys) -> int:
    """Both ends: the last one connected."""
    i = hash4_first(net, udp4_conn_hashfn(net, fl.daddr_lo, fl.dport, fl.saddr_lo, fl.sport))
    while i >= 0:
        sk = net.socks[i]
        if sk.port == fl.dport and sk.dport == fl.sport and sk.daddr_lo == fl.saddr_lo and sk.rcv_saddr_lo == fl.daddr_lo:
            if sk.bound_dev == 0 or sk.bound_dev == net.dev[fl.dev].ifindex:
                return i
        i = sk.hnext4
    return NO_SOCK


@path_function
def __udp4_lib_lookup(net: Net, cpu: int, skb: sk_buff, fl: flow_keys, prog: bool) -> int:
    """The socket that the datagram is for, NO_SOCK.  prog: programs of groups are asked, too; GRO and ICMP errors do not."""
    at(net, cpu, skb, Stage.__udp4_lib_lookup)
    if net.behaviour[Behaviour.udp_two_level] == 0:
        return udp4_lib_lookup_chain(net, fl)
    if net.udp_nconn and net.behaviour[Behaviour.udp_hash4]:
        i = udp4_lib_lookup4(net, fl)
        if i >= 0:
            return i
    i = udp4_lib_lookup2(net, cpu, skb, fl, fl.daddr_lo, prog)
    if i >= 0:
        return i
    return udp4_lib_lookup2(net, cpu, skb, fl, 0, prog)


@path_function
def udp4_lib_lookup_chain(net: Net, fl: flow_keys) -> int:
    """3.10: address, peer's address, peer's port and device weigh the same; SO_REUSEPORT draws lots among equals as it walks."""
    best, badness, lots, matches, reuseport = NO_SOCK, -1, 0, 0, 0
    i = hash_first(net, fl.dport)
    while i >= 0:
        sk = net.socks[i]
        score = score_310(net, sk, fl)
        if score > badness:
            best, badness, reuseport = i, score, sk.reuseport
            if reuseport:
                lots, matches = udp_ehashfn(net, fl.daddr_lo, fl.dport, fl.saddr_lo, fl.sport), 1
        elif score >= 0 and score == badness and reuseport:
            matches += 1
            if lots * matches >> 32 == 0:
                best = i
            lots = (lots * 1664525 + 1013904223) & 0xFFFFFFFF                # next_pseudo_random32()
        i = sk.hnext
    return best


@path_function
def score_310(net: Net, sk: sock, fl: flow_keys) -> int:
    if sk.port != fl.dport:
        return -1
    score = 2 if sk.family == AF_INET else 1
    if sk.rcv_saddr_lo:
        if sk.rcv_saddr_lo != fl.daddr_lo:
            return -1
        score += 4
    if sk.dport:
        if sk.daddr_lo != fl.saddr_lo or sk.dport != fl.sport:
            return -1
        score += 8
    if sk.bound_dev:
        if sk.bound_dev != net.dev[fl.dev].ifindex:
            return -1
        score += 4
    return score
