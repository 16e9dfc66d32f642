"""The hash tables of UDP sockets: by port (udp_hash), by address and port (udp_hash2), by both ends (udp_hash4).

Written by udp_sock.py, read by the lookups.  The newest of a chain comes first."""
from .._compile import path_function
from ..abi.net import UDP_HASH, Net
from ..abi.sock import sock

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
def hash_first(net: Net, port: int) -> int:
    """The first of a chain of udp_hash, NO_SOCK."""
    return net.udp_hash[udp_hashfn(port)] - 1


@path_function
def hash2_first(net: Net, h: int) -> int:
    """The first of a chain of udp_hash2, NO_SOCK.  The tables hold index + 1: boot writes nothing to them, and their empty places stay one
    page of zeros.  Each look-up of a socket of any address looks at an empty chain first, with a thousand ports at a thousand lines."""
    return net.udp_hash2[h] - 1


@path_function
def hash4_first(net: Net, h: int) -> int:
    """The first of a chain of udp_hash4, NO_SOCK."""
    return net.udp_hash4[h] - 1


@path_function
def hash2_begin(net: Net, h: int, i: int) -> None:
    """The chain begins with i."""
    net.udp_hash2[h] = i + 1


@path_function
def hash_insert(net: Net, sk: sock) -> None:
    """Into the chain of its port."""
    sk.hnext = hash_first(net, sk.port)
    net.udp_hash[udp_hashfn(sk.port)] = sk.idx + 1


@path_function
def hash2_insert(net: Net, sk: sock) -> None:
    h = udp4_portaddr_hash(net, sk.rcv_saddr_lo, sk.port)
    sk.hnext2 = hash2_first(net, h)
    hash2_begin(net, h, sk.idx)


@path_function
def hash4_insert(net: Net, sk: sock) -> None:
    h = udp4_conn_hashfn(net, sk.rcv_saddr_lo, sk.port, sk.daddr_lo, sk.dport)
    sk.hnext4 = hash4_first(net, h)
    net.udp_hash4[h] = sk.idx + 1
    net.udp_nconn += 1


@path_function
def hash_remove(net: Net, sk: sock) -> None:
    if hash_first(net, sk.port) == sk.idx:
        net.udp_hash[udp_hashfn(sk.port)] = sk.hnext + 1
        return
    before = net.socks[hash_first(net, sk.port)]
    while before.hnext != sk.idx:
        before = net.socks[before.hnext]
    before.hnext = sk.hnext


@path_function
def hash2_remove(net: Net, sk: sock) -> None:
    h = udp4_portaddr_hash(net, sk.rcv_saddr_lo, sk.port)
    if hash2_first(net, h) == sk.idx:
        hash2_begin(net, h, sk.hnext2)
        return
    before = net.socks[hash2_first(net, h)]
    while before.hnext2 != sk.idx:
        before = net.socks[before.hnext2]
    before.hnext2 = sk.hnext2


@path_function
def hash4_remove(net: Net, sk: sock) -> None:
    net.udp_nconn -= 1
    h = udp4_conn_hashfn(net, sk.rcv_saddr_lo, sk.port, sk.daddr_lo, sk.dport)
    if hash4_first(net, h) == sk.idx:
        net.udp_hash4[h] = sk.hnext4 + 1
        return
    before = net.socks[hash4_first(net, h)]
    while before.hnext4 != sk.idx:
        before = net.socks[before.hnext4]
    before.hnext4 = sk.hnext4
