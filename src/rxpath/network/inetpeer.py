"""net/ipv4/inetpeer.c: what is known of an address that sends to us: here how many fragments it has sent (ipfrag_max_dist)."""
from .._compile import path_function, reset_struct
from ..abi.net import FRAG_HASH, Net


@path_function
def peer_hashfn(addr: int) -> int:
    return (addr * 0x9E3779B1 & 0x7FFF_FFFF_FFFF_FFFF) >> 20 & FRAG_HASH - 1


@path_function
def inet_getpeer(net: Net, addr: int) -> int:
    """One for each source that has a queue: there are never more than queues."""
    h = peer_hashfn(addr)
    i = net.peer_hash[h]
    while i >= 0:
        peer = net.peer[i]
        if peer.addr_lo == addr:
            peer.refs += 1
            return i
        i = peer.hnext
    i = net.peer_free
    if i < 0:
        i = net.peer_used
        net.peer_used += 1
    made = net.peer[i]
    if i == net.peer_free:
        net.peer_free = made.hnext
    reset_struct(made)
    made.addr_lo, made.refs, made.hnext = addr, 1, net.peer_hash[h]
    net.peer_hash[h] = i
    return i


@path_function
def inet_putpeer(net: Net, i: int) -> None:
    peer = net.peer[i]
    peer.refs -= 1
    if peer.refs:
        return
    h = peer_hashfn(peer.addr_lo)
    j = net.peer_hash[h]
    if j == i:
        net.peer_hash[h] = peer.hnext
    else:
        before = net.peer[j]
        while before.hnext != i:
            before = net.peer[before.hnext]
        before.hnext = peer.hnext
    peer.hnext = net.peer_free
    net.peer_free = i
