"""The tables of TCP sockets: net/ipv4/inet_hashtables.c.  Bound ones by port (tcp_bhash), listeners by port (tcp_lhash); connections come
later.  Written by inet_connection_sock.py, read by tcp.py."""
from .._compile import path_function
from ..abi.net import TCP_LHASH, Net
from ..abi.numbers import IPPROTO, NO_SOCK, TCP
from ..abi.sock import sock
from ..path import proto_hash, proto_unhash

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
    sk.port = port
    sk.hnext2 = net.tcp_bhash[h]
    net.tcp_bhash[h] = sk.idx


@path_function
def inet_put_port(net: Net, sk: sock) -> None:
    """Its port is free again."""
    h = inet_lhashfn(sk.port)
    if net.tcp_bhash[h] == sk.idx:
        net.tcp_bhash[h] = sk.hnext2
    else:
        before = net.socks[net.tcp_bhash[h]]
        while before.hnext2 != sk.idx:
            before = net.socks[before.hnext2]
        before.hnext2 = sk.hnext2
    sk.port, sk.hnext2 = 0, NO_SOCK


# ---------------------------------------------------------------- listening
@proto_hash(IPPROTO.TCP)
@path_function
def inet_hash(net: Net, sk: sock) -> int:
    """The newest comes first."""
    h = inet_lhashfn(sk.port)
    sk.hnext = net.tcp_lhash[h]
    net.tcp_lhash[h] = sk.idx
    return 0


@proto_unhash(IPPROTO.TCP)
@path_function
def inet_unhash(net: Net, sk: sock) -> int:
    if sk.state != TCP.LISTEN:
        return 0
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
