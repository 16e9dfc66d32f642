"""SO_REUSEPORT groups: net/core/sock_reuseport.c.  bind() fills them (udp_sock.py), the lookup chooses one of their members."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import NO_SOCK
from ..abi.sock import NREUSEPORT, sock, sock_reuseport


@path_function
def reuseport_alloc(net: Net, sk: sock) -> bool:
    """A group of its own."""
    if net.group_free >= 0:
        g = net.group_free
        free = net.reuseport[g]
        net.group_free = free.next
    elif net.ngroup < len(net.reuseport):
        g = net.ngroup
        net.ngroup += 1
    else:
        return False
    return reuseport_add_sock(net, sk, g)


@path_function
def reuseport_add_sock(net: Net, sk: sock, g: int) -> bool:
    reuse = net.reuseport[g]
    if reuse.num_socks >= NREUSEPORT:
        return False
    reuse.socks[reuse.num_socks] = sk.idx
    reuse.num_socks += 1
    sk.group = g
    if sk.incoming_cpu >= 0:
        reuse.incoming_cpu += 1
    return True


@path_function
def reuseport_detach_sock(net: Net, sk: sock) -> None:
    """The last member moves into the hole."""
    reuse = net.reuseport[sk.group]
    for k in range(reuse.num_socks):
        if reuse.socks[k] == sk.idx:
            reuse.num_socks -= 1
            reuse.socks[k] = reuse.socks[reuse.num_socks]
            break
    if sk.incoming_cpu >= 0:
        reuse.incoming_cpu -= 1
    if reuse.num_socks == 0:
        reuse.next = net.group_free
        net.group_free = sk.group
    sk.group = NO_SOCK


@path_function
def reuseport_select_sock(net: Net, cpu: int, reuse: sock_reuseport, phash: int) -> int:
    """The member at floor(hash * n / 2^32); with SO_INCOMING_CPU in the group, the next from there that wants this CPU."""
    n = reuse.num_socks
    first = phash * n >> 32
    i, valid = first, NO_SOCK
    for _ in range(n):
        member = reuse.socks[i]
        sk = net.socks[member]
        if sk.dport == 0:
            if reuse.incoming_cpu == 0 or sk.incoming_cpu == cpu:
                return member
            if valid < 0:
                valid = member
        i += 1
        if i >= n:
            i = 0
    return valid
