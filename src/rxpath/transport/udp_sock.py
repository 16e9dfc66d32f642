"""UDP's side of the socket calls: udp_prot of net/ipv4/udp.c, __ip4_datagram_connect() of net/ipv4/datagram.c.

Called through the tables of struct proto (path.py) by user/socket.py.  What a socket reads, polls and queues is in user/."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import EADDRINUSE, IPPROTO, NO_SOCK, TCP
from ..abi.sock import SOCK_BINDADDR_LOCK, SOCK_BINDPORT_LOCK, sock
from ..path import proto_close, proto_connect, proto_disconnect, proto_get_port, proto_init, proto_unhash
from ..user.sock import sk_common_release
from .inet_hashtables import LOCAL_PORTS, inet_local_port
from .sock_reuseport import reuseport_add_sock, reuseport_alloc, reuseport_detach_sock
from .udp_hash import hash2_insert, hash2_remove, hash4_insert, hash4_remove, hash_first, hash_insert, hash_remove


@proto_init(IPPROTO.UDP)
@path_function
def udp_init_sock(net: Net, sk: sock) -> int:
    sk.forward_threshold = sk.rcvbuf >> 2
    return 0


# ---------------------------------------------------------------- bind()
@path_function
def bind_conflict(net: Net, sk: sock, addr: int, port: int) -> bool:
    """udp_lib_lport_inuse(): two sockets may share a port when both say SO_REUSEADDR, or both SO_REUSEPORT, or their devices or addresses
    differ.  The newest comes first, and a SO_REUSEPORT friend ends the search."""
    i = hash_first(net, port)
    while i >= 0:
        other = net.socks[i]
        i = other.hnext
        if other.port != port or (other.reuse and sk.reuse):
            continue
        if other.bound_dev and sk.bound_dev and other.bound_dev != sk.bound_dev:
            continue
        if addr and other.rcv_saddr_lo and addr != other.rcv_saddr_lo:
            continue
        if other.reuseport and sk.reuseport and sk.group < 0:              # with a group of its own it cannot join another
            return False
        return True
    return False


@path_function
def reuseport_join(net: Net, sk: sock) -> bool:
    """udp_reuseport_add_sock(): to the group of the sockets with the same address, port and device, or a group of its own."""
    i = hash_first(net, sk.port)
    while i >= 0:
        other = net.socks[i]
        if other.idx != sk.idx and other.port == sk.port and other.family == sk.family and other.bound_dev == sk.bound_dev \
                and other.reuseport and other.rcv_saddr_lo == sk.rcv_saddr_lo:
            if other.group < 0 and not reuseport_alloc(net, other):         # it said so after bind(): the group begins with it
                return False
            return reuseport_add_sock(net, sk, other.group)
        i = other.hnext
    return sk.group >= 0 or reuseport_alloc(net, sk)


@proto_get_port(IPPROTO.UDP)
@path_function
def udp_v4_get_port(net: Net, sk: sock, port: int) -> int:
    """udp_lib_get_port(): its address stands in the socket already.  Port 0: the first free one."""
    chosen = port
    if port == 0:
        for k in range(LOCAL_PORTS):
            chosen = inet_local_port(net, k)
            if not bind_conflict(net, sk, sk.rcv_saddr_lo, chosen):
                break
    if bind_conflict(net, sk, sk.rcv_saddr_lo, chosen):
        return EADDRINUSE
    sk.port = chosen
    if sk.reuseport:
        if not reuseport_join(net, sk):
            sk.port = 0
            return EADDRINUSE
    net.bind_seq += 1
    hash_insert(net, sk)
    hash2_insert(net, sk)
    return 0


@proto_unhash(IPPROTO.UDP)
@path_function
def udp_lib_unhash(net: Net, sk: sock) -> int:
    """Out of all tables; its port is free again."""
    if sk.group >= 0:
        reuseport_detach_sock(net, sk)
    if sk.port == 0:
        return 0
    if sk.dport:
        hash4_remove(net, sk)
    hash2_remove(net, sk)
    hash_remove(net, sk)
    sk.port, sk.dport, sk.hnext, sk.hnext2 = 0, 0, NO_SOCK, NO_SOCK
    return 0


# ---------------------------------------------------------------- connect()
@path_function
def udp_lib_rehash(net: Net, sk: sock, addr: int) -> None:
    """The socket gets another local address."""
    hash2_remove(net, sk)
    sk.rcv_saddr_lo = addr
    hash2_insert(net, sk)


@proto_connect(IPPROTO.UDP)
@path_function
def ip4_datagram_connect(net: Net, cpu: int, sk: sock, local: int, daddr: int, dport: int, dev: int) -> int:
    """The socket leaves its group, takes a local address if it had none, and stands in udp_hash4."""
    if sk.dport:
        hash4_remove(net, sk)
    if sk.group >= 0:
        reuseport_detach_sock(net, sk)
    if sk.rcv_saddr_lo == 0:
        udp_lib_rehash(net, sk, local)
    sk.daddr_lo, sk.dport, sk.state = daddr, dport, TCP.ESTABLISHED
    hash4_insert(net, sk)
    return 0


@proto_disconnect(IPPROTO.UDP)
@path_function
def udp_disconnect(net: Net, cpu: int, sk: sock) -> int:
    """connect(AF_UNSPEC): any peer again; address and port that bind() was not told are anybody's."""
    if sk.dport:
        hash4_remove(net, sk)
    sk.daddr_lo, sk.dport, sk.state, sk.rxhash, sk.bound_dev = 0, 0, TCP.CLOSE, 0, 0
    if sk.userlocks & SOCK_BINDADDR_LOCK == 0 and sk.rcv_saddr_lo:
        udp_lib_rehash(net, sk, 0)
    if sk.userlocks & SOCK_BINDPORT_LOCK == 0:
        udp_lib_unhash(net, sk)
    return 0


# ---------------------------------------------------------------- close()
@proto_close(IPPROTO.UDP)
@path_function
def udp_lib_close(net: Net, cpu: int, sk: sock) -> int:
    """udp_destroy_sock(), then what every protocol does."""
    if sk.gro_enabled:
        net.udp_encap_needed -= 1
        sk.gro_enabled = 0
    sk_common_release(net, cpu, sk)
    return 0
