"""The tables of TCP sockets: net/ipv4/inet_hashtables.c.  Bound ones by port (tcp_bhash), listeners by port (tcp_lhash); by both ends
connections, requests and what is in TIME_WAIT (tcp_ehash, whose entries abi/tcp.py explains).  Read by tcp_ipv4.py."""
from .._compile import path_function
from ..abi.flow import flow_keys
from ..abi.headers import ip_hdr, tcp_hdr
from ..abi.net import TCP_LHASH, Net
from ..abi.numbers import ENOMEM, IPPROTO, NO_SOCK, TCP
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..abi.tcp import EHASH_REQ, EHASH_TW, NO_EHASH, TCP_EHASH
from ..path import Stage, proto_hash, proto_unhash
from ..turn import at
from .sock_reuseport import reuseport_add_sock, reuseport_alloc, reuseport_detach_sock

FIRST_PORT, LOCAL_PORTS = 32768, 28232               # ip_local_port_range: 32768 to 60999


@path_function
def inet_local_port(net: Net, k: int) -> int:
    """The k-th port to try for a socket that wants any: from a place that the seed says."""
    return FIRST_PORT + ((net.udp_hash_seed + 7919 * net.bind_seq) % LOCAL_PORTS + k) % LOCAL_PORTS


@path_function
def inet_lhashfn(port: int) -> int:
    return port & TCP_LHASH - 1


# ---------------------------------------------------------------- bound
@path_function
def inet_bind_hash(net: Net, sk: sock, port: int) -> None:
    h = inet_lhashfn(port)
    first = net.tcp_bhash[h]
    sk.port, sk.hnext2, sk.hprev2 = port, first, NO_SOCK
    if first >= 0:
        after = net.socks[first]
        after.hprev2 = sk.idx
    net.tcp_bhash[h] = sk.idx


@path_function
def inet_put_port(net: Net, sk: sock) -> None:
    """Its port is free again, unless others have it: a listener's connections do."""
    if sk.hprev2 >= 0:
        before = net.socks[sk.hprev2]
        before.hnext2 = sk.hnext2
    else:
        net.tcp_bhash[inet_lhashfn(sk.port)] = sk.hnext2
    if sk.hnext2 >= 0:
        after = net.socks[sk.hnext2]
        after.hprev2 = sk.hprev2
    sk.port, sk.hnext2, sk.hprev2 = 0, NO_SOCK, NO_SOCK


# ---------------------------------------------------------------- listening
@path_function
def inet_reuseport_add_sock(net: Net, sk: sock) -> bool:
    """To the group of the listeners with the same address, port and device, or a group of its own.  False: there is no room."""
    i = net.tcp_lhash[inet_lhashfn(sk.port)]
    while i >= 0:
        other = net.socks[i]
        if other.port == sk.port and other.reuseport and other.bound_dev == sk.bound_dev and other.rcv_saddr_lo == sk.rcv_saddr_lo \
                and other.group >= 0:
            return reuseport_add_sock(net, sk, other.group)
        i = other.hnext
    return sk.group >= 0 or reuseport_alloc(net, sk)


@proto_hash(IPPROTO.TCP)
@path_function
def inet_hash(net: Net, sk: sock) -> int:
    """The newest comes first; with SO_REUSEPORT it joins its group."""
    if sk.reuseport and not inet_reuseport_add_sock(net, sk):
        return ENOMEM
    h = inet_lhashfn(sk.port)
    sk.hnext = net.tcp_lhash[h]
    net.tcp_lhash[h] = sk.idx
    return 0


@proto_unhash(IPPROTO.TCP)
@path_function
def inet_unhash(net: Net, sk: sock) -> int:
    if sk.state != TCP.LISTEN:
        if sk.hashed:
            ehash_remove(net, sk_ehashfn(net, sk), sk.idx)
            sk.hashed = 0
        return 0
    if sk.group >= 0:
        reuseport_detach_sock(net, sk)
    h = inet_lhashfn(sk.port)
    if net.tcp_lhash[h] == sk.idx:
        net.tcp_lhash[h] = sk.hnext
    else:
        before = net.socks[net.tcp_lhash[h]]
        while before.hnext != sk.idx:
            before = net.socks[before.hnext]
        before.hnext = sk.hnext
    sk.hnext = NO_SOCK
    return 0


# ---------------------------------------------------------------- connections, by both ends
M32 = 0xFFFFFFFF


@path_function
def inet_ehashfn(net: Net, laddr: int, lport: int, faddr: int, fport: int) -> int:
    """32 bits of the flow, with a secret."""
    h = (net.udp_hash_seed & M32 ^ laddr) * 0x9E3779B1 & M32
    h = ((h ^ h >> 15) ^ faddr) * 0x85EBCA6B & M32
    h = ((h ^ h >> 13) ^ (fport << 16 | lport)) * 0xC2B2AE35 & M32
    h = (h ^ h >> 16) * 0x27D4EB2F & M32
    return h ^ h >> 15


@path_function
def sk_ehashfn(net: Net, sk: sock) -> int:
    return inet_ehashfn(net, sk.rcv_saddr_lo, sk.port, sk.daddr_lo, sk.dport)


