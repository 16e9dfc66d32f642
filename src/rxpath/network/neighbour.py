"""net/core/neighbour.c: which MAC answers for an address.  Called by arp.py and setup.py; read by ip_output.py.

Every CPU sees the table: it is read and written only within a touch."""
from .._compile import path_function
from ..abi.net import NEIGH_HASH, NNEIGH, Net

NUD_PERMANENT = 0x80                                 # an administrator's entry: no frame changes it


@path_function
def neigh_hashfn(addr: int) -> int:
    return (addr * 0x9E3779B1 >> 16) & NEIGH_HASH - 1


@path_function
def neigh_lookup(net: Net, addr: int) -> int:
    """The neighbour's index, -1: unknown."""
    i = net.neigh_hash[neigh_hashfn(addr)]
    while i >= 0:
        n = net.neigh[i]
        if n.addr_lo == addr:
            return i
        i = n.next
    return -1


@path_function
def neigh_update(net: Net, addr: int, mac: int, create: int) -> int:
    """The entry of that address with that MAC, -1: there is none, and none was to be made or the table is full."""
    i = neigh_lookup(net, addr)
    if i < 0:
        if create == 0 or net.nneigh >= NNEIGH:
            return -1
        i = net.nneigh
        net.nneigh += 1
        h = neigh_hashfn(addr)
        made = net.neigh[i]
        made.addr_hi, made.addr_lo, made.next = 0, addr, net.neigh_hash[h]
        net.neigh_hash[h] = i
    n = net.neigh[i]
    if n.state != NUD_PERMANENT:
        n.mac = mac
    return i
