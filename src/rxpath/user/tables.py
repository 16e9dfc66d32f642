"""The hash tables that sockets stand in: by port (udp_hash), by address and port (udp_hash2), by both ends (udp_hash4); reuseport groups.

bind(), connect() and close() write them (setup.py), transport/ reads them.  Twins: udp_lib_get_port(), udp_lib_rehash(), udp_lib_unhash()
of net/ipv4/udp.c and net/core/sock_reuseport.c.  The newest of a chain comes first.  Heads hold index + 1."""
from .._compile import path_function
from ..abi.net import UDP_HASH, Net
from ..abi.numbers import NO_SOCK
from ..abi.sock import NREUSEPORT, sock

M32 = 0xFFFFFFFF


@path_function
def udp_hashfn(port: int) -> int:
    return port & UDP_HASH - 1


@path_function
def udp4_portaddr_hash(net: Net, addr: int, port: int) -> int:
    """Neighbouring ports are neighbours in the table."""
    return ((addr * 0x9E3779B1 & M32) >> 16 ^ port) & UDP_HASH - 1


@path_function
def udp_ehashfn(net: Net, laddr: int, lport: int, faddr: int, fport: int) -> int:
    """32 bits of the flow; the kernel's depend on a secret, so that no particular function is the right one."""
    h = (net.udp_hash_seed ^ laddr) * 0x9E3779B1 & M32
    h = ((h ^ h >> 15) ^ faddr) * 0x85EBCA6B & M32
    h = ((h ^ h >> 13) ^ (fport << 16 | lport)) * 0xC2B2AE35 & M32
    h = (h ^ h >> 16) * 0x27D4EB2F & M32
    return h ^ h >> 15


@path_function
def udp4_conn_hashfn(net: Net, laddr: int, lport: int, faddr: int, fport: int) -> int:
    return udp_ehashfn(net, laddr, lport, faddr, fport) & UDP_HASH - 1


@path_function
def hash_insert(net: Net, sk: sock) -> None:
    """Into the chain of its port."""
    h = udp_hashfn(sk.port)
    sk.hnext = net.udp_hash[h] - 1
    net.udp_hash[h] = sk.idx + 1


@path_function
def hash2_insert(net: Net, sk: sock) -> None:
    h = udp4_portaddr_hash(net, sk.rcv_saddr_lo, sk.port)
    sk.hnext2 = net.udp_hash2[h] - 1
    net.udp_hash2[h] = sk.idx + 1


@path_function
def hash4_insert(net: Net, sk: sock) -> None:
    h = udp4_conn_hashfn(net, sk.rcv_saddr_lo, sk.port, sk.daddr_lo, sk.dport)
    sk.hnext4 = net.udp_hash4[h] - 1
    net.udp_hash4[h] = sk.idx + 1
    net.udp_nconn += 1


@path_function
def hash_remove(net: Net, sk: sock) -> None:
    h = udp_hashfn(sk.port)
    if net.udp_hash[h] == sk.idx + 1:
        net.udp_hash[h] = sk.hnext + 1
        return
    before = net.socks[net.udp_hash[h] - 1]
    while before.hnext != sk.idx:
        before = net.socks[before.hnext]
    before.hnext = sk.hnext


@path_function
def hash2_remove(net: Net, sk: sock) -> None:
    h = udp4_portaddr_hash(net, sk.rcv_saddr_lo, sk.port)
    if net.udp_hash2[h] == sk.idx + 1:
        net.udp_hash2[h] = sk.hnext2 + 1
        return
    before = net.socks[net.udp_hash2[h] - 1]
    while before.hnext2 != sk.idx:
        before = net.socks[before.hnext2]
    before.hnext2 = sk.hnext2


@path_function
def hash4_remove(net: Net, sk: sock) -> None:
    net.udp_nconn -= 1
    h = udp4_conn_hashfn(net, sk.rcv_saddr_lo, sk.port, sk.daddr_lo, sk.dport)
    if net.udp_hash4[h] == sk.idx + 1:
        net.udp_hash4[h] = sk.hnext4 + 1
        return
    before = net.socks[net.udp_hash4[h] - 1]
    while before.hnext4 != sk.idx:
        before = net.socks[before.hnext4]
    before.hnext4 = sk.hnext4


@path_function
def bind_conflict(net: Net, sk: sock, addr: int, port: int) -> bool:
    """udp_lib_lport_inuse(): two sockets may share a port when both say SO_REUSEADDR, or both SO_REUSEPORT, or their devices or addresses
    differ.  The newest comes first, and a SO_REUSEPORT friend ends the search."""
    i = net.udp_hash[udp_hashfn(port)] - 1
    while i >= 0:
        other = net.socks[i]
        i = other.hnext
        if other.port != port or (other.reuse and sk.reuse):
            continue
        if other.bound_dev and sk.bound_dev and other.bound_dev != sk.bound_dev:
            continue
        if addr and other.rcv_saddr_lo and addr != other.rcv_saddr_lo:
            continue
        if other.reuseport and sk.reuseport:
            return False
        return True
    return False


@path_function
def reuseport_join(net: Net, sk: sock) -> bool:
    """udp_reuseport_add_sock(): to the group of the sockets with the same address, port and device, or a group of its own."""
    i = net.udp_hash[udp_hashfn(sk.port)] - 1
    while i >= 0:
        other = net.socks[i]
        if other.idx != sk.idx and other.port == sk.port and other.family == sk.family and other.bound_dev == sk.bound_dev \
                and other.reuseport and other.rcv_saddr_lo == sk.rcv_saddr_lo:
            if other.group < 0 and not reuseport_alloc(net, other):         # it said so after bind(): the group begins with it
                return False
            return reuseport_add_sock(net, sk, other.group)
        i = other.hnext
    return reuseport_alloc(net, sk)


@path_function
def reuseport_alloc(net: Net, sk: sock) -> bool:
    """A group of its own."""
    if net.group_free:
        g = net.group_free - 1
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
        net.group_free = sk.group + 1
    sk.group = NO_SOCK