@path_function
def ehash_next(net: Net, e: int) -> int:
    """What stands behind an entry in its chain, NO_EHASH."""
    if e < EHASH_REQ:
        sk = net.socks[e]
        return sk.hnext4
    if e < EHASH_TW:
        req = net.reqs[e - EHASH_REQ]
        return req.hnext
    tw = net.tws[e - EHASH_TW]
    return tw.hnext


@path_function
def ehash_set_next(net: Net, e: int, following: int) -> None:
    if e < EHASH_REQ:
        sk = net.socks[e]
        sk.hnext4 = following
    elif e < EHASH_TW:
        req = net.reqs[e - EHASH_REQ]
        req.hnext = following
    else:
        tw = net.tws[e - EHASH_TW]
        tw.hnext = following


@path_function
def ehash_insert(net: Net, h: int, e: int) -> None:
    ehash_set_next(net, e, net.tcp_ehash[h & TCP_EHASH - 1] - 1)
    net.tcp_ehash[h & TCP_EHASH - 1] = e + 1


@path_function
def ehash_remove(net: Net, h: int, e: int) -> None:
    i = net.tcp_ehash[h & TCP_EHASH - 1] - 1
    if i == e:
        net.tcp_ehash[h & TCP_EHASH - 1] = ehash_next(net, e) + 1
    else:
        following = ehash_next(net, i)
        while following != e:
            i = following
            following = ehash_next(net, i)
        ehash_set_next(net, i, ehash_next(net, e))
    ehash_set_next(net, e, NO_EHASH)


@path_function
def inet_ehash_insert(net: Net, sk: sock) -> None:
    """A connection can be found."""
    ehash_insert(net, sk_ehashfn(net, sk), sk.idx)
    sk.hashed = 1


@path_function
def ehash_match(net: Net, e: int, flow: flow_keys, ifindex: int) -> bool:
    """Is the entry of that flow?  One that is bound to a device hears only that."""
    if e < EHASH_REQ:
        sk = net.socks[e]
        return sk.rcv_saddr_lo == flow.daddr_lo and sk.daddr_lo == flow.saddr_lo and sk.port == flow.dport \
            and sk.dport == flow.sport and sk.daddr_hi == flow.saddr_hi and sk.rcv_saddr_hi == flow.daddr_hi \
            and (sk.bound_dev == 0 or sk.bound_dev == ifindex)
    if e < EHASH_TW:
        req = net.reqs[e - EHASH_REQ]
        return req.saddr_lo == flow.daddr_lo and req.daddr_lo == flow.saddr_lo and req.lport == flow.dport \
            and req.rport == flow.sport and req.daddr_hi == flow.saddr_hi and req.saddr_hi == flow.daddr_hi \
            and (req.bound_dev == 0 or req.bound_dev == ifindex)
    tw = net.tws[e - EHASH_TW]
    return tw.saddr_lo == flow.daddr_lo and tw.daddr_lo == flow.saddr_lo and tw.lport == flow.dport \
        and tw.rport == flow.sport and tw.daddr_hi == flow.saddr_hi and tw.saddr_hi == flow.daddr_hi \
        and (tw.bound_dev == 0 or tw.bound_dev == ifindex)


@path_function
def ehash_find(net: Net, laddr: int, lport: int, faddr: int, fport: int) -> int:
    """The entry of both ends, NO_EHASH."""
    flow = net.flow[0]
    flow.saddr_hi, flow.saddr_lo, flow.daddr_hi, flow.daddr_lo, flow.sport, flow.dport = 0, faddr, 0, laddr, fport, lport
    e = net.tcp_ehash[inet_ehashfn(net, laddr, lport, faddr, fport) & TCP_EHASH - 1] - 1
    while e >= 0 and not ehash_match(net, e, flow, 0):
        e = ehash_next(net, e)
    return e if e >= 0 else NO_EHASH


@path_function
def tcp_v4_flow(net: Net, cpu: int, skb: sk_buff) -> None:
    """net.flow[cpu] of a segment."""
    flow, ip, th = net.flow[cpu], ip_hdr(net, skb), tcp_hdr(net, skb)
    flow.saddr_hi, flow.saddr_lo, flow.daddr_hi, flow.daddr_lo = 0, ip.saddr, 0, ip.daddr
    flow.sport, flow.dport, flow.dev = th.source, th.dest, skb.dev


@path_function
def __inet_lookup_established(net: Net, cpu: int, skb: sk_buff) -> int:
    """The entry of net.flow[cpu], NO_EHASH.  The caller runs in clock order."""
    at(net, cpu, skb, Stage.__inet_lookup_established)
    flow, dev = net.flow[cpu], net.dev[skb.dev]
    e = net.tcp_ehash[inet_ehashfn(net, flow.daddr_lo, flow.dport, flow.saddr_lo, flow.sport) & TCP_EHASH - 1] - 1
    while e >= 0:
        if ehash_match(net, e, flow, dev.ifindex):
            return e
        e = ehash_next(net, e)
    return NO_EHASH
